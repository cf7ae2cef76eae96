"""What drawdown counts from after `books rebuild`: the highest NAV since the last release, and never a lower one."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests import builders
from tests.services.desks import CALM, NOON, after, cycle, limits, one, quote, take, tamper
from webapp.models import KillSwitchEvent
from webapp.services import kill_switch, rebuild, trading


def peak(session: Session) -> Decimal:
    found: Decimal = one(session, "SELECT peak_nav FROM account")
    return found


def test_peak_noted_between_snapshots_outlives_a_rebuild(session: Session) -> None:
    """It is the cure for broken books, and must not forgive the drawdown that came before."""
    limits(session, **CALM)
    take(session, quote(100))
    cycle(session, "buy", 9)
    take(session, quote(150, at=10))
    take(session, quote(100, at=20))
    assert peak(session) == 10_450
    rebuild.rebuild(session, after(21))
    assert peak(session) == 10_450


def test_peak_of_an_account_opened_anew_is_not_that_of_its_former_cash(session: Session) -> None:
    trading.advance(session, "engine", after(0))
    limits(session, starting_cash="5000")
    rebuild.rebuild(session)
    assert peak(session) == 5_000


@pytest.mark.parametrize("nothing_since", [True, False])
def test_peak_after_a_release_is_not_that_of_before(session: Session, engine: Engine, nothing_since: bool) -> None:
    limits(session, **CALM)
    take(session, quote(100))
    cycle(session, "buy", 9)
    take(session, quote(150, at=10), quote(50, at=20))
    kill_switch.halt(engine, "stop", "user:ada", after(30))
    kill_switch.release(engine, "go on", "user:ada", after(31))
    if not nothing_since:
        take(session, quote(60, at=40))
        take(session, quote(50, at=41))
    rebuild.rebuild(session, after(42))
    assert peak(session) == (9_550 if nothing_since else 9_640)


@pytest.mark.parametrize(("keep_peak", "kept"), [(True, 10_500), (False, 10_000)])
def test_peak_that_a_release_kept_outlives_a_rebuild(
    session: Session, engine: Engine, keep_peak: bool, kept: int
) -> None:
    tamper(engine, f"UPDATE account SET peak_since = '{after(0)}'")
    builders.snapshot(session, 10_500, after(1), cash=10_000, realized_pnl=0, unrealized_pnl=500)
    kill_switch.halt(engine, "stop", "user:ada", after(2))
    kill_switch.release(engine, "go on", "user:ada", after(3), keep_peak=keep_peak)
    rebuild.rebuild(session, after(4))
    assert peak(session) == kept
    assert not kill_switch.state(session).enabled, "a rebuild halts no desk that was released"


# --- the peak of another program's desk ---
@pytest.fixture
def foreign_desk(session: Session) -> None:
    """It began with 5,000 an hour before noon, and bought four at noon."""
    builders.snapshot(session, 5_000, NOON - timedelta(hours=1))
    order_id = builders.order(session, at=NOON, qty=4)
    builders.fill(session, order_id, after(1), qty=4)


def foreign_release(session: Session, at: datetime) -> None:
    """A halt and its release, as another program writes them down; it knows nothing of the switch's row."""
    for enabled, moment in ((True, at - timedelta(seconds=1)), (False, at)):
        event = {"event_id": builders.new_id(moment), "enabled": enabled, "reason": "theirs", "created_at": moment}
        builders.add(session, KillSwitchEvent, event)


@pytest.mark.usefixtures("foreign_desk")
@pytest.mark.parametrize("touched", [False, True], ids=["untouched", "limits set before"])
@pytest.mark.parametrize("later", [False, True], ids=["release before the desk was made", "after"])
def test_adopted_desk_has_the_highest_nav_since_its_last_release_and_nothing_of_the_one_made_here(
    session: Session, touched: bool, later: bool
) -> None:
    """The account here was opened with 10,000 of its own, which is not theirs."""
    if touched:
        limits(session, cooldown_seconds=0)
    base = builders.now() + timedelta(seconds=9) if later else NOON
    for nav, moment in ((5_500, 50), (5_100, 70), (5_200, 80), (5_050, 90)):
        builders.snapshot(session, nav, base + timedelta(seconds=moment))
    foreign_release(session, base + timedelta(seconds=60))
    assert rebuild.rebuild(session).starting_cash == 5_000
    assert peak(session) == 5_200
    assert one(session, "SELECT peak_since FROM account") == base + timedelta(seconds=60)


@pytest.mark.usefixtures("foreign_desk")
def test_adopted_desk_that_was_never_released_has_the_highest_nav_of_all_its_rows(session: Session) -> None:
    rebuild.rebuild(session, after(3))
    assert peak(session) == 5_000


def test_adopted_desk_that_never_traded_has_nothing_of_the_one_made_here_either(session: Session) -> None:
    builders.snapshot(session, 5_000, after(0))
    rebuild.rebuild(session, after(3))
    assert peak(session) == 5_000


@pytest.mark.usefixtures("foreign_desk")
def test_peak_noted_after_an_adoption_outlives_the_next_rebuild_also_with_more_of_their_rows(session: Session) -> None:
    limits(session, **CALM)
    rebuild.rebuild(session, after(45))
    take(session, quote(300, at=50))
    take(session, quote(100, at=51))
    noted = peak(session)
    assert noted > 5_700
    builders.order(session, status="rejected", at=after(60), risk_reason="COOLDOWN_SECONDS")
    assert rebuild.rebuild(session, after(61)).transitions == 1
    assert peak(session) == noted
