"""Most checks go on from where the last one ended: they look at what came since, and miss nothing that follows."""

import json
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests import builders
from tests.schema import audited
from tests.services.desks import BTC, after, cycle, dump, limits, one, quote, rows, take, tamper
from webapp.services import audit, checkpoint, folding, rebuild, self_checks, trading

DAY = self_checks.WHOLE_EVERY
BOOKS, AUDIT = "BOOKS_BROKEN", "AUDIT_BROKEN"
NEW = "(SELECT fill_id FROM fills WHERE symbol = 'BTC-USDC')"


@pytest.fixture
def desk(session: Session) -> None:
    """A desk that has traded, was checked, and has traded on."""
    limits(session, cooldown_seconds=0, allow_short=True, price_collar_pct="100")
    take(session, quote(100), quote(50, symbol=BTC))
    cycle(session, "buy", 3)
    cycle(session, "buy", 1, 90)
    self_checks.run(session)
    take(session, quote(101, at=1))
    cycle(session, "sell", 5, at=1)
    cycle(session, "buy", 2, symbol=BTC, at=1)
    resting = one(session, "SELECT min(order_id::text)::uuid FROM orders WHERE status = 'approved'")
    trading.cancel(session, resting, "user:ada", now=after(2))


@pytest.fixture
def whole_checks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that all fills were folded."""
    seen: list[int] = []
    fold = folding.fold

    def counted(*given: Any) -> object:
        seen.append(1)
        return fold(*given)

    monkeypatch.setattr(folding, "fold", counted)
    return seen


@pytest.mark.usefixtures("desk")
def test_check_from_the_mark_leaves_the_mark_that_a_whole_one_would(session: Session, whole_checks: list[int]) -> None:
    assert self_checks.run(session) is None
    assert whole_checks == []
    since = checkpoint.load(session)
    session.rollback()
    assert since is not None
    assert since.fills == one(session, "SELECT count(*) FROM fills")
    assert since.head == audit.head(session)
    assert {row["name"]: (row["ok"], row["rows"]) for row in rows(session, "SELECT * FROM self_checks")} == {
        "books": (True, since.fills),
        "audit": (True, since.head.seq),
    }
    self_checks.run(session, whole=True)
    assert whole_checks == [1]
    whole = checkpoint.load(session)
    assert whole is not None
    assert (whole.head, whole.fills, dict(whole.holdings)) == (since.head, since.fills, dict(since.holdings))
    assert (whole.holdings, whole.fills) == folding.fold(session)


@pytest.mark.usefixtures("desk")
def test_whole_check_follows_when_a_day_has_passed(session: Session, whole_checks: list[int], engine: Engine) -> None:
    for _ in range(3):
        self_checks.run(session)
    assert whole_checks == []
    tamper(engine, f"UPDATE self_check_mark SET whole_at = whole_at - interval '{DAY.total_seconds()} s'")
    self_checks.run(session)
    self_checks.run(session)
    assert whole_checks == [1]


WRONG = {
    "a position": ("UPDATE positions SET qty = qty + 0.00000001 WHERE symbol = 'BTC-USDC'", BOOKS),
    "a cost of long ago": ("UPDATE position_costs SET cost = cost + 1e-20 WHERE symbol = 'SOL-USDC'", BOOKS),
    "cash": ("UPDATE account SET cash = cash + 1e-16", BOOKS),
    "NAV": ("UPDATE account SET last_nav = last_nav + 1", BOOKS),
    "a new fill": ("UPDATE fills SET fee = fee + 1 WHERE symbol = 'BTC-USDC'", BOOKS),
    "a new fill gone": (
        f"DELETE FROM fill_receipts WHERE fill_id = {NEW};DELETE FROM fills WHERE fill_id = {NEW}",
        BOOKS,
    ),
    "a new order": ("UPDATE orders SET status = 'approved' WHERE symbol = 'BTC-USDC'", BOOKS),
    "a canceled order": ("UPDATE orders SET status = 'approved' WHERE status = 'canceled'", AUDIT),
    "a new state": ("UPDATE order_transitions SET actor = 'x' WHERE to_status = 'canceled'", AUDIT),
    "the head": ("UPDATE audit_head SET hash = repeat('0', 64)", AUDIT),
}


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize(("edit", "rule"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_what_came_since_is_found_by_the_next_check(
    session: Session, engine: Engine, edit: str, rule: str, whole_checks: list[int]
) -> None:
    tamper(engine, *edit.split(";"))
    receipt = self_checks.run(session)
    assert receipt is not None
    assert str(receipt.reason).startswith(rule)
    assert whole_checks == [1]
    # A failed check is followed by whole ones until all is well.
    self_checks.run(session)
    assert whole_checks == [1, 1]


UNSEEN = {
    "an old fill": ("UPDATE fills SET fee = fee + 1 WHERE filled_at = :noon", BOOKS),
    "an old state": ("UPDATE order_transitions SET actor = 'x' WHERE created_at = :noon", AUDIT),
    "an old link": ("UPDATE audit_chain SET source = 'policies' WHERE seq = 3", AUDIT),
}


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize(("edit", "rule"), UNSEEN.values(), ids=UNSEEN)
def test_edit_of_what_was_checked_before_waits_for_the_whole_check(
    session: Session, engine: Engine, edit: str, rule: str
) -> None:
    """The limit of a check from the mark, as its documentation states it."""
    tamper(engine, "ALTER TABLE audit_chain DISABLE TRIGGER USER", edit.replace(":noon", f"'{after(0)}'"))
    assert self_checks.run(session) is None
    receipt = self_checks.run(session, whole=True)
    assert receipt is not None
    assert str(receipt.reason).startswith(rule)


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("whole", [False, True])
def test_tail_cut_before_the_mark_with_the_head_moved_is_found(session: Session, engine: Engine, whole: bool) -> None:
    """`audit verify` by itself cannot know of it; the mark is an anchor."""
    limits(session, max_drawdown="500")
    self_checks.run(session)
    audited.tamper(
        engine,
        "DELETE FROM policies WHERE version = (SELECT max(version) FROM policies)",
        "DELETE FROM audit_chain WHERE seq = (SELECT max(seq) FROM audit_chain)",
        audited.MOVE_HEAD,
    )
    assert audit.verify(session).ok
    receipt = self_checks.run(session, whole=whole)
    assert receipt is not None
    assert "cut before the anchor" in str(receipt.reason)


UNREADABLE = {
    "no amounts": {"SOL-USDC": {}},
    "no symbols": [],
    "no words": {"SOL-USDC": "x"},
    "no number": {"SOL-USDC": {"qty": "x"}},
    "not a number": {"SOL-USDC": {"qty": "NaN"}},
    "no time": {"SOL-USDC": {"at": "noon"}},
    "no zone": {"SOL-USDC": {"at": "2026-03-02T12:00:00"}},
}


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("junk", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("broken", [False, True], ids=["sound", "broken"])
def test_mark_that_cannot_be_read_has_everything_looked_at(
    session: Session, engine: Engine, junk: Any, broken: bool, whole_checks: list[int]
) -> None:
    spoil(engine, junk)
    if broken:
        tamper(engine, "UPDATE positions SET qty = qty + 1")
    receipt = self_checks.run(session)
    assert (receipt is not None) is broken
    assert whole_checks == [1]
    if broken:
        rebuild.rebuild(session)
        self_checks.run(session)
    assert one(session, "SELECT bool_and(ok) FROM self_checks")
    whole_checks.clear()
    assert self_checks.run(session) is None
    assert whole_checks == [], "the next mark cannot be read either"


@pytest.mark.usefixtures("desk")
def test_mark_that_cannot_be_read_is_still_an_anchor(session: Session, engine: Engine) -> None:
    limits(session, max_drawdown="500")
    self_checks.run(session)
    spoil(engine, [])
    audited.tamper(
        engine,
        "DELETE FROM policies WHERE version = (SELECT max(version) FROM policies)",
        "DELETE FROM audit_chain WHERE seq = (SELECT max(seq) FROM audit_chain)",
        audited.MOVE_HEAD,
    )
    receipt = self_checks.run(session)
    assert receipt is not None
    assert "cut before the anchor" in str(receipt.reason)


def spoil(engine: Engine, junk: Any) -> None:
    """Put what no check has written among the mark's holdings; a symbol's own entries are kept where not named."""
    with engine.begin() as connection:
        holdings = connection.execute(text("SELECT holdings FROM self_check_mark")).scalar_one()
        if isinstance(junk, dict) and isinstance(named := junk.get("SOL-USDC"), dict) and named:
            junk = {**holdings, "SOL-USDC": {**holdings["SOL-USDC"], **named}}
        set_holdings = text("UPDATE self_check_mark SET holdings = CAST(:junk AS jsonb)")
        connection.execute(set_holdings, {"junk": json.dumps(junk)})


def test_fill_told_late_is_folded_in_its_place(session: Session, whole_checks: list[int]) -> None:
    """Another program's fill with an earlier time: the fold of what came since would put it last."""
    order_id = builders.order(session, status="approved", qty=11)
    builders.fill(session, order_id, after(10), qty=2)
    rebuild.rebuild(session)
    self_checks.run(session)
    whole_checks.clear()
    builders.fill(session, order_id, after(5), qty=8, fill_price=50)
    rebuild.rebuild(session)
    whole_checks.clear()
    assert self_checks.run(session) is None
    assert whole_checks == [1]
    mark = checkpoint.load(session)
    assert mark is not None
    assert mark.fills == 2


def test_first_check_of_a_desk_is_a_whole_one_and_one_without_anything_new_passes(
    session: Session, whole_checks: list[int]
) -> None:
    assert self_checks.run(session) is None
    assert self_checks.run(session) is None
    assert whole_checks == [1]


@pytest.mark.usefixtures("desk")
def test_check_writes_nothing_but_its_result_and_its_mark(session: Session) -> None:
    before = dump(session, ["self_checks", "self_check_mark"])
    self_checks.run(session)
    self_checks.run(session, whole=True)
    assert dump(session, ["self_checks", "self_check_mark"]) == before
