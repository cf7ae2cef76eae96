"""A desk in a real database, and ways to look at all of it at once."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from webapp.domain.market import Quote, Tick
from webapp.domain.orders import Proposal, Side
from webapp.domain.policy import Policy
from webapp.models import Base
from webapp.services import market, policy, trading
from webapp.services.trading import CycleRequest, CycleResult

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SOL = "SOL-USDC"
BTC = "BTC-USDC"
BOT = "token:bot"
CALM: Mapping[str, Any] = {
    "slippage_bps": 0,
    "fee_bps": "0",
    "cooldown_seconds": 0,
    "stale_after_seconds": 86_400,
    "auto_halt_stale_seconds": 86_400,
    "anomaly_halt_pct": "1000",
    "price_collar_pct": "100",
}
"""Limits that keep out of the way of tests about something else."""
TABLES = sorted(table.name for table in Base.metadata.sorted_tables)


def after(seconds: float) -> datetime:
    """That many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def quote(bid: str | int, ask: str | int | None = None, at: float = 0, symbol: str = SOL) -> Tick:
    """A quote `at` seconds after noon; bid and ask the same unless both are given."""
    return Tick(symbol, Decimal(bid), Decimal(bid if ask is None else ask), after(at))


def take(session: Session, *ticks: Tick, at: float | None = None) -> market.Accepted:
    """Quotes arrive together, at the time of the newest of them unless said."""
    moment = max(tick.event_at for tick in ticks) if at is None else after(at)
    return market.accept(session, ticks, BOT, moment)


def wish(side: str, qty: str | int, limit: str | int | None = None, **more: Any) -> Proposal:
    """A proposal that is sure of itself."""
    confidence = Decimal(more.pop("confidence", "0.9"))
    return Proposal(Side(side), Decimal(qty), confidence, None if limit is None else Decimal(limit), **more)


def cycle(
    session: Session,
    side: str = "buy",
    qty: str | int = 1,
    limit: str | int | None = None,
    *,
    at: float | None = 0,
    symbol: str = SOL,
    key: str | None = None,
    by: str = BOT,
    body: str = "a body",
    **more: Any,
) -> CycleResult:
    """One cycle with a proposal, `at` seconds after noon (None: by the database's clock)."""
    request = CycleRequest(symbol, "test", wish(side, qty, limit, **more), key, body)
    return trading.run_cycle(session, request, by, None if at is None else after(at))


def limits(session: Session, **changes: Any) -> None:
    """Put other limits in force."""
    document = policy.current(session).policy.to_document()
    policy.change(session, {**document, **changes}, "user:ada", "for the test")


def counts(session: Session) -> dict[str, int]:
    """How many rows each table has."""
    union = " UNION ALL ".join(f"SELECT '{name}' AS name, count(*) AS n FROM {name}" for name in TABLES)
    rows = {row.name: row.n for row in session.execute(text(union))}
    session.rollback()
    return rows


def grown(session: Session, before: Mapping[str, int]) -> dict[str, int]:
    """The tables that have other numbers of rows than before, and by how many."""
    return {name: n - before[name] for name, n in counts(session).items() if n != before[name]}


def dump(session: Session, leave_out: Sequence[str] = ()) -> dict[str, list[str]]:
    """Every row of every table as text, sorted: equal dumps are equal databases."""
    found = {}
    for name in TABLES:
        if name not in leave_out:
            rows = session.execute(text(f"SELECT r::text FROM {name} r ORDER BY r::text"))
            found[name] = list(rows.scalars())
    session.rollback()
    return found


def rows(session: Session, sql: str, **values: Any) -> list[Mapping[str, Any]]:
    """Rows by column name, read in a transaction of their own."""
    found = [dict(row) for row in session.execute(text(sql), values).mappings()]
    session.rollback()
    return found


def one(session: Session, sql: str, **values: Any) -> Any:
    """The one value of a query, read in a transaction of its own."""
    found = session.execute(text(sql), values).scalar_one()
    session.rollback()
    return found


def order(session: Session, answer: CycleResult) -> Mapping[str, Any]:
    """The stored order of an accepted or blocked cycle."""
    document = answer.document
    found = document["order"]["order_id"] if "order" in document else document["error"]["details"]["order_id"]
    return rows(session, "SELECT * FROM orders WHERE order_id = :id", id=UUID(found))[0]


def tamper(engine: Engine, *statements: str) -> None:
    """What somebody with the keys of the database could do behind the desk's back, triggers switched off."""
    with engine.begin() as connection:
        tables = ("orders", "fills", "kill_switch", "order_transitions", "fill_receipts", "policies")
        for table in tables:
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in statements:
            connection.execute(text(statement))
        for table in tables:
            for (name,) in connection.execute(
                text("SELECT tgname FROM pg_trigger WHERE tgrelid = CAST(:t AS regclass) AND NOT tgisinternal"),
                {"t": table},
            ).all():
                connection.execute(text(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"))


class Opinion:
    """A strategy that always says the same."""

    name = "opinion"
    window_seconds = 600

    def __init__(self, proposal: Proposal | None = None) -> None:
        self.proposal = proposal
        self.seen: Sequence[Quote] = ()

    def decide(self, window: Sequence[Quote], position_qty: Decimal, policy: Policy) -> Proposal | None:
        self.seen = window
        return self.proposal


# --- halted, stale, missing ---
