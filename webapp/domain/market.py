"""Quotes: what a tick is, when it may be taken, how old it is."""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple, Protocol
from uuid import UUID

from webapp.domain.errors import BadInput, BadQuote
from webapp.domain.money import BPS, CONTEXT, UNIT, exact, parse_amount

_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,31}", re.ASCII)
FUTURE_TOLERANCE = timedelta(seconds=2)
"""Clocks differ a little; a quote from further ahead than this is a fault of its source."""
OLDEST_YEAR = 1970
"""Windows reach back from a quote's time, and before year one there is nothing to reach."""
WINDOW_CAP = 2_000
"""A strategy sees at most this many quotes of its window, the newest ones."""


def check_symbol(text: str, field: str = "symbol") -> str:
    """A symbol is 1 to 32 of ``A-Z 0-9 . _ -``, first a letter or digit. Raises :class:`BadInput`."""
    if not isinstance(text, str) or not _SYMBOL.fullmatch(text):
        raise BadInput(field, "must be 1 to 32 of A-Z 0-9 . _ -, beginning with a letter or digit")
    return text


@dataclass(frozen=True)
class Tick:
    """One quote of one symbol: what can be had (``ask_price``) and what is paid (``bid_price``) at ``event_at``."""

    symbol: str
    bid_price: Decimal
    ask_price: Decimal
    event_at: datetime

    @cached_property
    def mid_price(self) -> Decimal:
        """Halfway between bid and ask, rounded half-even to 8 decimals."""
        return CONTEXT.quantize(CONTEXT.divide(CONTEXT.add(self.bid_price, self.ask_price), Decimal(2)), UNIT)

    @cached_property
    def spread_bps(self) -> int:
        """Ask less bid in basis points of the mid, rounded half-even to a whole number."""
        spread = CONTEXT.subtract(self.ask_price, self.bid_price)
        return int(CONTEXT.quantize(CONTEXT.divide(CONTEXT.multiply(spread, BPS), self.mid_price), Decimal(1)))


class Quote(NamedTuple):
    """One entry of a strategy's window."""

    event_at: datetime
    bid_price: Decimal
    ask_price: Decimal
    mid_price: Decimal


class Feed(Protocol):
    """Where quotes come from."""

    def poll(self, now: datetime) -> Sequence[Tick]:
        """The quotes that became known since the last call, oldest first; empty when there are none."""


def _price(text: str, field: str) -> Decimal:
    try:
        price = parse_amount(text, field)
    except BadInput as error:
        raise BadQuote("bad_number", error.message, field=field) from error
    if price <= 0:
        raise BadQuote("not_positive", f"{field} must be above zero", field=field)
    return price


def parse_time(text: str, field: str = "event_at") -> datetime:
    """An ISO-8601 instant with its zone. Raises :class:`BadInput`: a time without a zone is a guess."""
    try:
        instant = datetime.fromisoformat(text)
    except (ValueError, TypeError) as error:
        raise BadInput(field, "must be an ISO-8601 time such as 2024-08-08T23:54:14Z") from error
    if instant.tzinfo is None:
        raise BadInput(field, "must name its time zone, for example a Z at the end")
    if instant.year < OLDEST_YEAR:
        raise BadInput(field, f"must not be before {OLDEST_YEAR}")
    return instant


def parse_tick(symbol: str, bid: str, ask: str, event_at: str) -> Tick:
    """A tick from four texts. Raises :class:`BadQuote` whose reason says which of them is wrong and how."""
    try:
        check_symbol(symbol)
    except BadInput as error:
        raise BadQuote("bad_symbol", error.message, field="symbol") from error
    bid_price, ask_price = _price(bid, "bid_price"), _price(ask, "ask_price")
    if bid_price > ask_price:
        raise BadQuote("crossed", "bid_price must not be above ask_price", field="bid_price")
    try:
        instant = parse_time(event_at)
    except BadInput as error:
        raise BadQuote("bad_time", error.message, field="event_at") from error
    return Tick(symbol, bid_price, ask_price, instant)


@dataclass(frozen=True)
class SeenTick:
    """A tick the desk has stored, under its id."""

    tick_id: UUID
    tick: Tick


class Tape:
    """The recent quotes of one symbol, oldest first, as far back as any rule or strategy looks.

    Ticks must be added in order; a late tick never enters the tape.
    """

    def __init__(self, keep: timedelta) -> None:
        self.newest: SeenTick | None = None
        self._keep = keep
        self._quotes: deque[Quote] = deque()
        self._highs: deque[Quote] = deque()
        self._lows: deque[Quote] = deque()

    def add(self, seen: SeenTick, *, trusted: bool = True) -> None:
        """Append a tick that is not older than the newest one, and forget what is out of reach.

        A quote that is not ``trusted`` yet is no extreme of any window until :meth:`trust_newest` makes it one.
        """
        tick = seen.tick
        self.newest = seen
        self._quotes.append(Quote(tick.event_at, tick.bid_price, tick.ask_price, tick.mid_price))
        if trusted:
            self.trust_newest()
        horizon = tick.event_at - self._keep
        while self._quotes[0].event_at < horizon:
            self._quotes.popleft()

    def trust_newest(self, *, alone: bool = False) -> None:
        """Let the newest quote count as an extreme; ``alone`` forgets the extremes before it."""
        quote = self._quotes[-1]
        if alone:
            self._highs.clear()
            self._lows.clear()
        while self._highs and self._highs[-1].mid_price <= quote.mid_price:
            self._highs.pop()
        while self._lows and self._lows[-1].mid_price >= quote.mid_price:
            self._lows.pop()
        self._highs.append(quote)
        self._lows.append(quote)

    def is_late(self, tick: Tick) -> bool:
        """Whether a newer quote is already known. Equal times are not late: arrival decides."""
        return self.newest is not None and tick.event_at < self.newest.tick.event_at

    def window(self, since: datetime) -> list[Quote]:
        """The quotes from ``since`` on, oldest first, at most the newest :data:`WINDOW_CAP`."""
        found: list[Quote] = []
        for quote in reversed(self._quotes):
            if quote.event_at < since or len(found) == WINDOW_CAP:
                break
            found.append(quote)
        found.reverse()
        return found

    def first_since(self, since: datetime) -> Quote | None:
        """The oldest quote kept that is not older than ``since``."""
        low, high = 0, len(self._quotes)
        while low < high:
            middle = (low + high) // 2
            if self._quotes[middle].event_at < since:
                low = middle + 1
            else:
                high = middle
        return self._quotes[low] if low < len(self._quotes) else None

    def extremes_since(self, since: datetime) -> tuple[Quote, Quote] | None:
        """The lowest and the highest trusted mid from ``since`` on; None when there is none.

        Calls must not go back in time: what is older than ``since`` is forgotten (amortised constant time).
        """
        for queue in (self._lows, self._highs):
            while queue and queue[0].event_at < since:
                queue.popleft()
        return (self._lows[0], self._highs[0]) if self._lows and self._highs else None


@exact
def move_pct(now: Decimal, then: Decimal) -> Decimal:
    """How far a price moved from ``then`` to ``now``, in percent of ``then``, without its sign."""
    return abs(now - then) / then * 100
