"""`make bench`: the desk's own paths as ratios against a floor measured in the same run.

A floor is the least a program could do for the same rows: bare WSGI, psycopg2 and an f-string, or bare COPY and COMMIT.
Floor and desk take turns, so that a busy machine slows both; medians are compared. Times mean little, ratios do.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

import psycopg2
from apiflask import APIFlask
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session
from werkzeug.test import EnvironBuilder, run_wsgi_app

from webapp import create_app, embedded, migrating
from webapp.config import Config
from webapp.domain.market import Tick
from webapp.domain.orders import Proposal, Side
from webapp.domain.strategies import deal
from webapp.extensions import COMMAND_LIMITS, db, make_engine
from webapp.feeds.simulated import SimulatedFeed
from webapp.services import history, kill_switch, market, policy, tokens, trading

DAYS = 3
BATCH = 1_000
NEWEST = """SELECT order_id, symbol, side, qty, limit_price, status, risk_reason, created_at
FROM orders ORDER BY created_at DESC, order_id DESC LIMIT 50"""


def ms(act: Callable[[], object]) -> float:
    """How long one call took, in milliseconds."""
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def told(name: str, floor: Callable[[], object], desk: Callable[[], object], rounds: int) -> None:
    """One line: the median of each side, and their ratio."""
    floor(), desk()
    pairs = [(ms(floor), ms(desk)) for _ in range(rounds)]
    low, high = (statistics.median(side) for side in zip(*pairs, strict=True))
    sys.stdout.write(f"{name:<44} floor {low:8.2f} ms   desk {high:8.2f} ms   ratio {high / low:6.2f}\n")


def bare_page(connection: psycopg2.extensions.connection) -> bytes:
    """The newest 50 orders as a table, by hand."""
    with connection.cursor() as cursor:
        cursor.execute(NEWEST)
        rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in cursor.fetchall())
    connection.rollback()
    return f"<table>{rows}</table>".encode()


def page_of(app: APIFlask, path: str, headers: dict[str, str] | None = None) -> Callable[[], None]:
    """A call of the whole WSGI application, without a network."""

    def get() -> None:
        body, status, _ = run_wsgi_app(app, EnvironBuilder(path, headers=headers).get_environ(), buffered=True)
        assert status.startswith("20"), status
        b"".join(body)

    return get


def filled_desk(config: Config) -> None:
    """Days of history, made by the core, under limits that never stand in the benchmark's way."""
    engine = make_engine(config, COMMAND_LIMITS, "bench")
    feed, strategies = SimulatedFeed(config.symbols), deal(config.strategies, config.symbols)
    end = datetime.now(UTC).replace(microsecond=0)
    with Session(engine) as session:
        history.make(
            session,
            lambda since, until: feed.history(since, until, 30),
            end - timedelta(days=DAYS),
            end,
            strategies.__getitem__,
            config.cycle_seconds,
            lambda _: None,
        )
        wide = policy.current(session).policy.to_document() | {"cooldown_seconds": 0, "max_trades_per_hour": 100_000}
        policy.change(session, wide | {"max_trades_per_day": 1_000_000}, "bench", "benchmark")
    engine.dispose()


def pages(app: APIFlask, connection: psycopg2.extensions.connection) -> None:
    floor = lambda: bare_page(connection)  # noqa: E731
    told("newest 50 orders, whole page", floor, page_of(app, "/orders/"), 200)
    told("newest 50 orders, live fragment", floor, page_of(app, "/orders/", {"HX-Request": "true"}), 200)
    told("newest 50 orders, .csv twin", floor, page_of(app, "/orders.csv?limit=50"), 100)
    told("overview", floor, page_of(app, "/"), 200)


def api(app: APIFlask, token: str, connection: psycopg2.extensions.connection) -> None:
    """What a bot waits for most, the token's look-up included."""
    bearer = {"Authorization": f"Bearer {token}"}
    keys = count()

    def floor() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.execute(NEWEST)
            json.dumps(cursor.fetchall(), default=str)
        connection.rollback()

    def commit() -> None:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO bench_floor SELECT 1")
        connection.commit()

    def trade() -> None:
        number = next(keys)
        body = {
            "symbol": "SOL-USDC",
            "trigger_source": "bench",
            "idempotency_key": f"bench-{number}",
            "proposal": {"side": "sell" if number % 2 else "buy", "qty": "0.01", "confidence": "0.9"},
        }
        builder = EnvironBuilder("/v1/trade/cycle", method="POST", json=body, headers=bearer)
        _, status, _ = run_wsgi_app(app, builder.get_environ(), buffered=True)
        assert status.startswith("202"), status

    told("GET /v1/orders?limit=50", floor, page_of(app, "/v1/orders?limit=50", bearer), 200)
    told("POST /v1/trade/cycle, durable", commit, trade, 200)


def cycles(session: Session, connection: psycopg2.extensions.connection) -> None:
    side = [Side.BUY]

    def trade() -> None:
        proposal = Proposal(side=side[0], qty=Decimal("0.01"), confidence=Decimal("0.9"))
        result = trading.run_cycle(session, trading.CycleRequest("SOL-USDC", "bench", proposal), "bench")
        assert result.document["outcome"] == "executed", result.body
        side[0] = Side.SELL if side[0] is Side.BUY else Side.BUY

    def commit() -> None:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO bench_floor SELECT 1")
        connection.commit()

    told("one trade cycle, durable", commit, trade, 200)


def ingest(session: Session, connection: psycopg2.extensions.connection) -> None:
    def ticks() -> list[Tick]:
        now = datetime.now(UTC)
        return [Tick("SOL-USDC", Decimal("150"), Decimal("150.01"), now) for _ in range(BATCH)]

    def copy() -> None:
        with tempfile.TemporaryFile("w+") as rows, connection.cursor() as cursor:
            rows.writelines("1\n" for _ in range(BATCH))
            rows.seek(0)
            cursor.copy_expert("COPY bench_floor FROM STDIN", rows)
        connection.commit()

    told(f"{BATCH:,} quotes taken in", copy, lambda: market.accept(session, ticks(), "bench"), 30)


def halts(app: APIFlask, connection: psycopg2.extensions.connection) -> None:
    with app.app_context():
        engine = db.engine
    waits = []
    for _ in range(50):
        waits.append(ms(lambda: kill_switch.halt(engine, "benchmark", "bench")))
        kill_switch.release(engine, "benchmark", "bench")
    sys.stdout.write(f"a halt, quiet desk: median {statistics.median(waits):.1f} ms, longest {max(waits):.1f} ms\n")


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="pd-bench-"))
    handle = embedded.acquire(home, temporary=True)
    try:
        migrating.upgrade(handle.url)
        config = Config(
            _env_file=None,
            database_url=handle.url,
            secret_key="bench",
            public_read=True,
            testing=True,
            log_level="error",
            rate_limit_reads=0,
            rate_limit_writes=0,
        )
        sys.stdout.write(f"{DAYS} days of history ...\n")
        filled_desk(config)
        app = create_app(config)
        connection = psycopg2.connect(make_url(handle.url).set(drivername="postgresql").render_as_string())
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE bench_floor (n INT)")
        connection.commit()
        pages(app, connection)
        with app.app_context(), Session(db.engine) as session:
            market.accept(session, [Tick("SOL-USDC", Decimal("150"), Decimal("150.01"), datetime.now(UTC))], "bench")
            cycles(session, connection)
            _, token = tokens.create_token(session, "bench", ["read", "trade"], "bench")
            session.rollback()
            api(app, token, connection)
            ingest(session, connection)
            db.engine.dispose()
        halts(app, connection)
        connection.close()
    finally:
        handle.release()


main()
