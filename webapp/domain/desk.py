"""The desk: everything a step of trading looks at and changes, in memory.

Three things move it: a quote (:meth:`Desk.take_tick`), the clock (:meth:`Desk.advance`) and a cycle
(:func:`webapp.domain.cycle.run`). Each adds rows to :class:`Changes`; nothing here reads a clock, a database or a
random source. Live trading loads a desk for one transaction, a replay keeps one for a whole file: the same code.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from webapp.domain.activity import Activity
from webapp.domain.anomaly import Move, look_again, window_of
from webapp.domain.book import Book
from webapp.domain.errors import OutOfRange
from webapp.domain.execution import Execution, execute, terms
from webapp.domain.ids import TimeOrderedIds
from webapp.domain.market import FUTURE_TOLERANCE, SeenTick, Tape, Tick
from webapp.domain.moments import floor, not_before
from webapp.domain.money import ZERO, exact, short
from webapp.domain.orders import OrderStatus, Side, check_transition
from webapp.domain.policy import Policy
from webapp.domain.receipts import Standing, fill_row, receipt_row
from webapp.domain.records import Breach, Changes, LateTickRow, OrderRow, SnapshotRow, TickRow, TransitionRow

TAPE_KEEP = timedelta(seconds=3600)
"""How far back quotes are kept: the longest window any rule or strategy may ask for."""
SNAPSHOT_SECONDS = 60
"""Width of the grid of time on which NAV is written down, whether or not anything trades."""
UNBEARABLE = "the book can no longer carry it"
"""Why an order that had passed is canceled instead of filled."""


@dataclass
class RestingOrder:
    """An approved order that still waits for (the rest of) its fill."""

    order: OrderRow
    remaining: Decimal
    expires_at: datetime


@dataclass
class Desk:
    """The account, its market and its limits at one moment; see the module for who moves it.

    ``resting`` holds the waiting orders of each symbol by arrival; ``quote_used`` the notional in USDC that the newest
    quote of a symbol has already filled.
    """

    book: Book
    policy: Policy
    policy_version: int
    halted: bool
    ids: TimeOrderedIds
    actor: str
    tapes: dict[str, Tape] = field(default_factory=dict)
    resting: dict[str, list[RestingOrder]] = field(default_factory=dict)
    quote_used: dict[str, Decimal] = field(default_factory=dict)
    activity: Activity = field(default_factory=Activity)
    day: date | None = None
    day_start_nav: Decimal = ZERO
    last_snapshot_at: datetime | None = None
    last_snapshot_nav: Decimal | None = None
    suspects: dict[str, Move] = field(default_factory=dict)
    """Symbols whose newest quote moved far enough to halt and waits for a second one."""
    switched_at: datetime | None = None
    """When the kill switch was last turned, either way."""
    halt_due: Breach | None = None
    """A reason to halt that was met and not acted on yet: nothing trades before the halt."""
    unacted: dict[datetime, Breach] = field(default_factory=dict)
    """What stored quotes called for, by their time, in case whoever stored them could not act on it any more."""

    def tape(self, symbol: str) -> Tape:
        """The recent quotes of ``symbol``."""
        return self.tapes.setdefault(symbol, Tape(TAPE_KEEP))

    def quote(self, symbol: str, now: datetime) -> SeenTick | None:
        """The newest quote of ``symbol`` that is known at ``now``; one from the future is nobody's yet."""
        newest = self.tape(symbol).newest
        return None if newest is None or newest.tick.event_at > now + FUTURE_TOLERANCE else newest

    # --- a quote ---
    def take_tick(self, tick: Tick, now: datetime, changes: Changes) -> None:
        """Store a quote; when it is the newest, move the mark, look for reasons to halt and fill what it reaches.

        Raises :class:`OutOfRange` when the book could not be valued at it; then nothing but a row has changed.
        """
        tape = self.tape(tick.symbol)
        tick_id = self.ids.next(now)
        row = TickRow(
            tick_id, tick.symbol, tick.bid_price, tick.ask_price, tick.mid_price, tick.spread_bps, tick.event_at, now
        )
        changes.ticks.append(row)
        if tape.is_late(tick) and tape.newest is not None:
            changes.late_ticks.append(LateTickRow(tick_id, tape.newest.tick.event_at))
            return
        if tick.symbol in self.book.positions:  # first, because it may refuse the quote
            self.book.mark(tick.symbol, tick.mid_price)
            changes.marked[tick.symbol] = now
            self._note_nav(changes)
        seen = SeenTick(tick_id, tick)
        tape.add(seen, trusted=False)
        self.quote_used.pop(tick.symbol, None)
        breach = self.watch_move(tick)
        if breach is not None:
            changes.breaches.append(breach)
        if not self.halted and self.is_fresh(tick, now):
            self._fill_resting(seen, now, changes)

    def is_fresh(self, tick: Tick, now: datetime) -> bool:
        """Whether a fill may be made from ``tick`` at ``now``."""
        return now - tick.event_at <= timedelta(seconds=self.policy.stale_after_seconds)

    def _fill_resting(self, seen: SeenTick, now: datetime, changes: Changes) -> None:
        """Fill what waits, until there is a reason to halt: the halt comes after this step, and nothing fills in it."""
        for waiting in list(self.resting.get(seen.tick.symbol, ())):
            if changes.breaches:
                return
            resting = waiting.order.limit_price is not None
            try:
                self.try_fill(waiting, seen, now, changes, resting=resting)
            except OutOfRange:  # one order that has become impossible must not keep a good quote out
                self.cancel(waiting, UNBEARABLE, now, changes)

    def watch_move(self, tick: Tick) -> Breach | None:
        """A breach when the newest quote, ``tick``, is the second in a row to have moved that far the same way.

        A quote that moved too far is not trusted until the next one confirms it: a lone bad print halts nothing, and
        the way back from it is no move. A confirmed move is over: the window begins anew with the quote that confirms.
        """
        tape = self.tape(tick.symbol)
        extremes = tape.extremes_since(window_of(tick, self.policy))
        move, breach = look_again(tick, extremes, self.suspects.pop(tick.symbol, None), self.policy)
        if breach is not None:
            tape.trust_newest(alone=True)
        elif move is not None:
            self.suspects[tick.symbol] = move
        else:
            tape.trust_newest()
        return breach

    def _note_nav(self, changes: Changes) -> None:
        self.book.note_peak()
        breach = drawdown_breach(self.book, self.policy)
        if breach is not None and not self.halted:
            changes.breaches.append(breach)

    # --- fills ---
    def try_fill(
        self, waiting: RestingOrder, seen: SeenTick, now: datetime, changes: Changes, *, resting: bool
    ) -> None:
        """Fill as much of an order as ``seen`` allows; cancel one that may no longer fill."""
        order, tick = waiting.order, seen.tick
        at = terms(order.side, order.limit_price, tick, self.policy, resting=resting)
        execution = at and execute(order.side, waiting.remaining, at, self.policy, self._budget(order.symbol))
        if not execution:
            return
        if self._affordable(order.symbol, execution):
            self._book_fill(waiting, execution, seen, now, changes)
        else:
            self.cancel(waiting, UNBEARABLE, now, changes)

    def _budget(self, symbol: str) -> Decimal | None:
        """What the newest quote may still fill, in USDC; None when the policy sets no bound."""
        most = self.policy.max_fill_notional
        return None if most is None else most - self.quote_used.get(symbol, ZERO)

    @exact
    def _affordable(self, symbol: str, execution: Execution) -> bool:
        """Cash never goes below zero and nothing goes short without leave, whatever happened since the order passed."""
        if execution.side is Side.BUY:
            return execution.qty * execution.price + execution.fee <= self.book.cash
        return self.policy.allow_short or execution.qty <= self.book.position(symbol).qty

    @exact
    def _book_fill(
        self, waiting: RestingOrder, execution: Execution, seen: SeenTick, now: datetime, changes: Changes
    ) -> None:
        order, book = waiting.order, self.book
        if self.last_snapshot_at is not None:  # the fill's own snapshot must not hide a point of the grid before it
            self._keep_to_grid(now, changes)
        at = not_before(now, book.position(order.symbol).last_fill_at)
        before = Standing.of(book, order.symbol)
        book.apply(order.symbol, execution, at, seen.tick.mid_price)
        waiting.remaining -= execution.qty
        self.quote_used[order.symbol] = self.quote_used.get(order.symbol, ZERO) + execution.qty * execution.price
        fill_id = self.ids.next(at)
        after = Standing.of(book, order.symbol)
        changes.fills.append(fill_row(fill_id, order, execution, at))
        changes.receipts.append(receipt_row(fill_id, seen, self.policy.fee_bps, before, after))
        changes.marked[order.symbol] = at
        if waiting.remaining == 0:
            self._settle(waiting, OrderStatus.EXECUTED, None, at, changes)
        self._note_nav(changes)
        self.snapshot(at, changes)

    # --- orders ---
    def rest(self, waiting: RestingOrder) -> None:
        """Let an approved order wait for later quotes."""
        self.resting.setdefault(waiting.order.symbol, []).append(waiting)

    def cancel(self, waiting: RestingOrder, reason: str, now: datetime, changes: Changes) -> None:
        """End an order's waiting; what has filled stays."""
        self._settle(waiting, OrderStatus.CANCELED, reason, now, changes)

    def _settle(
        self, waiting: RestingOrder, status: OrderStatus, reason: str | None, now: datetime, changes: Changes
    ) -> None:
        order = waiting.order
        self.move(order.order_id, OrderStatus.APPROVED, status, reason, now, changes)
        changes.set_status(order.order_id, status)
        queue = self.resting.get(order.symbol, [])
        if waiting in queue:
            queue.remove(waiting)

    def move(
        self,
        order_id: UUID,
        before: OrderStatus | None,
        after: OrderStatus,
        reason: str | None,
        now: datetime,
        changes: Changes,
    ) -> None:
        """Record one step along the transition table, with who, when and why."""
        check_transition(before, after)
        changes.transitions.append(TransitionRow(self.ids.next(now), order_id, before, after, self.actor, reason, now))

    # --- the clock ---
    def advance(self, now: datetime, changes: Changes) -> None:
        """Let time pass: a new day begins, orders expire, and the grid takes its snapshot."""
        self.roll_day(now)
        for queue in self.resting.values():
            for waiting in [waiting for waiting in queue if waiting.expires_at <= now]:
                self.cancel(waiting, "expired", now, changes)
        self._keep_to_grid(now, changes)

    def _keep_to_grid(self, now: datetime, changes: Changes) -> None:
        boundary = floor(now, SNAPSHOT_SECONDS)
        if self.last_snapshot_at is None or boundary > self.last_snapshot_at:
            self.snapshot(boundary, changes)

    def roll_day(self, now: datetime) -> None:
        """At the first step of a UTC day, NAV at its start is that of the last snapshot before it."""
        today = now.astimezone(UTC).date()
        if self.day != today:
            self.day = today
            self.day_start_nav = self.book.starting_cash if self.last_snapshot_nav is None else self.last_snapshot_nav

    def snapshot(self, at: datetime, changes: Changes) -> None:
        """Write down NAV, cash and profit as of ``at``."""
        value = self.book.valuation()
        changes.snapshots.append(
            SnapshotRow(self.ids.next(at), value.nav, value.cash, value.realized_pnl, value.unrealized_pnl, at)
        )
        self.last_snapshot_at, self.last_snapshot_nav = at, value.nav


def drawdown_breach(book: Book, policy: Policy) -> Breach | None:
    """A breach when NAV is as far below its peak since the last release as halts the desk, else None."""
    drawdown = book.drawdown
    if drawdown < policy.max_drawdown:
        return None
    limit, nav, peak = short(policy.max_drawdown), short(book.nav), short(book.nav + drawdown)
    reached = f"the drawdown of {short(drawdown)} USDC has reached the limit of {limit} USDC"
    return Breach("MAX_DRAWDOWN", f"{reached}: NAV is {nav}, its highest since the last release was {peak}")
