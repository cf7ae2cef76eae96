"""The policy in force: every change is a whole new version with who, when, why and the difference."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from threading import Barrier

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests import builders
from tests.services.desks import after, counts, cycle, dump, grown, limits, one, quote, rows, take, tamper
from webapp.domain.errors import BadInput, Conflict, InvalidPolicy, NotFound
from webapp.domain.policy import Policy
from webapp.queries import overview
from webapp.services import audit, books, desk_state, policy, trading

DEFAULT = Policy.default().to_document()


def test_new_desk_has_the_default_policy_as_its_first_version(session: Session) -> None:
    record = policy.current(session)
    assert (record.version, record.policy) == (1, Policy.default())


def test_change_is_a_new_version_with_who_when_why_and_the_difference(session: Session) -> None:
    before = counts(session)
    record = policy.change(session, {**DEFAULT, "max_drawdown": "500"}, "user:ada", " too loose ", after(1))
    assert (record.version, record.actor, record.reason, record.created_at) == (2, "user:ada", "too loose", after(1))
    assert record.difference == {"max_drawdown": ["1000", "500"]}
    assert grown(session, before) == {"policies": 1, "audit_chain": 1}
    (stored,) = rows(session, "SELECT * FROM policies WHERE version = 2")
    assert stored["limits"] == {**DEFAULT, "max_drawdown": "500"}
    assert stored["difference"] == {"max_drawdown": ["1000", "500"]}
    assert policy.current(session) == record
    assert audit.verify(session).ok


def test_change_that_changes_nothing_is_no_version(session: Session) -> None:
    before = dump(session)
    assert policy.change(session, {**DEFAULT, "max_drawdown": "1000.000"}, "user:ada").version == 1
    assert dump(session) == before


def test_change_with_bad_fields_names_each_and_stores_nothing(session: Session) -> None:
    before = dump(session)
    with pytest.raises(InvalidPolicy) as caught:
        policy.change(session, {**DEFAULT, "fee_bps": "NaN", "bogus": 1}, "user:ada")
    assert set(caught.value.problems) == {"fee_bps", "bogus"}
    assert dump(session) == before


def test_change_with_an_overlong_reason_is_refused(session: Session) -> None:
    with pytest.raises(BadInput):
        policy.change(session, {**DEFAULT, "fee_bps": "1"}, "user:ada", "x" * 501)


def test_changes_racing_each_other_are_versions_one_after_the_other(session: Session, engine: Engine) -> None:
    together = Barrier(6)

    def change(number: int) -> int:
        with Session(engine) as own:
            together.wait()
            return policy.change(own, {**DEFAULT, "cooldown_seconds": number}, f"user:{number}").version

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(change, range(6))) == [2, 3, 4, 5, 6, 7]
    stored = rows(session, "SELECT * FROM policies ORDER BY version")
    for earlier, later in pairwise(stored):
        assert later["difference"] == {
            "cooldown_seconds": [earlier["limits"]["cooldown_seconds"], later["limits"]["cooldown_seconds"]]
        }


def test_change_based_on_an_older_version_is_a_conflict_that_undoes_nothing(session: Session) -> None:
    policy.change(session, {**DEFAULT, "max_order_notional": "10"}, "user:bea", based_on=1)
    before = dump(session)
    with pytest.raises(Conflict) as caught:
        policy.change(session, {**DEFAULT, "cooldown_seconds": 61}, "user:ada", based_on=1)
    assert caught.value.details == {"version": 2}
    assert dump(session) == before
    assert policy.change(session, {**DEFAULT, "cooldown_seconds": 61}, "user:ada", based_on=2).version == 3


def test_of_changes_racing_on_the_same_version_one_takes_effect(session: Session, engine: Engine) -> None:
    """Each had read version 1 before any of them began, so a comparison made before the gate would pass them all."""
    together = Barrier(6)

    def change(number: int) -> int | None:
        with Session(engine) as own:
            assert policy.current(own).version == 1
            together.wait()
            try:
                return policy.change(own, {**DEFAULT, "cooldown_seconds": number}, "user:ada", based_on=1).version
            except Conflict:
                return None

    with ThreadPoolExecutor(6) as pool:
        versions = list(pool.map(change, range(6)))
    assert sorted(versions, key=str) == [2, *[None] * 5]
    assert policy.current(session).version == 2


def test_next_cycle_is_judged_by_the_new_version_and_says_so(session: Session) -> None:
    take(session, quote(100))
    limits(session, max_order_notional="50")
    answer = cycle(session, "buy", 1)
    assert answer.document["error"]["details"]["rule"] == "MAX_ORDER_NOTIONAL"
    assert one(session, "SELECT policy_version FROM cycles") == 2
    assert one(session, "SELECT details ->> 'policy_version' FROM risk_events LIMIT 1") == "2"


def test_starting_cash_of_an_untouched_desk_may_change(session: Session) -> None:
    limits(session, starting_cash="500")
    (account,) = rows(session, "SELECT * FROM account")
    assert [account[name] for name in ("starting_cash", "cash", "peak_nav", "last_nav")] == [500] * 4


def test_starting_cash_after_a_first_fill_may_not(session: Session) -> None:
    take(session, quote(100))
    cycle(session)
    before = dump(session)
    with pytest.raises(InvalidPolicy) as caught:
        limits(session, starting_cash="500")
    assert set(caught.value.problems) == {"starting_cash"}
    assert dump(session) == before


def test_starting_cash_changed_after_a_snapshot_leaves_books_without_drift_and_a_desk_that_can_trade(
    session: Session,
) -> None:
    """The engine takes snapshots from its first minute on; one day later the old cash must not look like a loss."""
    trading.advance(session, "engine", after(0))
    limits(session, starting_cash="5000")
    trading.advance(session, "engine", after(60))
    assert books.verify(session).drifts == []
    take(session, quote(100, at=86_400))
    assert cycle(session, at=86_400).status_code == 202


def test_starting_cash_changed_on_the_second_day_is_no_loss_of_that_day(session: Session) -> None:
    trading.advance(session, "engine", after(-86_400))
    document = policy.current(session).policy.to_document()
    policy.change(session, {**document, "starting_cash": "5000"}, "user:ada", now=after(0))
    take(session, quote(100, at=1))
    assert cycle(session, at=1).status_code == 202


def test_gate_and_overview_agree_on_what_the_day_began_with(session: Session) -> None:
    """Yesterday's NAV, unless the account was opened anew since; by the real clock, which the overview goes by."""

    def began_with() -> tuple[Decimal, Decimal]:
        desk, _ = desk_state.load(session, [], "user:ada")
        return desk.day_start_nav, overview.desk(session).day_start_nav

    builders.snapshot(session, 9_000, builders.now() - timedelta(days=1))
    assert began_with() == (9_000, 9_000)
    limits(session, max_drawdown="500")
    assert began_with() == (9_000, 9_000)
    limits(session, starting_cash="5000")
    assert began_with() == (5_000, 5_000)
    desk = overview.desk(session)
    assert overview.book(desk, overview.holdings(session)).day_change == 0


def test_starting_cash_changed_after_a_snapshot_has_no_drift_even_before_the_next_one(session: Session) -> None:
    trading.advance(session, "engine", after(0))
    limits(session, starting_cash="5000")
    assert books.verify(session).drifts == []


def test_desk_without_a_policy_has_none_in_force(session: Session, engine: Engine) -> None:
    tamper(engine, "DELETE FROM policies")
    with pytest.raises(NotFound):
        policy.current(session)
