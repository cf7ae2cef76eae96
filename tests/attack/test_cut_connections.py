"""Figure A3: the connection to PostgreSQL is cut at every single message of everything that changes the desk.

Cut before the server got the message, and again after it got it but nobody heard the answer. Each time the database
holds the state before or the state after, nothing between, and the same request again makes exactly one effect.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, get_args
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from tests.attack import desk
from tests.attack.desk import State
from tests.attack.wire import Cut, Proxy
from tests.figures import Figure
from tests.services.desks import BOT, CALM, NOON, cycle, limits, one, quote, rows, take
from tests.support import eventually
from webapp.domain.errors import Conflict, Unconfirmed
from webapp.services import kill_switch, policy, trading

SLOW = 60


@dataclass
class Act:
    """One thing that changes the desk: what it needs, how to do it the ``n``-th time, what to undo it for the next."""

    do: Callable[[Engine, Session, int], Any]
    before: Callable[[Session, int], Any] = lambda session, n: None
    after: Callable[[Session], Any] = lambda session: None
    repeated: frozenset[str] = field(default_factory=frozenset)
    """What may grow when it is done again; ticks have no key."""


def with_session(do: Callable[[Session, int], Any]) -> Callable[[Engine, Session, int], Any]:
    """An act that is given a session of its own through the proxy."""

    def act(engine: Engine, _: Session, n: int) -> None:
        with Session(engine) as session:
            do(session, n)

    return act


def release(session: Session) -> None:
    kill_switch.release(session.get_bind(), "go on", "user:ada")


def resting(session: Session, n: int) -> None:
    take(session, quote(100, at=n / 100))
    assert cycle(session, "buy", "0.01", 99, at=n / 100, key=f"rest-{n}").status_code == 202


def halt(engine: Engine, _: Session, n: int) -> None:
    assert kill_switch.halt(engine, f"halt {n}", "user:ada").halted_at


def let_go(engine: Engine, direct: Session, n: int) -> None:
    try:
        kill_switch.release(engine, f"release {n}", "user:ada")
    except Conflict:
        assert not kill_switch.state(direct).enabled, "refused, but the desk is halted"
        direct.rollback()


def cancel(session: Session, n: int) -> None:
    order_id = one(session, "SELECT order_id FROM orders ORDER BY created_at DESC, order_id DESC LIMIT 1")
    try:
        assert trading.cancel(session, UUID(str(order_id)), BOT)
    except Conflict:
        assert one(session, "SELECT count(*) FROM orders WHERE status = 'approved'") == 0


def change_policy(session: Session, n: int) -> None:
    document = policy.Policy().to_document() | dict(CALM) | {"max_order_notional": str(1000 + n)}
    policy.change(session, document, "user:ada", "for the test")


def tick(session: Session, n: int) -> None:
    take(session, quote(99, at=n / 100 + 0.005))


def sell_again(session: Session) -> None:
    newest = one(session, "SELECT max(event_at) FROM market_ticks")
    assert cycle(session, "sell", "0.01", at=(newest - NOON).total_seconds()).status_code == 202


ACTS = {
    "executed cycle": Act(with_session(lambda session, n: cycle(session, "buy", "0.01", key=f"key-{n}"))),
    "blocked cycle": Act(with_session(lambda session, n: cycle(session, "buy", 5000, key=f"key-{n}"))),
    "tick that fills": Act(
        with_session(tick),
        resting,
        sell_again,
        repeated=frozenset({"market_ticks", "late_ticks", "portfolio_snapshots"}),
    ),
    "halt": Act(halt, resting, release),
    "release": Act(let_go, lambda session, n: kill_switch.halt(session.get_bind(), f"halt {n}", "user:ada")),
    "policy change": Act(with_session(change_policy)),
    "cancellation": Act(with_session(cancel), resting),
}


@dataclass
class Attacked:
    """What an attack on one act met."""

    cuts: int = 0
    kept: int = 0
    """After so many of the cuts the state was the one after: the act had been committed, and nobody was told."""


@dataclass
class Attack:
    """One act, cut everywhere."""

    act: Act
    session: Session
    through: Engine
    proxy: Proxy
    effect: State = field(default_factory=dict)

    def settled(self) -> State:
        """The state once every connection through the proxy is gone, and its transaction with it."""
        assert eventually(lambda: self.proxy.quiet, SLOW), "a connection stays"
        return desk.state(self.session)

    def learn(self) -> int:
        """What the act does when nothing goes wrong, and how many messages that takes; the last is the commit."""
        for number in (1, 2):  # the second time, no table is new to what happens
            self.act.before(self.session, number)
            before = self.settled()
            sent = len(self.proxy.messages)
            self.act.do(self.through, self.session, number)
            self.effect = desk.change(before, self.settled())
            messages = [message for message in self.proxy.messages[sent:] if message.kind != "X"]
            self.act.after(self.session)
        assert self.effect, "it does nothing"
        last = max(index for index, message in enumerate(messages) if message.text == "COMMIT")
        return last + 1

    def once(self, n: int, message: int, how: Cut, met: Attacked) -> bool:
        """Cut at that message, look, and do it again. False when there was no such message."""
        self.act.before(self.session, n)
        before = self.settled()
        self.proxy.cut_at(message, how)
        try:
            self.act.do(self.through, self.session, n)
            told = True
        except (SQLAlchemyError, Unconfirmed):
            told = False
        cut = self.proxy.disarm()
        found = desk.change(before, self.settled())
        assert found in ({}, self.effect), f"between before and after: {found}, not {self.effect}"
        assert told or cut, "it failed without a cut"
        if told:
            assert found == self.effect, "it was answered, and did not happen"
        desk.check_sound(self.session)
        met.cuts += cut
        met.kept += cut and bool(found)
        self.act.do(self.through, self.session, n)
        self.check_once(desk.change(before, self.settled()))
        desk.check_sound(self.session)
        self.act.after(self.session)
        return cut

    def check_once(self, found: State) -> None:
        """Both tries together have made one effect."""
        loose = self.act.repeated
        kept = {name: by for name, by in found.items() if name not in loose}
        assert kept == {name: by for name, by in self.effect.items() if name not in loose}, "not exactly one effect"


@pytest.fixture
def desk_for(session: Session, through: Engine, proxy: Proxy) -> Callable[[str], Attack]:
    """A calm desk with a quote, and the attack on one act of it."""

    def make(name: str) -> Attack:
        limits(session, **CALM, max_trades_per_hour=1_000_000, max_trades_per_day=1_000_000)
        take(session, quote(100))
        return Attack(ACTS[name], session, through, proxy)

    return make


def attack(made: Attack, cuts: Iterable[tuple[int, Cut]]) -> Attacked:
    """Make those cuts, up to one behind the last message there is."""
    met = Attacked()
    for n, (message, how) in enumerate(cuts, 3):
        if not made.once(n, message, how, met):
            break
    assert rows(made.session, "SELECT key FROM idempotency_keys GROUP BY key HAVING count(*) > 1") == []
    return met


@pytest.mark.parametrize("name", ACTS)
def test_cut_in_the_middle_and_at_the_commit_leaves_before_or_after_and_the_retry_converges(
    desk_for: Callable[[str], Attack], name: str
) -> None:
    made = desk_for(name)
    commit = made.learn()
    met = attack(made, [(commit // 2, "unsent"), (commit, "unsent"), (commit, "unanswered")])
    assert (met.cuts, met.kept >= 1) == (3, True), "the commit itself was not cut"


@pytest.mark.soak
@pytest.mark.figure(id="A3")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("how", get_args(Cut))
@pytest.mark.parametrize("name", ACTS)
def test_cut_at_every_message_leaves_before_or_after_and_the_retry_converges(
    desk_for: Callable[[str], Attack], name: str, how: Cut, figure: Figure
) -> None:
    made = desk_for(name)
    messages = made.learn()
    met = attack(made, ((message, how) for message in count(1)))
    assert met.kept >= (how == "unanswered"), "the commit itself was never cut"
    figure(
        f"{name}, {how}: {messages} messages up to the commit, {met.cuts} cuts, {met.kept} of them after the commit; "
        "0 states between, every repetition made exactly one effect",
        reached=met.cuts >= messages,
    )
