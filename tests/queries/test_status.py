"""The status a bot asks for: unknown means halted, an old quote means stale, NAV is cash plus holdings."""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from tests import builders
from webapp.models import Account, KillSwitchState, Position
from webapp.queries.status import bot_status
from webapp.services import kill_switch


def test_a_new_desk_is_stale_and_worth_its_starting_cash(session: Session) -> None:
    found = bot_status(session)
    assert (found.state, found.kill_switch, found.market_data_stale) == ("stale", False, True)
    assert (found.nav, found.drawdown, found.last_tick_at, found.last_cycle_at) == (10_000, 0, None, None)


def test_a_fresh_quote_makes_it_run_and_an_old_one_stale(session: Session) -> None:
    builders.tick(session, at=builders.now() - timedelta(seconds=31))
    assert bot_status(session).state == "stale"
    session.rollback()
    builders.tick(session)
    found = bot_status(session)
    assert (found.state, found.market_data_stale) == ("running", False)
    assert found.market_data_age_seconds is not None
    assert 0 <= found.market_data_age_seconds < 30


def test_a_halt_comes_before_everything(session: Session) -> None:
    builders.tick(session)
    kill_switch.halt(session.get_bind(), "the test says so", "user:olga")
    found = bot_status(session)
    assert (found.state, found.kill_switch) == ("halted", True)
    assert (found.kill_switch_reason, found.kill_switch_actor) == ("the test says so", "user:olga")


def test_a_switch_without_a_state_counts_as_halted(session: Session) -> None:
    session.execute(delete(KillSwitchState))
    session.commit()
    assert bot_status(session).kill_switch is True


def test_nav_is_cash_and_holdings_and_drawdown_is_from_the_peak(session: Session) -> None:
    session.execute(update(Account).values(cash=Decimal("9000.5"), peak_nav=10_500))
    builders.add(
        session,
        Position,
        {"symbol": "SOL-USDC", "qty": Decimal("12.5"), "avg_entry_price": 80, "mark_price": 90, "unrealized_pnl": 125},
        {"symbol": "ADA", "qty": Decimal("-100"), "avg_entry_price": 1, "mark_price": 1, "unrealized_pnl": 0},
    )
    found = bot_status(session)
    assert found.nav == Decimal("10025.5")
    assert (found.peak_nav, found.drawdown) == (10_500, Decimal("474.5"))


def test_a_nav_above_the_peak_is_no_negative_drawdown(session: Session) -> None:
    session.execute(update(Account).values(cash=20_000))
    session.commit()
    found = bot_status(session)
    assert (found.peak_nav, found.drawdown) == (20_000, 0)


def test_an_adopted_database_without_an_account_has_its_starting_cash(session: Session) -> None:
    session.execute(delete(Account))
    session.commit()
    assert bot_status(session).nav == 10_000
