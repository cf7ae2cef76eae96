"""Anything that can happen to a desk, in any order: after every step the books must hold.

A short form runs with every suite; `PAPERDESK_MACHINE_EXAMPLES=2000` makes it a long one.
"""

import os
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.domain.desks import BTC, CALM, SOL, Floor, after, buy, floor, quote, sell
from tests.domain.oracle import Account
from webapp.domain.errors import OutOfRange
from webapp.domain.money import exact
from webapp.domain.orders import TRANSITIONS, OrderStatus
from webapp.domain.records import Changes

SYMBOLS = [SOL, BTC]
sizes = st.integers(1, 9).map(Decimal) | st.decimals("0.00000001", "12", places=8)
prices = st.integers(90, 110) | st.integers(50, 150) | st.decimals("0.00000001", "200", places=8)
limits = st.none() | st.integers(90, 110) | st.integers(50, 150)


class AnyDesk(RuleBasedStateMachine):
    """Ticks, late ticks, proposals, cancels, time, edits of the policy, halts and releases."""

    made: Floor
    now: float
    checked: int
    checked_steps: int
    oracle: Account
    filled: dict[UUID, Decimal]
    states: dict[UUID, OrderStatus]
    lowest: dict[str, Decimal]

    @initialize(
        short=st.booleans(),
        bound=st.none() | st.sampled_from([Decimal(50), Decimal("333.33333333")]),
        fee=st.sampled_from(["0", "10", "25.5"]),
    )
    def open_desk(self, short: bool, bound: Decimal | None, fee: str) -> None:
        policy: dict[str, Any] = {**CALM, "allow_short": short, "max_fill_notional": bound, "fee_bps": Decimal(fee)}
        policy |= {"max_daily_loss": Decimal(50_000), "max_drawdown": Decimal(50_000)}
        self.made = floor(**{**policy, "slippage_bps": 2})
        self.now, self.checked, self.checked_steps = 0, 0, 0
        self.oracle, self.filled = Account(Fraction(10_000)), defaultdict(Decimal)
        self.states, self.lowest = {}, defaultdict(Decimal)
        for symbol in SYMBOLS:
            self.made.tick("99.9", "100.1", symbol=symbol)

    # --- what can happen --------------------------------------------------------------------------------------------
    @rule(symbol=st.sampled_from(SYMBOLS), price=prices, spread=st.integers(0, 100), wait=st.integers(0, 40))
    def tick(self, symbol: str, price: Decimal | int, spread: int, wait: int) -> None:
        self.now += wait
        bid = Decimal(price)
        self.arrive(symbol, bid, bid + Decimal(spread) / 1000, self.now)

    @rule(symbol=st.sampled_from(SYMBOLS), price=prices, age=st.integers(1, 500))
    def late_tick(self, symbol: str, price: Decimal | int, age: int) -> None:
        self.arrive(symbol, Decimal(price), Decimal(price), self.now - age)

    def arrive(self, symbol: str, bid: Decimal, ask: Decimal, at: float) -> None:
        self.made.time(self.now)
        self.made.arrive(quote(str(bid), str(ask), at, symbol), self.now)

    @rule(symbol=st.sampled_from(SYMBOLS), side=st.sampled_from([buy, sell]), qty=sizes, limit=limits)
    def propose(self, symbol: str, side: Any, qty: Decimal, limit: int | None) -> None:
        outcome = self.made.propose(side(str(qty), limit), self.now, symbol)
        assert outcome.outcome in ("executed", "resting", "blocked")
        assert (outcome.outcome == "blocked") is (outcome.rule is not None)

    @rule(symbol=st.sampled_from(SYMBOLS), part=st.integers(1, 4), limit=limits)
    def leave(self, symbol: str, part: int, limit: int | None) -> None:
        """A whole, half, third or quarter of what is held, the other way."""
        held = self.made.desk.book.position(symbol).qty
        qty = round(abs(held) / part, 8)
        if qty:
            self.made.propose((sell if held > 0 else buy)(str(qty), limit), self.now, symbol)

    @rule(symbol=st.sampled_from(SYMBOLS), side=st.sampled_from([buy, sell]), qty=sizes, price=prices)
    def trade_on_a_new_quote(self, symbol: str, side: Any, qty: Decimal, price: Decimal | int) -> None:
        self.tick(symbol, price, 10, 1)
        self.propose(symbol, side, qty, None)

    @rule(seconds=st.integers(1, 400))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        self.made.time(self.now)

    @precondition(lambda self: any(self.made.desk.resting.values()))
    @rule(pick=st.integers(0, 100))
    def cancel(self, pick: int) -> None:
        waiting = [order for queue in self.made.desk.resting.values() for order in queue]
        self.made.cancel(waiting[pick % len(waiting)], "test", self.now)

    @rule(
        change=st.sampled_from(
            [
                {"allow_short": True},
                {"allow_short": False},
                {"max_fill_notional": None},
                {"max_fill_notional": Decimal(20)},
                {"slippage_bps": 50, "fee_bps": Decimal(100)},
                {"max_order_notional": Decimal(10)},
                {"max_order_notional": Decimal(5000), "max_gross_exposure": Decimal(50_000)},
                {"order_ttl_seconds": 10},
                {"stale_after_seconds": 5},
                {"cooldown_seconds": 30},
            ]
        )
    )
    def edit_policy(self, change: dict[str, Any]) -> None:
        self.made.desk.policy = replace(self.made.desk.policy, **change)

    @rule(symbol=st.sampled_from(SYMBOLS), price=prices, side=st.sampled_from([buy, sell]))
    def spell_of_a_halt(self, symbol: str, price: Decimal | int, side: Any) -> None:
        desk, before = self.made.desk, len(self.made.story.fills)
        desk.halted = True
        for waiting in [order for queue in desk.resting.values() for order in queue]:
            self.made.cancel(waiting, "halt", self.now)
        self.tick(symbol, price, 0, 1)
        assert self.made.propose(side(1), self.now, symbol).rule == "KILL_SWITCH_ACTIVE"
        assert self.made.propose(side(1, 100), self.now, symbol).rule == "KILL_SWITCH_ACTIVE"
        self.everything_holds()
        assert len(self.made.story.fills) == before, "filled while halted"
        assert not any(desk.resting.values()), "waiting while halted"
        desk.halted = False

    @rule(symbol=st.sampled_from(SYMBOLS))
    def quote_beyond_the_range(self, symbol: str) -> None:
        """Refused when two units are held; a fair quote follows, so that the market goes on."""
        held = self.made.desk.book.position(symbol).qty
        if abs(held) < 2:
            return
        try:
            self.made.desk.take_tick(quote(9_999_999_999, at=self.now, symbol=symbol), after(self.now), Changes())
        except OutOfRange:
            self.arrive(symbol, Decimal(100), Decimal(100), self.now)
        else:
            raise AssertionError("a position was valued beyond the range")

    # --- what must hold ---------------------------------------------------------------------------------------------
    @invariant()
    def everything_holds(self) -> None:
        self.orders_follow_the_table()
        self.fills_fold_to_the_book()
        self.nav_is_cash_and_marks_and_profit()
        self.cash_is_never_borrowed()
        self.nothing_is_sold_short_without_leave()
        self.order_is_waiting_exactly_while_it_is_approved()
        self.no_row_has_the_id_of_another()

    def orders_follow_the_table(self) -> None:
        story = self.made.story
        for step in story.transitions[self.checked_steps :]:
            assert self.states.get(step.order_id) == step.from_status
            assert step.to_status in TRANSITIONS[step.from_status]
            self.states[step.order_id] = step.to_status
        self.checked_steps = len(story.transitions)

    def fills_fold_to_the_book(self) -> None:
        story, book = self.made.story, self.made.desk.book
        for fill in story.fills[self.checked :]:
            self.filled[fill.order_id] += fill.qty
            self.oracle.fill(fill.symbol, fill.side.value, fill.qty, fill.fill_price, fill.fee)
            order = story.orders[fill.order_id]
            assert self.filled[fill.order_id] <= order.qty, "filled more than was ordered"
            if order.limit_price is not None:
                assert (fill.fill_price - order.limit_price) * fill.side.sign <= 0, "filled worse than its limit"
        self.checked = len(story.fills)
        assert Fraction(book.cash) == self.oracle.cash
        for symbol, holding in self.oracle.holdings.items():
            position = book.position(symbol)
            assert Fraction(position.qty) == holding.qty
            assert abs(Fraction(position.cost) - holding.qty * holding.average) < Fraction(1, 10**15)
            assert abs(Fraction(position.realized_pnl) - holding.realized) < Fraction(1, 10**15)
            assert position.mark_price == self.made.desk.tape(symbol).newest.tick.mid_price

    @exact
    def nav_is_cash_and_marks_and_profit(self) -> None:
        book = self.made.desk.book
        value = book.valuation()
        held = sum((position.qty * position.mark_price for position in book.positions.values()), Decimal(0))
        assert book.nav == book.cash + held
        assert value.nav == 10_000 + value.realized_pnl + value.unrealized_pnl
        for snapshot in self.made.story.snapshots[-3:]:
            assert snapshot.nav == 10_000 + snapshot.realized_pnl + snapshot.unrealized_pnl

    def cash_is_never_borrowed(self) -> None:
        assert self.made.desk.book.cash >= 0

    def nothing_is_sold_short_without_leave(self) -> None:
        for symbol in SYMBOLS:
            qty = self.made.desk.book.position(symbol).qty
            if not self.made.desk.policy.allow_short:
                assert qty >= min(Decimal(0), self.lowest[symbol]), "went (further) short"
            self.lowest[symbol] = qty

    def order_is_waiting_exactly_while_it_is_approved(self) -> None:
        waiting = {order.order.order_id: order for queue in self.made.desk.resting.values() for order in queue}
        approved = {order_id for order_id, state in self.states.items() if state == OrderStatus.APPROVED}
        assert set(waiting) == approved
        for order_id, state in self.states.items():
            ordered, filled = self.made.story.orders[order_id].qty, self.filled[order_id]
            assert (state == OrderStatus.EXECUTED) is (filled == ordered)
            if order_id in waiting:
                assert waiting[order_id].remaining == ordered - filled
            if state == OrderStatus.REJECTED:
                assert filled == 0

    def no_row_has_the_id_of_another(self) -> None:
        story = self.made.story
        for ids in (
            [step.transition_id for step in story.transitions],
            [tick.tick_id for tick in story.ticks],
            [fill.fill_id for fill in story.fills],
            [snapshot.snapshot_id for snapshot in story.snapshots],
        ):
            assert len(set(ids)) == len(ids)


AnyDesk.TestCase.settings = settings(
    max_examples=int(os.environ.get("PAPERDESK_MACHINE_EXAMPLES", "40")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class TestAnyDesk(AnyDesk.TestCase):
    """Whatever happens, the books hold."""
