"""Anything that can happen to a desk, in any order and with crashes, on a real database: it is the desk in memory.

A short form runs with every suite; `make soak FIGURE=A1` runs a long one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy.engine import URL

from tests.conftest import _database
from tests.domain.desks import buy, sell
from tests.figures import Figure, times
from tests.services.desks import BTC, CALM, SOL
from tests.services.replays import Turns
from tests.services.twins import Trouble, Twins
from webapp.domain.market import Tick
from webapp.services import policy

SECOND = timedelta(seconds=1)
SYMBOLS = [SOL, BTC, "ETH-USDC"]
troubles = st.sampled_from(["none", "none", "none", "none", "rolled back", "cut", "restart"])
symbols = st.sampled_from(SYMBOLS)
prices = st.integers(95, 105) | st.integers(60, 150) | st.decimals("0.00000001", "200", places=8)
sizes = st.integers(1, 9).map(Decimal) | st.decimals("0.00000001", "12", places=8)
limit_prices = st.none() | st.integers(95, 105) | st.integers(60, 150)
sides = st.sampled_from([buy, buy, sell])
PATIENCE = 5
"""Moments for which a halt lasts at most, unless it is made anew."""
EDITS: list[dict[str, Any]] = [
    {"allow_short": True},
    {"allow_short": False},
    {"max_fill_notional": None},
    {"max_fill_notional": "60"},
    {"max_fill_notional": "333.33333333", "slippage_bps": 7},
    {"slippage_bps": 50, "fee_bps": "25.5"},
    {"max_order_notional": "300"},
    {"max_order_notional": "5000", "max_position_notional": "9000", "max_gross_exposure": "20000"},
    {"order_ttl_seconds": 10},
    {"order_ttl_seconds": 3600},
    {"stale_after_seconds": 5},
    {"stale_after_seconds": 3600, "auto_halt_stale_seconds": 3600},
    {"cooldown_seconds": 30},
    {"cooldown_seconds": 0},
    {"max_trades_per_hour": 2, "max_trades_per_day": 3},
    {"max_trades_per_hour": 100, "max_trades_per_day": 1200},
    {"max_daily_loss": "20"},
    {"max_daily_loss": "50000"},
    {"max_drawdown": "60"},
    {"max_drawdown": "50000"},
    {"anomaly_warn_pct": "3", "anomaly_halt_pct": "8"},
    {"anomaly_warn_pct": "5", "anomaly_halt_pct": "1000"},
    {"price_collar_pct": "3"},
    {"price_collar_pct": "100", "min_price_move_5m_pct": "0"},
    {"min_price_move_5m_pct": "1"},
    {"min_confidence": "0.95"},
    {"min_confidence": "0.6"},
    {"max_open_positions": 1},
    {"max_open_positions": 5},
]


class AnyDesk(RuleBasedStateMachine):
    """Quotes in time, late, stale and wild; proposals, strategies, cancels, edits, halts, releases, crashes, time."""

    place: Callable[[], Any]
    """A context that lends a new database."""

    def __init__(self) -> None:
        super().__init__()
        self._lent = type(self).place()
        self.twins = Twins(self._lent.__enter__())
        self.steps = self.halted_for = 0
        self.twins.edit_policy({**CALM, "anomaly_warn_pct": "5", "slippage_bps": 2, "fee_bps": "10"})
        self.quotes([(symbol, 100, 20, 0) for symbol in SYMBOLS], "none")
        for symbol in SYMBOLS[:2]:
            self.go_on(0)
            self.twins.propose(symbol, buy(5), None)

    def teardown(self) -> None:
        try:
            self.twins.check_whole()
        finally:
            self.twins.close()
            self._lent.__exit__(None, None, None)

    def go_on(self, seconds: int) -> None:
        """Time passes; a desk that has been halted for a while is released, or there would be little to see."""
        self.twins.pass_time(seconds)
        self.halted_for = self.halted_for + 1 if self.twins.desk.halted else 0
        if self.halted_for > PATIENCE:
            self.twins.release(keep_peak=bool(self.steps % 2))
            self.twins.pass_time(0)

    def quotes(self, quoted: list[tuple[str, Any, int, int]], trouble: Trouble) -> None:
        """Each of a symbol, a bid, a spread in thousandths, and an age in seconds."""
        ticks = []
        for symbol, price, spread, age in quoted:
            bid = Decimal(price)
            ticks.append(Tick(symbol, bid, bid + Decimal(spread) / 1000, self.twins.at - age * SECOND))
        self.twins.take(ticks, trouble)

    # --- what can happen --------------------------------------------------------------------------------------------
    @rule(symbol=symbols, price=prices, spread=st.integers(0, 100), wait=st.integers(0, 40), trouble=troubles)
    def quote(self, symbol: str, price: Any, spread: int, wait: int, trouble: Trouble) -> None:
        self.go_on(wait)
        self.quotes([(symbol, price, spread, 0)], trouble)

    @rule(
        quoted=st.lists(st.tuples(symbols, prices, st.integers(0, 50), st.sampled_from([0, 0, 1, 7, 400])), max_size=6),
        trouble=troubles,
    )
    def quotes_together(self, quoted: list[tuple[str, Any, int, int]], trouble: Trouble) -> None:
        self.go_on(1)
        if quoted:
            self.quotes(quoted, trouble)

    @rule(symbol=symbols, price=st.integers(95, 105), jump=st.sampled_from([80, 92, 109, 125]), wait=st.integers(1, 70))
    def jump(self, symbol: str, price: int, jump: int, wait: int) -> None:
        """A quote, one far away from it, and maybe one that confirms it."""
        for percent in (100, jump, jump if wait % 3 else 100):
            self.go_on(wait // 2)
            self.quotes([(symbol, Decimal(price) * percent / 100, 10, 0)], "none")

    @rule(
        symbol=symbols, side=sides, qty=sizes, limit=limit_prices, keyed=st.booleans(), unsure=st.integers(0, 9),
        trouble=troubles,
    )  # fmt: skip
    def propose(
        self, symbol: str, side: Any, qty: Decimal, limit: int | None, keyed: bool, unsure: int, trouble: Trouble
    ) -> None:
        self.go_on(0)
        wish = side(str(qty), limit, confidence=Decimal("0.5" if unsure == 9 else "0.9"))
        self.twins.propose(symbol, wish, f"key {self.twins.now}" if keyed else None, trouble)

    @rule(
        symbol=symbols,
        price=st.integers(95, 105),
        wishes=st.lists(st.tuples(sides, sizes, limit_prices), min_size=1, max_size=5),
    )
    def trade_on_a_new_quote(self, symbol: str, price: int, wishes: list[tuple[Any, Decimal, int | None]]) -> None:
        self.go_on(1)
        self.quotes([(symbol, price, 10, 0)], "none")
        for side, qty, limit in wishes:
            self.go_on(0)
            self.twins.propose(symbol, side(str(qty), limit), None)

    @rule(symbol=symbols, part=st.integers(1, 4), limit=limit_prices, trouble=troubles)
    def leave(self, symbol: str, part: int, limit: int | None, trouble: Trouble) -> None:
        """A whole, half, third or quarter of what is held, the other way."""
        held = self.twins.desk.book.position(symbol).qty
        qty = round(abs(held) / part, 8)
        if qty:
            self.go_on(0)
            self.twins.propose(symbol, (sell if held > 0 else buy)(str(qty), limit), None, trouble)

    @rule(symbol=symbols, trouble=troubles)
    def ask_the_strategy(self, symbol: str, trouble: Trouble) -> None:
        self.go_on(0)
        self.twins.run_strategy(symbol, Turns(), trouble)

    @rule(seconds=st.integers(1, 400) | st.sampled_from([3_600, 43_200]), trouble=troubles)
    def wait(self, seconds: int, trouble: Trouble) -> None:
        self.go_on(seconds)
        self.twins.advance(trouble)

    @precondition(lambda self: any(self.twins.desk.resting.values()))
    @rule(pick=st.integers(0, 100), trouble=troubles)
    def cancel(self, pick: int, trouble: Trouble) -> None:
        self.go_on(0)
        self.twins.cancel(pick, trouble)

    @rule(change=st.sampled_from(EDITS), trouble=troubles)
    def edit_policy(self, change: dict[str, Any], trouble: Trouble) -> None:
        self.go_on(0)
        before = policy.current(self.twins.session).policy.to_document()
        self.twins.session.rollback()
        self.twins.edit_policy(change, trouble if {**before, **change} != before else "none")

    @rule(again=st.booleans(), symbol=symbols, price=prices, goes_on=st.sampled_from([None, True, False]))
    def spell_of_a_halt(self, again: bool, symbol: str, price: Any, goes_on: bool | None) -> None:
        """A halt, a quote and a refusal; then the desk stays halted, or is released with the old peak or a new one."""
        self.go_on(0)
        self.twins.halt()
        if again:
            self.twins.halt()
        self.twins.pass_time(1)
        self.quotes([(symbol, price, 10, 0)], "none")
        assert self.twins.propose(symbol, buy(1), None).status_code == 423
        if goes_on is not None:
            self.release(goes_on)

    @precondition(lambda self: self.twins.desk.halted)
    @rule(keep_peak=st.booleans())
    def release(self, keep_peak: bool) -> None:
        self.twins.pass_time(0)
        self.twins.release(keep_peak)

    @rule(symbol=symbols)
    def quote_beyond_the_range(self, symbol: str) -> None:
        if abs(self.twins.desk.book.position(symbol).qty) >= 2:
            self.go_on(0)
            self.twins.take_too_much(Tick(symbol, Decimal(9_999_999_999), Decimal(9_999_999_999), self.twins.at))
            self.release(keep_peak=True)

    # --- what must hold ---------------------------------------------------------------------------------------------
    @invariant()
    def both_are_the_same(self) -> None:
        self.twins.check()
        self.steps += 1
        if self.steps % 10 == 0:
            self.twins.check_whole()


@pytest.fixture
def attacked(postgres_url: URL, template_database: str) -> Callable[[int, int], None]:
    """Runs the machine that often, for that many steps each time, on a new database each time."""

    @contextmanager
    def place() -> Iterator[URL]:
        yield from _database(postgres_url, f'TEMPLATE "{template_database}"')

    def attack(examples: int, steps: int) -> None:
        run_state_machine_as_test(
            type("AnyDeskHere", (AnyDesk,), {"place": staticmethod(place)}),
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                phases={Phase.generate},
            ),
        )

    return attack


def test_desk_on_a_database_is_the_desk_in_memory_whatever_happens(attacked: Callable[[int, int], None]) -> None:
    attacked(4, 20)


@pytest.mark.soak
@pytest.mark.figure(id="A1")
@pytest.mark.timeout(3600)
def test_desk_on_a_database_is_the_desk_in_memory_for_long(
    attacked: Callable[[int, int], None], figure: Figure
) -> None:
    stories, steps = times(100), 60
    attacked(stories, steps)
    figure(
        f"{stories} stories of up to {steps} steps on PostgreSQL, with crashes and restarts: after each step the desk "
        "in memory and the third fold to the last digit",
        reached=True,
    )
