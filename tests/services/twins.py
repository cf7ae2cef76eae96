"""Two desks that are told the same: one in PostgreSQL, loaded anew for every step, and one that never leaves memory.

What the services answer, store and load must be what the core, never written down and never read back, says by itself.
A third bookkeeping, in whole numbers, folds the stored fills.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import zip_longest
from typing import Any, Literal
from uuid import UUID

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from tests.attack import desk as whole
from tests.domain.desks import Floor
from tests.proof.ledger import FINE, PRODUCT, UNIT, Line, rounded
from tests.proof.test_many_fills import units
from tests.services.desks import BOT, NOON, counts, dump, limits, one, rows
from webapp.domain import cycle as core
from webapp.domain.book import Book
from webapp.domain.cycle import Trigger
from webapp.domain.desk import Desk
from webapp.domain.errors import OutOfRange
from webapp.domain.ids import TimeOrderedIds
from webapp.domain.market import SeenTick, Tick
from webapp.domain.money import quantise
from webapp.domain.orders import Proposal
from webapp.domain.records import Changes
from webapp.domain.strategies import Strategy
from webapp.services import kill_switch, market, policy, trading
from webapp.services.trading import CycleRequest, CycleResult

Trouble = Literal["none", "rolled back", "cut", "restart"]
"""What happens to a step just before it is committed; then it is taken again, and nothing goes wrong. A restart is
harmless: another process takes the step, which knows only what is stored."""
LEDGER = "SELECT symbol, side, qty, fill_price, fee FROM fills ORDER BY filled_at, fill_id OFFSET :known"
RESTING = """
SELECT o.order_id, o.qty - coalesce(sum(f.qty), 0) AS remaining FROM orders o LEFT JOIN fills f USING (order_id)
WHERE o.status = 'approved' GROUP BY o.order_id
"""
EVENTS = "SELECT action, rule, count(*) AS n FROM risk_events GROUP BY 1, 2"


class Crash(Exception):
    """The process dies here."""


@dataclass
class Twins:
    """The pair, and the clock they share: ``now`` in microseconds after noon, never twice the same."""

    url: URL
    now: int = 0
    model: Floor = field(init=False)
    engine: Engine = field(init=False)
    session: Session = field(init=False)
    ids: dict[UUID, UUID] = field(default_factory=dict)
    """Of each order stored, the one in memory."""
    lines: dict[str, Line] = field(default_factory=dict)
    folded: int = 0

    def __post_init__(self) -> None:
        self._connect()
        record = policy.current(self.session)
        book = Book.opened_with(record.policy.starting_cash)
        self.model = Floor(Desk(book, record.policy, record.version, False, TimeOrderedIds(b"model"), BOT))
        assert counts(self.session)["portfolio_snapshots"] == 0

    def _connect(self) -> None:
        self.engine = create_engine(self.url, pool_size=2, connect_args={"options": "-c TimeZone=UTC"})
        self.session = Session(self.engine)

    def close(self) -> None:
        self.session.close()
        self.engine.dispose()

    def restart(self) -> None:
        """The process ends; another one knows only what is stored."""
        self.close()
        self._connect()

    @property
    def at(self) -> Any:
        return NOON + timedelta(microseconds=self.now)

    @property
    def desk(self) -> Desk:
        return self.model.desk

    def pass_time(self, seconds: int) -> None:
        self.now += seconds * 1_000_000 + 1

    # --- the same step on both ---
    def stored(self, step: Callable[[], Any], trouble: Trouble) -> Any:
        """A step of the services, at the second try if the first was to fail; of the first one nothing is left."""
        if trouble == "restart":
            self.restart()
        if trouble in ("none", "restart"):
            return step()
        before = dump(self.session)
        with dying(self.session, self.engine, trouble), pytest.raises((Crash, OperationalError)):
            step()
        self.session.rollback()
        assert dump(self.session) == before, "something of a step that failed was kept"
        return step()

    def _model(self, step: Callable[[Changes], Any]) -> Any:
        changes = Changes()
        found = step(changes)
        self.model._merge(changes)
        if changes.breaches and not self.desk.halted:
            self.model_halts()
        return found

    def model_halts(self) -> None:
        self.desk.halted = True
        for waiting in [order for queue in self.desk.resting.values() for order in queue]:
            self.model._keep(lambda changes, w=waiting: self.desk.cancel(w, "the desk was halted", self.at, changes))

    def take(self, ticks: Sequence[Tick], trouble: Trouble = "none") -> None:
        accepted = self.stored(lambda: market.accept(self.session, ticks, BOT, self.at), trouble)

        def step(changes: Changes) -> None:
            self.desk.advance(self.at, changes)
            for tick in ticks:
                self.desk.take_tick(tick, self.at, changes)
            assert (accepted.count, accepted.late) == (len(ticks), len(changes.late_ticks))

        self._model(step)

    def take_too_much(self, tick: Tick) -> None:
        """A quote at which the book does not fit: both refuse it, nothing of it is kept, and the desk is halted."""
        kept = deepcopy(self.desk)
        with pytest.raises(OutOfRange):
            self.desk.take_tick(tick, self.at, Changes())
        self.model.desk = kept
        with pytest.raises(market.Unvaluable):
            market.accept(self.session, [tick], BOT, self.at)
        if not self.desk.halted:
            self.model_halts()

    def propose(self, symbol: str, proposal: Proposal, key: str | None, trouble: Trouble = "none") -> CycleResult:
        request = CycleRequest(symbol, "test", proposal, key, f"the body of {key}")
        checked = trading.check(self.session, request, BOT, self.at)
        self.desk.roll_day(self.at)
        same(checked["rules"], core.judge(self.desk, symbol, proposal, self.at).documents(), "what the gate would say")
        return self._cycle(request, None, trouble)

    def run_strategy(self, symbol: str, strategy: Strategy, trouble: Trouble = "none") -> CycleResult:
        return self._cycle(CycleRequest(symbol, "test"), strategy, trouble)

    def _cycle(self, request: CycleRequest, strategy: Strategy | None, trouble: Trouble) -> CycleResult:
        def run() -> CycleResult:
            return trading.run_cycle(self.session, request, BOT, self.at, strategy)

        answer = self.stored(run, trouble)
        trigger = Trigger(request.symbol, "test", request.proposal, strategy)
        outcome = self._model(lambda changes: core.run(self.desk, trigger, self.at, changes))
        document = answer.document
        details = document["error"]["details"] if "error" in document else {**document, **(document["order"] or {})}
        rules = [] if outcome.judgement is None else outcome.judgement.documents()
        assert details.get("rule") == outcome.rule, (details.get("rule"), outcome.rule)
        same(details.get("rules", details.get("risk")), rules, "what the gate said")
        assert document.get("outcome", "blocked") == outcome.outcome
        if outcome.order_id is not None:
            self.ids[UUID(details["order_id"])] = outcome.order_id
        fills = [
            (fill["qty"], fill["fill_price"], fill["fee"], fill["slippage_bps"]) for fill in document.get("fills", ())
        ]
        made = [fill for fill in outcome.changes.fills if fill.order_id == outcome.order_id]
        assert [(Decimal(q), Decimal(p), Decimal(f), s) for q, p, f, s in fills] == [
            (fill.qty, fill.fill_price, fill.fee, fill.slippage_bps) for fill in made
        ]
        if request.idempotency_key is not None:
            self._again(answer, run)
        return answer

    def _again(self, answer: CycleResult, run: Callable[[], CycleResult]) -> None:
        before = counts(self.session)
        again = run()
        assert (again.body, again.status_code, again.replayed) == (answer.body, answer.status_code, True)
        assert counts(self.session) == before

    def advance(self, trouble: Trouble = "none") -> None:
        self.stored(lambda: trading.advance(self.session, BOT, self.at), trouble)
        self._model(lambda changes: self.desk.advance(self.at, changes))

    def cancel(self, pick: int, trouble: Trouble = "none") -> None:
        waiting = [order for queue in self.desk.resting.values() for order in queue]
        chosen = waiting[pick % len(waiting)]
        theirs = next(stored for stored, ours in self.ids.items() if ours == chosen.order.order_id)
        self.stored(lambda: trading.cancel(self.session, theirs, BOT, "enough", self.at), trouble)
        self._model(lambda changes: self.desk.cancel(chosen, "enough", self.at, changes))

    def edit_policy(self, changes: Mapping[str, Any], trouble: Trouble = "none") -> None:
        self.stored(lambda: limits(self.session, **changes), trouble)
        record = policy.current(self.session)
        self.session.rollback()
        self.desk.policy, self.desk.policy_version = record.policy, record.version
        for queue in self.desk.resting.values():  # a resting order's life is always that of the policy in force
            for waiting in queue:
                waiting.expires_at = waiting.order.created_at + timedelta(seconds=record.policy.order_ttl_seconds)

        if any(name.startswith("anomaly_") for name in changes):
            self._watch_again()

    def _watch_again(self) -> None:
        """Which quotes are trusted is a matter of the policy in force, also for those that are stored already."""
        late = {row.tick_id for row in self.model.story.late_ticks}
        self.desk.tapes.clear()
        self.desk.suspects.clear()
        for row in self.model.story.ticks:
            if row.tick_id not in late:
                tick = Tick(row.symbol, row.bid_price, row.ask_price, row.event_at)
                self.desk.tape(row.symbol).add(SeenTick(row.tick_id, tick), trusted=False)
                self.desk.watch_move(tick)

    def halt(self) -> None:
        receipt = kill_switch.halt(self.engine, "a drill", "user:ada", self.at)
        assert receipt.already is self.desk.halted
        assert receipt.orders_canceled == sum(len(queue) for queue in self.desk.resting.values())
        if not receipt.already:
            self.model_halts()

    def release(self, keep_peak: bool) -> None:
        kill_switch.release(self.engine, "go on", "user:ada", self.at, keep_peak=keep_peak)
        self.desk.halted = False
        if not keep_peak:
            self.desk.book.peak_nav = quantise(self.desk.book.nav)

    # --- what must hold ---
    def check(self) -> None:
        """Both desks are the same, and the stored fills add up to what is stored."""
        self._same_book()
        self._same_orders()
        self._same_story()
        self._ledger_agrees()

    def check_whole(self) -> None:
        """Books, audit chain, and no fill while halted, by the desk's own verifications."""
        whole.check_sound(self.session)

    def _same_book(self) -> None:
        book = self.desk.book
        (account,) = rows(self.session, "SELECT * FROM account")
        assert (account["cash"], account["fees_paid"]) == (book.cash, book.fees_paid)
        assert (account["peak_nav"], account["last_nav"]) == (quantise(book.peak_nav), quantise(book.nav))
        switch = kill_switch.state(self.session)
        self.session.rollback()
        assert switch.enabled is self.desk.halted, switch
        stored = rows(self.session, "SELECT p.*, c.cost, c.net_paid, c.fees, c.last_fill_at"
                                    " FROM positions p JOIN position_costs c USING (symbol)")  # fmt: skip
        assert {row["symbol"] for row in stored} == set(book.positions)
        for row in stored:
            ours = book.position(row["symbol"])
            assert row["qty"] == ours.qty
            assert (row["cost"], row["net_paid"], row["fees"]) == (ours.cost, ours.net_paid, ours.fees)
            assert (row["mark_price"], row["last_fill_at"]) == (ours.mark_price, ours.last_fill_at)
            assert row["avg_entry_price"] == quantise(ours.avg_entry_price)
            assert row["unrealized_pnl"] == quantise(ours.unrealized_pnl)

    def _same_orders(self) -> None:
        waiting = {order.order.order_id: order.remaining for queue in self.desk.resting.values() for order in queue}
        stored = {self.ids[row["order_id"]]: row["remaining"] for row in rows(self.session, RESTING)}
        assert stored == waiting
        states = {step.order_id: step.to_status for step in self.model.story.transitions}
        found = rows(self.session, "SELECT order_id, status FROM orders")
        assert {self.ids[row["order_id"]]: row["status"] for row in found} == states

    def _same_story(self) -> None:
        story = self.model.story
        stored = rows(
            self.session, "SELECT captured_at, nav, cash, realized_pnl, unrealized_pnl FROM portfolio_snapshots"
        )
        ours = [(s.captured_at, s.nav, s.cash, s.realized_pnl, s.unrealized_pnl) for s in story.snapshots]
        same(sorted(tuple(row.values()) for row in stored), sorted(ours), "snapshots")
        start = self.desk.book.starting_cash
        assert all(row["nav"] == start + row["realized_pnl"] + row["unrealized_pnl"] for row in stored)
        events: dict[tuple[str, str], int] = {}
        for entry in story.risk_events:
            events[entry.action, entry.rule] = events.get((entry.action, entry.rule), 0) + 1
        stored = [((row["action"], row["rule"]), row["n"]) for row in rows(self.session, EVENTS)]
        same(sorted(stored), sorted(events.items()), "risk events")
        steps = one(self.session, "SELECT count(*) FROM order_transitions")
        assert steps == len(story.transitions)
        late = one(self.session, "SELECT count(*) FROM late_ticks")
        assert late == len(story.late_ticks)

    def _ledger_agrees(self) -> None:
        for row in rows(self.session, LEDGER, known=self.folded):
            sign = 1 if row["side"] == "buy" else -1
            line = self.lines.setdefault(row["symbol"], Line())
            line.book(sign * units(row["qty"]), units(row["fill_price"]), units(row["fee"]))
            self.folded += 1
        (account,) = rows(self.session, "SELECT cash, fees_paid, last_nav, starting_cash FROM account")
        cash = units(account["starting_cash"]) * (FINE // UNIT)
        worth = 0
        for row in rows(self.session, "SELECT p.*, c.cost FROM positions p JOIN position_costs c USING (symbol)"):
            line, mark = self.lines[row["symbol"]], units(row["mark_price"])
            assert units(row["qty"]) == line.qty
            assert units(row["avg_entry_price"]) == line.average()
            assert units(row["unrealized_pnl"]) == rounded(line.unrealized(mark))
            cash -= line.traded * PRODUCT + line.fees * (FINE // UNIT)
            worth += line.qty * mark * PRODUCT
        assert units(account["cash"], 16) * PRODUCT == cash
        assert units(account["fees_paid"]) == sum(line.fees for line in self.lines.values())
        assert units(account["last_nav"]) == rounded(cash + worth)
        assert cash >= 0, "borrowed"


def same(found: Sequence[Any], wanted: Sequence[Any], what: str) -> None:
    """What is stored is what is in memory; if not, the entries that differ."""
    different = [pair for pair in zip_longest(found, wanted) if pair[0] != pair[1]]
    assert not different, f"{what}, stored and in memory: {different}"


@contextmanager
def dying(session: Session, engine: Engine, how: Trouble) -> Iterator[None]:
    """While the block lasts, no transaction of the session gets through its commit."""

    def die(dying: Session) -> None:
        if how == "rolled back":
            raise Crash
        pid = dying.connection().connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
        with engine.connect() as other:
            assert other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}).scalar_one()

    event.listen(session, "before_commit", die)
    try:
        yield
    finally:
        event.remove(session, "before_commit", die)
