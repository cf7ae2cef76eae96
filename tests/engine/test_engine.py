"""The engine alive: it leads and trades, stands by, takes over, halts on its own clock, and ends cleanly."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Thread

import pytest
from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.orm import Session

from tests.services.desks import BTC, SOL, after, limits, one, rows, tamper
from webapp.domain.market import Quote, Tick
from webapp.domain.orders import Proposal, Side
from webapp.domain.policy import Policy
from webapp.engine import runner as running
from webapp.engine import watchdog
from webapp.engine.desk_hand import DeskHand
from webapp.engine.runner import Runner
from webapp.engine.schedule import Every
from webapp.extensions import ENGINE_LIMITS, pool_options
from webapp.models.locks import ENGINE_LEADER
from webapp.services import kill_switch, market, monitors

PATIENCE_SECONDS = 15
LEADER_LOCKS = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = :lock
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Quotes:
    """A feed that quotes every symbol at each poll, as long as it is alive."""

    def __init__(self, *symbols: str, mid: int = 100) -> None:
        self.symbols, self.mid, self.alive, self.ahead = symbols, mid, True, timedelta(0)

    def poll(self, now: datetime) -> Sequence[Tick]:
        price = Decimal(self.mid)
        return [Tick(symbol, price, price, now + self.ahead) for symbol in self.symbols] if self.alive else []


class Buyer:
    """Buys one unit whenever it holds nothing."""

    name = "buyer"
    window_seconds = 60

    def decide(self, window: Sequence[Quote], position_qty: Decimal, policy: Policy) -> Proposal | None:
        return None if position_qty else Proposal(Side.BUY, Decimal(1), Decimal("0.9"))


def hand(feed: Quotes, seconds: float = 0.2) -> DeskHand:
    return DeskHand(feed, {symbol: Buyer() for symbol in feed.symbols}, {s: Every(seconds) for s in feed.symbols})


@contextmanager
def alive(engine: Engine, feed: Quotes, seconds: float = 0.2) -> Iterator[Runner]:
    """An engine in a thread of its own."""
    runner = Runner(engine, hand(feed, seconds))
    with running_engine(runner):
        yield runner


@contextmanager
def running_engine(runner: Runner) -> Iterator[None]:
    thread = Thread(target=runner.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        runner.stopping.set()
        thread.join(10)
        assert not thread.is_alive(), "the engine did not end"


@pytest.fixture
def pooled(engine: Engine) -> Iterator[Engine]:
    """Connections as the process has them: what is left on one when it goes back to the pool stays there."""
    made = create_engine(engine.url, **pool_options(ENGINE_LIMITS, "engine", 3))
    yield made
    made.dispose()


def is_halted(session: Session) -> bool:
    halted = kill_switch.state(session).enabled
    session.rollback()
    return halted


def eventually(what: Callable[[], object], why: str) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < deadline, why
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same life at a livelier pace."""
    monkeypatch.setattr(running, "STEP_SECONDS", 0.02)
    monkeypatch.setattr(running, "STANDBY_SECONDS", 0.1)
    monkeypatch.setattr(running.watchdog, "INTERVAL_SECONDS", 0.1)


def test_engine_takes_quotes_runs_cycles_and_beats(session: Session, pooled: Engine) -> None:
    with alive(pooled, Quotes(SOL, BTC)) as runner:
        eventually(lambda: one(session, "SELECT count(*) FROM fills") == 2, "nothing was traded")
        eventually(lambda: one(session, "SELECT count(*) FROM heartbeats WHERE process = 'engine'") == 1, "no beat")
        assert runner.leading.is_set()
    assert one(session, "SELECT count(DISTINCT symbol) FROM market_ticks") == 2
    kept = rows(session, "SELECT DISTINCT actor, trigger_source, strategy FROM cycles")
    assert kept == [{"actor": "engine", "trigger_source": "schedule", "strategy": "buyer"}]
    assert one(session, "SELECT count(*) FROM portfolio_snapshots") > 0


def test_engine_that_is_told_to_stop_leaves_no_sign_of_life_and_no_lock(session: Session, pooled: Engine) -> None:
    with alive(pooled, Quotes(SOL)):
        eventually(lambda: one(session, "SELECT count(*) FROM heartbeats") == 1, "no beat")
    assert one(session, "SELECT count(*) FROM heartbeats") == 0
    assert one(session, LEADER_LOCKS, lock=ENGINE_LEADER) == 0, "the lock stayed on a connection of the pool"


def test_second_engine_stands_by_and_takes_over_when_the_first_one_ends(session: Session, pooled: Engine) -> None:
    with alive(pooled, Quotes(SOL)) as first:
        eventually(first.leading.is_set, "nobody leads")
        with alive(pooled, Quotes(BTC)) as second:
            time.sleep(0.5)
            assert not second.leading.is_set()
            assert one(session, "SELECT count(*) FROM market_ticks WHERE symbol = :s", s=BTC) == 0
            first.stopping.set()
            eventually(second.leading.is_set, "nobody took over")
            eventually(lambda: one(session, "SELECT count(*) FROM market_ticks WHERE symbol = :s", s=BTC), "no quotes")


def test_engine_whose_connection_is_killed_leads_again(session: Session, pooled: Engine) -> None:
    with alive(pooled, Quotes(SOL)) as runner:
        eventually(runner.leading.is_set, "nobody leads")
        # Here alone: other tests' engines lead in databases of their own on the same server.
        ended = LEADER_LOCKS.replace("count(*)", "pg_terminate_backend(pid)")
        session.execute(text(ended), {"lock": ENGINE_LEADER})
        session.rollback()
        eventually(lambda: one(session, "SELECT epoch FROM engine_lease") == 2, "it did not come back")
        ticks = one(session, "SELECT count(*) FROM market_ticks")
        eventually(lambda: one(session, "SELECT count(*) FROM market_ticks") > ticks, "it takes no quotes any more")


def test_quotes_that_stop_coming_halt_on_the_watchdogs_clock(session: Session, pooled: Engine) -> None:
    limits(session, stale_after_seconds=1, auto_halt_stale_seconds=1)
    feed = Quotes(SOL)
    with alive(pooled, feed):
        eventually(lambda: one(session, "SELECT count(*) FROM market_ticks"), "no quotes")
        feed.alive = False
        eventually(lambda: kill_switch.state(session).enabled, "nothing halted")
        session.rollback()
    (event,) = rows(session, "SELECT * FROM kill_switch_events")
    assert event["actor"] == "risk-engine"
    assert event["reason"].startswith("STALE_MARKET_DATA")


def test_engine_that_begins_after_a_long_pause_gives_its_feed_time_before_it_halts(
    session: Session, pooled: Engine
) -> None:
    """The newest quote is from before the pause; the first new one may be a second away."""
    market.accept(session, [Tick(SOL, Decimal(100), Decimal(100), datetime.now(UTC) - timedelta(hours=9))], "engine")
    feed = Quotes(SOL)
    feed.alive = False
    with alive(pooled, feed) as runner:
        eventually(runner.leading.is_set, "nobody leads")
        time.sleep(0.6)
        feed.alive = True
        eventually(lambda: one(session, "SELECT count(*) FROM market_ticks") > 1, "no quotes")
    assert not kill_switch.state(session).enabled


def test_halted_engine_takes_quotes_and_snapshots_but_trades_nothing(
    session: Session, engine: Engine, pooled: Engine
) -> None:
    kill_switch.halt(engine, "stop", "user:ada")
    with alive(pooled, Quotes(SOL)):
        eventually(lambda: one(session, "SELECT count(*) FROM cycles") > 2, "no cycles")
    assert one(session, "SELECT count(*) FROM fills") == 0
    assert {row["outcome"] for row in rows(session, "SELECT outcome FROM cycles")} == {"blocked"}


# --- a leader that cannot do its work -------------------------------------------------------------------------------
class Stumbling(DeskHand):
    """Every step ends in an error of the database."""

    def step(self, session: Session, now: float) -> None:
        session.execute(text("SELECT 1/0"))


@contextmanager
def stumbling(engine: Engine, *symbols: str) -> Iterator[Runner]:
    runner = Runner(engine, Stumbling(Quotes(*symbols), {}, {symbol: Every(60) for symbol in symbols}))
    with running_engine(runner):
        yield runner


def test_quotes_that_stop_coming_halt_although_the_leader_fell_at_once(
    session: Session, pooled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "STANDBY_SECONDS", 3600)  # it led for a moment, and not again while this looks
    limits(session, stale_after_seconds=1, auto_halt_stale_seconds=1)
    market.accept(session, [Tick(SOL, Decimal(100), Decimal(100), datetime.now(UTC))], "engine")
    with stumbling(pooled, SOL):
        eventually(lambda: is_halted(session), "nothing halted")
    assert one(session, "SELECT epoch FROM engine_lease") == 1
    assert [row["reason"].partition(":")[0] for row in rows(session, "SELECT reason FROM kill_switch_events")] == [
        "STALE_MARKET_DATA"
    ]


def test_two_engines_whose_every_step_fails_halt_once(session: Session, pooled: Engine, database_url: URL) -> None:
    limits(session, stale_after_seconds=1, auto_halt_stale_seconds=1)
    other = create_engine(database_url, **pool_options(ENGINE_LIMITS, "engine", 3))
    with stumbling(pooled, SOL), stumbling(other, SOL):
        eventually(lambda: is_halted(session), "nothing halted")
        time.sleep(0.5)
    other.dispose()
    assert one(session, "SELECT count(*) FROM kill_switch_events") == 1


def test_engine_that_completes_no_step_gives_no_sign_of_life_and_is_lost(session: Session, pooled: Engine) -> None:
    with stumbling(pooled, SOL):
        eventually(lambda: one(session, "SELECT coalesce(max(epoch), 0) FROM engine_lease") > 1, "nobody leads")
        (began,) = rows(session, "SELECT beat_at FROM heartbeats")
        time.sleep(1.5)
        assert rows(session, "SELECT beat_at FROM heartbeats") == [began]
        receipt = monitors.engine_lost(session, timedelta(seconds=1), began["beat_at"])
        assert receipt is not None
        assert str(receipt.reason).startswith("ENGINE_LOST")


def test_self_check_finds_broken_books_although_the_leader_fell_at_once(
    session: Session, engine: Engine, pooled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "STANDBY_SECONDS", 3600)
    tamper(engine, "UPDATE account SET cash = cash + 1")
    runner = Runner(pooled, Stumbling(Quotes(), {}, {}), checks=engine)
    with running_engine(runner):
        eventually(lambda: is_halted(session), "nothing halted")
    assert str(kill_switch.state(session).reason).startswith("BOOKS_BROKEN")


def test_engine_that_stands_by_leaves_the_watch_to_the_leader(session: Session, pooled: Engine) -> None:
    """What only its own feed would bring is not missing."""
    limits(session, stale_after_seconds=1, auto_halt_stale_seconds=1)
    with alive(pooled, Quotes(SOL)) as first:
        eventually(first.leading.is_set, "nobody leads")
        with alive(pooled, Quotes(BTC)) as second:
            eventually(second.standing_by.is_set, "both lead")
            time.sleep(2)
    assert not is_halted(session)


def test_watch_counts_from_its_first_look_and_anew_only_after_a_pause(
    session: Session, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, seen = iter((0, 1, 11, 22, 23)), []
    monkeypatch.setattr(watchdog, "database_now", lambda _: after(next(clock)))
    monkeypatch.setattr(monitors, "watch", lambda *_, since: seen.append(since))
    watch = watchdog._Watch(engine, [SOL])
    for _ in range(5):
        watch.look()
    assert seen == [after(0), after(0), after(0), after(22), after(22)]


# --- one step -------------------------------------------------------------------------------------------------------
def test_step_does_what_is_due_and_counts_it(session: Session) -> None:
    made = hand(Quotes(SOL), seconds=60)
    for second in range(3):
        made.step(session, second)
    assert (made.counts.ticks, made.counts.cycles, made.counts.errors) == (3, 1, 0)
    assert one(session, "SELECT count(*) FROM cycles") == 1


def test_act_that_is_refused_is_counted_told_and_ends_nothing(session: Session) -> None:
    feed = Quotes(SOL)
    feed.ahead = timedelta(seconds=60)
    made = hand(feed, seconds=60)
    made.step(session, 0)
    assert made.counts.errors >= 1
    assert made.counts.ticks == 0, "quotes that were refused count as taken"
    feed.ahead = timedelta(0)
    made.step(session, 61)
    assert made.counts.ticks == 1


def test_one_symbols_bad_quote_does_not_keep_the_others_from_being_quoted(session: Session) -> None:
    class OneAhead(Quotes):
        def poll(self, now: datetime) -> Sequence[Tick]:
            good, bad = super().poll(now)
            return [good, Tick(bad.symbol, bad.bid_price, bad.ask_price, now + timedelta(hours=1))]

    made = hand(OneAhead(SOL, BTC), seconds=60)
    made.step(session, 0)
    assert one(session, "SELECT count(*) FROM market_ticks WHERE symbol = :s", s=SOL) == 1
    assert made.counts.errors >= 1
