"""Figure F1: kill -9 of the real engine and the real web server at random instants of their work."""

import itertools
import random
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import URL, Engine
from sqlalchemy.orm import Session

from tests.attack import desk, restless
from tests.attack.processes import Program, Web, engine_program, kept_from_surviving, web_program
from tests.figures import Figure, times
from tests.services.desks import limits, one, rows
from tests.support import eventually
from webapp.domain.market import Tick
from webapp.models.locks import GATE
from webapp.services import kill_switch, market, tokens

SLOW = 90
pytestmark = pytest.mark.timeout(600)
SEED = 20
BACK_LIMIT = 5.0
WILD = {
    "min_confidence": "0",
    "cooldown_seconds": 0,
    "stale_after_seconds": 86_400,
    "auto_halt_stale_seconds": 86_400,
    "anomaly_halt_pct": "1000",
    "max_trades_per_hour": 1_000_000,
    "max_trades_per_day": 1_000_000,
    "max_drawdown": "1000000",
    "max_daily_loss": "1000000",
    "max_loss_per_trade": "1000000",
    "max_open_positions": 100,
    "max_gross_exposure": "1000000",
}
IN_GATE = """
SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = :gate AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
LOST = """
SELECT o.order_id FROM orders o WHERE NOT EXISTS (SELECT FROM cycles c WHERE c.order_id = o.order_id)
  OR NOT EXISTS (SELECT FROM order_transitions t WHERE t.order_id = o.order_id)
"""
Start = Callable[[Program], Program]


@pytest.fixture
def start() -> Iterator[Start]:
    with kept_from_surviving() as starting:
        yield starting


def told(numbers: list[float]) -> str:
    return f"{statistics.median(numbers):.1f} s (p50), {max(numbers):.1f} s (max)"


def work(session: Session) -> int:
    return int(one(session, "SELECT count(*) FROM cycles"))


# --- the engine -----------------------------------------------------------------------------------------------------
@dataclass
class Attack:
    """A trading engine that is killed and started again, and how long it took to be at work again each time.

    Half of the kills come at any moment, half in a transaction that is under way: ``inside`` counts those.
    """

    session: Session
    engine: Engine
    program: Program
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    took: list[float] = field(default_factory=list)
    inside: int = 0

    def wait_for_work(self) -> None:
        seen = work(self.session)
        assert eventually(lambda: work(self.session) > seen, SLOW), self.program.said[-2000:]

    def trades(self) -> bool:
        """Whether a transaction of the engine is inside the gate at this moment."""
        return bool(one(self.session, IN_GATE, gate=GATE))

    def kill(self, *, halts: bool) -> None:
        """Let it work for a moment, kill it, look at what is left, start it again."""
        self.wait_for_work()
        time.sleep(self.chance.uniform(0, 1.2))
        if halts:
            kill_switch.halt(self.engine, "a drill", "user:ada")
        if self.chance.random() < 0.5:
            self.inside += eventually(self.trades, 3)
        self.program.kill()
        at_death = desk.state(self.session)
        desk.check_sound(self.session)
        began = time.monotonic()
        self.program.start()
        self.wait_for_work()
        self.took.append(time.monotonic() - began)
        if halts:
            assert kill_switch.state(self.session).enabled, "the halt was lost"
            self.session.rollback()
            assert one(self.session, "SELECT count(*) FROM fills") == at_death["fills"], "a fill while halted"
            kill_switch.release(self.engine, "go on", "user:ada")

    def check_work(self) -> str:
        """What was done in spite of it all, once it is known to be whole."""
        desk.check_sound(self.session)
        kept = rows(self.session, "SELECT DISTINCT actor, trigger_source FROM cycles")
        assert kept == [{"actor": "engine", "trigger_source": "schedule"}]
        twice = "SELECT order_id FROM cycles WHERE order_id IS NOT NULL GROUP BY order_id HAVING count(*) > 1"
        assert rows(self.session, twice) == []
        assert rows(self.session, LOST) == [], "half a cycle"
        found = desk.state(self.session)
        return f"{self.inside} times inside a transaction; {found['fills']} fills in {found['cycles']} cycles"


@pytest.fixture
def attack(session: Session, engine: Engine, database_url: URL, tmp_path: Path, start: Start) -> Attack:
    """A market in which every symbol is bought and sold again and again, limits that let it, and an engine at work."""
    limits(session, **WILD)
    now = datetime.now(UTC)
    past = list(restless.quotes(now - timedelta(seconds=120), 120, SEED))
    market.accept(session, past, "engine")
    file = tmp_path / "quotes.csv"
    restless.write(file, now, 600, SEED + 1)
    settings = {"FEED": "replay", "FEED_FILES": str(file), "STRATEGIES": "mean_reversion"}
    symbols = ",".join(restless.SYMBOLS)
    program = engine_program(database_url, tmp_path / "engine", SYMBOLS=symbols, **settings)
    return Attack(session, engine, start(program))


def test_killed_engine_leaves_sound_books_and_its_successor_goes_on(session: Session, attack: Attack) -> None:
    for halts in (False, True, False):
        attack.kill(halts=halts)
    attack.check_work()
    assert one(session, "SELECT epoch FROM engine_lease") == 4
    assert one(session, "SELECT count(*) FROM fills") > 0, "nothing was at stake"


@pytest.mark.soak
@pytest.mark.figure(id="F1")
@pytest.mark.timeout(7200)
def test_engine_killed_many_times(attack: Attack, figure: Figure) -> None:
    for halts in [attack.chance.random() < 0.5 for _ in range(times(250))]:
        attack.kill(halts=halts)
    figure(
        f"engine killed {len(attack.took)} times, {attack.check_work()}: "
        f"books and audit whole, 0 half cycles, halted stayed halted; at work again after {told(attack.took)}",
        reached=max(attack.took) <= BACK_LIMIT,
    )


# --- the web server -------------------------------------------------------------------------------------------------
class Bot:
    """A client that sends each request again under the same key until it is answered."""

    def __init__(self, web: Web, token: str, number: int) -> None:
        self.web, self.token, self.number = web, token, number
        self.answers: dict[str, str] = {}
        self.tries = 0

    def trade_until(self, stop: Event) -> None:
        for turn in itertools.count():
            key = f"bot-{self.number}-{turn}"
            proposal = {"side": ("buy", "sell")[turn % 2], "qty": "0.01", "confidence": "0.9"}
            body = {"symbol": "SOL-USDC", "trigger_source": "attack", "idempotency_key": key, "proposal": proposal}
            while (text := self.ask(body)) is None:
                time.sleep(0.02)
            self.answers[key] = text
            if stop.is_set():
                return

    def ask(self, body: dict[str, Any]) -> str | None:
        """The answer, if there was one."""
        self.tries += 1
        status, text = self.web.post("/trade/cycle", body, self.token)
        assert status in (0, 202, 409, 423, 502, 503), text
        return text if status in (202, 409, 423) else None


def kill_web(session: Session, engine: Engine, web: Web, token: str, *, halts: bool, chance: random.Random) -> float:
    """Kill it while bots trade, if `halts` right after a halt was asked for; how long until it is back."""
    seen = work(session)
    assert eventually(lambda: work(session) > seen + 3, SLOW), web.said[-2000:]
    halted = 0
    with ThreadPoolExecutor(1) as hand:
        asked = None
        if halts:
            asked = hand.submit(web.post, "/kill-switch", {"enabled": True, "reason": "a drill"}, token)
        time.sleep(chance.uniform(0, 0.15))
        web.kill()
        if asked is not None:
            halted = asked.result()[0]
    assert halted in (0, 200, 503)
    began = time.monotonic()
    web.start()
    assert eventually(web.ready, SLOW), web.said[-2000:]
    took = time.monotonic() - began
    state = kill_switch.state(session)
    session.rollback()
    assert state.enabled or halted != 200, "the halt was lost"
    if asked is not None:
        assert web.post("/kill-switch", {"enabled": True, "reason": "a drill"}, token)[0] == 200
        kill_switch.release(engine, "go on", "user:ada")
    return took


def attack_web(session: Session, engine: Engine, web: Web, halts: list[bool]) -> tuple[list[float], int, int]:
    """How long it took to be back each time, how many requests there were, and how often they were sent again.

    `halts` says of each kill whether a halt was asked for before it.
    """
    limits(session, **WILD)
    market.accept(session, [Tick("SOL-USDC", Decimal(100), Decimal(100), datetime.now(UTC))], "test")
    _, token = tokens.create_token(session, "bot", ("read", "trade", "halt"), "test")
    assert eventually(web.ready, SLOW), web.said[-2000:]
    chance, stop = random.Random(SEED), Event()
    bots = [Bot(web, token, number) for number in range(4)]
    with ThreadPoolExecutor(len(bots)) as pool:
        busy = [pool.submit(bot.trade_until, stop) for bot in bots]
        try:
            took = [kill_web(session, engine, web, token, halts=halted, chance=chance) for halted in halts]
        finally:
            stop.set()
        for future in busy:
            future.result()
    desk.check_sound(session)
    answers = {key: text for bot in bots for key, text in bot.answers.items()}
    stored = {row["key"]: row["answer"] for row in rows(session, "SELECT key, answer FROM idempotency_keys")}
    assert stored == {key: text.rstrip("\n") for key, text in answers.items()}, "not what was answered"
    assert work(session) == len(answers), "a request had no effect, or two"
    return took, len(answers), sum(bot.tries for bot in bots) - len(answers)


@pytest.fixture
def web(database_url: URL, tmp_path: Path, start: Start) -> Web:
    program = web_program(database_url, tmp_path / "web")
    start(program)
    return program


def test_killed_web_server_answers_each_request_once_and_comes_back(session: Session, engine: Engine, web: Web) -> None:
    attack_web(session, engine, web, [False, True, True])


@pytest.mark.soak
@pytest.mark.figure(id="F1")
@pytest.mark.timeout(7200)
def test_web_server_killed_many_times(session: Session, engine: Engine, web: Web, figure: Figure) -> None:
    chance = random.Random(SEED)
    took, requests, again = attack_web(session, engine, web, [chance.random() < 0.5 for _ in range(times(250))])
    figure(
        f"web server killed {len(took)} times, {requests} requests, sent again {again} times: exactly one effect "
        f"each, books and audit whole, halted stayed halted; back after {told(took)}",
        reached=max(took) <= BACK_LIMIT,
    )


@pytest.mark.soak
@pytest.mark.figure(id="K3")
@pytest.mark.timeout(3600)
def test_halts_outlive_the_engine_that_traded(attack: Attack, figure: Figure) -> None:
    turns = times(30)
    for _ in range(turns):
        attack.kill(halts=True)
    figure(f"engine killed after {turns} halts, {attack.check_work()}: 0 halts lost, 0 fills after one", reached=True)


@pytest.mark.soak
@pytest.mark.figure(id="K3")
@pytest.mark.timeout(3600)
def test_halts_outlive_the_web_server_that_answered_them(
    session: Session, engine: Engine, web: Web, figure: Figure
) -> None:
    turns = times(30)
    _, requests, _ = attack_web(session, engine, web, [True] * turns)
    figure(f"web killed after {turns} halts, {requests} requests: 0 answered halts lost", reached=True)
