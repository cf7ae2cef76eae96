"""`books verify` refolds every fill: what was edited behind the desk's back is found, where it was edited."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from tests.conftest import _database as fresh_database
from tests.services.desks import BTC, SOL, after, cycle, dump, limits, one, quote, take, tamper
from webapp.domain.moments import MICROSECOND
from webapp.domain.positions import Position as Holding
from webapp.services import books, folding, trading
from webapp.services.progress import Progress

FIRST_FILL = "(SELECT fill_id FROM fills ORDER BY filled_at, fill_id LIMIT 1)"


@pytest.fixture(scope="module")
def traded_database(postgres_url: URL, template_database: str) -> Iterator[str]:
    """A desk that has bought, sold in part, flipped and closed, with orders of every state; only ever copied."""
    for url in fresh_database(postgres_url, f'TEMPLATE "{template_database}"'):
        engine = create_engine(url, poolclass=NullPool, connect_args={"options": "-c TimeZone=UTC"})
        with Session(engine) as session:
            _trade(session)
        yield str(url.database)


@pytest.fixture
def database_url(postgres_url: URL, traded_database: str) -> Iterator[URL]:
    """A copy of the traded desk for each test."""
    yield from fresh_database(postgres_url, f'TEMPLATE "{traded_database}"')


def _trade(session: Session) -> None:
    limits(session, cooldown_seconds=0, allow_short=True, max_fill_notional="350", price_collar_pct="100")
    take(session, quote("99.9", "100.1"), quote("49.9", "50.1", symbol=BTC))
    cycle(session, "buy", 3)
    cycle(session, "sell", 1, at=1)
    cycle(session, "buy", 7, symbol=BTC)
    cycle(session, "buy", 1, 90, at=1)
    cycle(session, "buy", 100, at=1)
    take(session, quote("101.9", "102.1", at=2), quote("50.9", "51.1", at=2, symbol=BTC))
    cycle(session, "sell", 5, at=2)
    take(session, quote("103", "103.2", at=3))
    cycle(session, "buy", 1, 80, at=3)
    resting = one(session, "SELECT min(order_id::text)::uuid FROM orders WHERE status = 'approved'")
    trading.cancel(session, resting, "user:ada", now=after(4))


def test_books_of_a_desk_that_trades_have_no_drift_and_verifying_changes_nothing(session: Session) -> None:
    before = dump(session)
    found = books.verify(session)
    assert found.drifts == []
    assert (found.fills, found.symbols) == (len(before["fills"]), 2)
    assert found.fills >= 5
    assert dump(session) == before


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (f"UPDATE positions SET qty = qty + 0.00000001 WHERE symbol = '{SOL}'", "positions.qty"),
        ("UPDATE positions SET avg_entry_price = avg_entry_price + 0.00000001", "positions.avg_entry_price"),
        ("UPDATE positions SET unrealized_pnl = unrealized_pnl - 0.00000001", "positions.unrealized_pnl"),
        ("UPDATE positions SET mark_price = mark_price + 1", "account.last_nav"),
        (f"DELETE FROM positions WHERE symbol = '{SOL}'", "positions.qty"),
        ("INSERT INTO positions VALUES ('XRP-USDC', 1, 1, 1, 0)", "positions.qty"),
        (f"UPDATE position_costs SET cost = cost + 1e-20 WHERE symbol = '{SOL}'", "positions.cost"),
        ("UPDATE position_costs SET net_paid = net_paid + 1e-16", "positions.net_paid"),
        ("UPDATE position_costs SET fees = fees - 0.00000001", "positions.fees"),
        (f"DELETE FROM position_costs WHERE symbol = '{SOL}'", "positions.cost"),
        ("UPDATE account SET cash = cash + 1e-16", "account.cash"),
        ("UPDATE account SET fees_paid = fees_paid + 0.00000001", "account.fees_paid"),
        ("UPDATE account SET starting_cash = starting_cash + 1", "account.cash"),
        ("UPDATE account SET last_nav = last_nav + 0.00000001", "account.last_nav"),
        (f"UPDATE fills SET fee = fee + 0.00000001 WHERE fill_id = {FIRST_FILL}", "positions.fees"),
        (f"UPDATE fills SET qty = qty + 0.00000001 WHERE fill_id = {FIRST_FILL}", "positions.qty"),
        (f"UPDATE fills SET fill_price = fill_price + 0.00000001 WHERE fill_id = {FIRST_FILL}", "positions.net_paid"),
        (f"UPDATE fills SET side = 'sell' WHERE fill_id = {FIRST_FILL}", "positions.qty"),
        ("UPDATE orders SET status = 'approved' WHERE status = 'executed'", "orders.status is approved"),
        ("UPDATE orders SET status = 'executed' WHERE status = 'canceled'", "orders.status is executed"),
        ("UPDATE orders SET status = 'rejected' WHERE status = 'executed'", "orders.status is rejected"),
        ("UPDATE orders SET status = 'executed' WHERE status = 'rejected'", "orders.status is executed"),
        ("UPDATE orders SET qty = qty - 0.00000001 WHERE status = 'executed'", "orders.status is executed"),
        ("UPDATE orders SET status = 'canceled', qty = 0.5 WHERE status = 'executed'", "orders.status is canceled"),
        (
            "UPDATE portfolio_snapshots SET nav = nav + 0.00000001",
            "portfolio_snapshots.nav",
        ),
        ("DELETE FROM account", "account"),
    ],
)  # fmt: skip
def test_edit_behind_the_desks_back_is_found_where_it_was_made(
    session: Session, engine: Engine, edit: str, what: str
) -> None:
    tamper(engine, edit)
    drifts = books.verify(session).drifts
    assert what in {drift.what for drift in drifts}
    for drift in drifts:
        assert drift.stored != drift.expected


def test_fold_goes_on_only_with_fills_that_are_later_than_what_it_folded(session: Session) -> None:
    first = one(session, "SELECT min(filled_at) FROM fills")
    for last, goes_on in ((first - MICROSECOND, True), (first, False), (first + MICROSECOND, False)):
        before = {symbol: Holding(symbol, last_fill_at=last) for symbol in (SOL, BTC)}
        assert (folding.fold_on(session, before, 0) is not None) is goes_on


def test_fill_that_was_deleted_is_found(session: Session, engine: Engine) -> None:
    tamper(
        engine,
        f"DELETE FROM fill_receipts WHERE fill_id = {FIRST_FILL}",
        f"DELETE FROM fills WHERE fill_id = {FIRST_FILL}",
    )
    assert {"positions.qty", "account.cash"} <= {drift.what for drift in books.verify(session).drifts}


def test_books_are_verified_in_one_state_while_somebody_trades(
    session: Session, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = books.fold

    def fold_then_trade(own: Session, progress: Progress) -> object:
        found = whole(own, progress)
        with Session(engine) as other:
            assert cycle(other, "sell", 1, at=5).status_code == 202
        return found

    monkeypatch.setattr(books, "fold", fold_then_trade)
    assert books.verify(session).drifts == []
