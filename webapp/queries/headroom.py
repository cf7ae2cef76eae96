"""How much room is left: every limit of the policy and every reason for which the desk halts itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

from sqlalchemy import RowMapping

from webapp.domain import halts
from webapp.domain.anomaly import PRICE_ANOMALY
from webapp.domain.moments import seconds
from webapp.domain.money import ZERO, exact, plain
from webapp.domain.policy import FIELDS, Policy
from webapp.domain.risk.verdict import WARN_FROM
from webapp.queries.overview import Book, Desk
from webapp.queries.pulse import Pulse

BLOCKS, HALTS, WAITS = "blocks", "halts", "waits"
"""What reaching a bound does; what only waits for its time to pass is never near to tripping."""
AGES_COUNT_FROM = Decimal("0.5")
ORDER_TTL = "ORDER_TTL_SECONDS"


@dataclass(frozen=True, slots=True)
class Limit:
    """One bound, what stands against it now, and what reaching it does.

    `value` is None where there is nothing to measure: then `note` says why. `floor` tells a least value from a greatest
    one. `clock` marks what only time moves: it comes and goes with every quote, so it takes its place among the others
    when half of it is used, not before.
    """

    code: str
    name: str
    note: str
    value: Decimal | None
    bound: Decimal
    unit: str
    effect: str = BLOCKS
    floor: bool = False
    clock: bool = False
    includes: bool = False
    """Whether reaching the bound trips already; else only what is beyond it."""

    @property
    def usage(self) -> Decimal | None:
        """The part that is used, 1 being all of it, rounded down to whole percents; None where nothing measures it."""
        if self.value is None:
            return None
        if not self.bound:
            return ZERO if self.floor or self.clock else Decimal(1)
        part, whole = (self.bound, self.value) if self.floor else (max(self.value, ZERO), self.bound)
        if whole <= 0:
            return Decimal(1)
        return min(part / whole, Decimal(10)).quantize(Decimal("0.01"), rounding=ROUND_DOWN)

    @property
    def tripped(self) -> bool:
        """Whether the bound is broken: an order would be blocked, or the desk halts."""
        if self.value is None:
            return False
        beyond = self.value < self.bound if self.floor else self.value > self.bound
        return beyond or (self.includes and self.value == self.bound)

    @property
    def warns(self) -> bool:
        """Whether 80 % or more of the room is used."""
        return self.effect != WAITS and not self.tripped and self.usage is not None and self.usage >= WARN_FROM

    @property
    def place(self) -> tuple[bool, Decimal]:
        """What sorts the nearest to tripping first."""
        usage = ZERO if self.effect == WAITS else self.usage or ZERO
        return self.tripped, ZERO if self.clock and usage < AGES_COUNT_FROM else usage


@exact
def limits(
    desk: Desk, book: Book, held: Sequence[RowMapping], quotes: Sequence[Pulse], dead_man_seconds: int
) -> list[Limit]:
    """What the desk as a whole is measured by now, nearest to tripping first; empty without a policy."""
    policy = desk.policy
    if policy is None:
        return []
    rows = [
        *_of_the_book(desk, book, held, policy),
        *_of_the_quotes(quotes, policy),
        _cooldown(desk, quotes, policy),
        _engine(desk, dead_man_seconds),
        _resting(desk, policy),
    ]
    return sorted(rows, key=lambda row: row.place, reverse=True)


def _of_the_book(desk: Desk, book: Book, held: Sequence[RowMapping], policy: Policy) -> list[Limit]:
    largest = max((abs(row["market_value"]) for row in held), default=ZERO)
    name = held[0]["symbol"] if held else "none held"
    loss = max(-book.day_change, ZERO)
    fall = "from peak"
    hour, day = Decimal(desk.trades_hour), Decimal(desk.trades_today)
    most_positions, most_hour, most_day = (
        Decimal(number) for number in (policy.max_open_positions, policy.max_trades_per_hour, policy.max_trades_per_day)
    )
    return [
        _limit("MAX_DRAWDOWN", fall, book.drawdown, policy.max_drawdown, effect=HALTS, includes=True),
        _limit("MAX_DAILY_LOSS", "today, UTC", loss, policy.max_daily_loss),
        _limit("MAX_POSITION_NOTIONAL", name, largest, policy.max_position_notional),
        _limit("MAX_GROSS_EXPOSURE", "", book.gross, policy.max_gross_exposure),
        # One more of these is one too many as soon as the bound is reached.
        _limit("MAX_OPEN_POSITIONS", "symbols held", Decimal(len(held)), most_positions, includes=True),
        _limit("MAX_TRADES_PER_HOUR", "last 60 minutes", hour, most_hour, includes=True),
        _limit("MAX_TRADES_PER_DAY", "today, UTC", day, most_day, includes=True),
    ]


def _limit(code: str, note: str, value: Decimal | None, bound: Decimal, **more: Any) -> Limit:
    field = FIELDS[code.lower()]
    return Limit(code, field.label, note, value, bound, field.unit, **more)


def _of_the_quotes(quotes: Sequence[Pulse], policy: Policy) -> list[Limit]:
    watched = [quote for quote in quotes if quote.watched and quote.age is not None]
    oldest = max(watched, key=lambda quote: quote.age or timedelta(0), default=None)
    age = None if oldest is None or oldest.age is None else seconds(oldest.age)
    symbol = "no quote yet" if oldest is None else oldest.symbol
    moved = max(watched, key=lambda quote: quote.move_pct or ZERO, default=None)
    warns = f"{plain(policy.anomaly_warn_pct)} % warns"
    move = warns if moved is None else f"{moved.symbol}, {warns}"
    name, pct = f"{policy.anomaly_window_seconds} s move", None if moved is None else moved.move_pct
    fresh, kept = Decimal(policy.stale_after_seconds), Decimal(policy.auto_halt_stale_seconds)
    return [
        Limit(halts.STALE_MARKET_DATA, "Oldest quote", symbol, age, fresh, "s", clock=True),
        Limit("AUTO_HALT_STALE", "Oldest quote", symbol, age, kept, "s", HALTS, clock=True),
        Limit(PRICE_ANOMALY, name, move, pct, policy.anomaly_halt_pct, "%", HALTS, clock=True, includes=True),
    ]


def _cooldown(desk: Desk, quotes: Sequence[Pulse], policy: Policy) -> Limit:
    """A cooldown runs out by itself: what is left of the longest one, and for which symbol."""
    bound = Decimal(policy.cooldown_seconds)
    left = {
        quote.symbol: bound - seconds(desk.now - quote.last_fill_at)
        for quote in quotes
        if quote.last_fill_at is not None
    }
    running = {symbol: rest for symbol, rest in left.items() if rest > 0}
    longest = max(running, key=lambda symbol: running[symbol], default=None)
    value = ZERO if longest is None else running[longest]
    note = "none runs" if longest is None else f"{longest} waits"
    return Limit("COOLDOWN_SECONDS", "Cooldown left", note, value, bound, "s", WAITS, clock=True)


def _engine(desk: Desk, dead_man_seconds: int) -> Limit:
    bound = Decimal(dead_man_seconds)
    if not dead_man_seconds:
        return Limit(halts.ENGINE_LOST, "Engine silent", "never halts: DEAD_MAN_SECONDS=0", None, bound, "s", HALTS)
    if desk.engine_at is None:
        return Limit(halts.ENGINE_LOST, "Engine silent", "no engine runs", None, bound, "s", HALTS)
    silent = max(seconds(desk.now - desk.engine_at), ZERO)
    return Limit(halts.ENGINE_LOST, "Engine silent", "last beat", silent, bound, "s", HALTS, clock=True)


def _resting(desk: Desk, policy: Policy) -> Limit:
    age = None if desk.resting_since is None else max(seconds(desk.now - desk.resting_since), ZERO)
    note = "none rests" if age is None else f"oldest of {desk.resting}"
    bound = Decimal(policy.order_ttl_seconds)
    return Limit(ORDER_TTL, "Resting order", note, age, bound, "s", WAITS, clock=True)


ORDER_LIMITS: Mapping[str, tuple[str, str, bool]] = {
    "MAX_ORDER_NOTIONAL": ("Order size", "max_order_notional", False),
    "MAX_LOSS_PER_TRADE": ("Loss of the trade", "max_loss_per_trade", False),
    "MIN_CONFIDENCE": ("Confidence", "min_confidence", True),
    "MIN_PRICE_MOVE_5M": ("Move in 5 minutes", "min_price_move_5m_pct", True),
    "PRICE_COLLAR": ("Distance from the mid", "price_collar_pct", False),
}
"""What only an order has: its name here, its field of the policy, and whether it is a least value."""


@exact
def order_limits(policy: Policy, rules: Sequence[Mapping[str, Any]]) -> list[Limit]:
    """The limits of each order against the last proposal's verdicts (none: only the bounds), nearest first.

    The bounds are those in force now: what the last proposal would meet today.
    """
    said = {str(rule["rule"]): rule for rule in rules}
    rows = []
    for code, (name, entry, floor) in ORDER_LIMITS.items():
        found = said.get(code, {}).get("value")
        value = None if found is None else Decimal(found)
        bound = Decimal(getattr(policy, entry))
        rows.append(Limit(code, name, "", value, bound, FIELDS[entry].unit, floor=floor))
    return sorted(rows, key=lambda row: row.place, reverse=True)
