"""Quotes, strategies and comparisons for tests of the replay."""

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.services.desks import BTC, NOON, SOL, after, dump, rows
from tests.support import QUOTES
from webapp.domain.market import Quote, Tick
from webapp.domain.orders import Proposal, Side
from webapp.domain.policy import Policy
from webapp.domain.strategies import Strategy
from webapp.feeds import csv_quotes
from webapp.services import kill_switch, policy
from webapp.services import replay as service
from webapp.services.replay import Plan, Report
from webapp.services.replay_entries import Entry

CLOCKED = ("audit_chain", "audit_head", "replay_runs", "account", "kill_switch", "policies")
"""Tables with a column that tells when a row was really written, or by chance; the rest of them is compared apart."""


class Turns:
    """Buys when it holds nothing and sells when it does, each time the window moved; with a limit every third time."""

    name = "turns"
    window_seconds = 240

    def decide(self, window: Sequence[Quote], position_qty: Decimal, policy: Policy) -> Proposal | None:
        if len(window) < 2:
            return None
        newest, moved = window[-1], sum((quote.mid_price for quote in window), Decimal(0))
        side = Side.SELL if position_qty > 0 else Side.BUY
        qty = position_qty if position_qty > 0 else (Decimal(400) / newest.ask_price).quantize(Decimal("0.00000001"))
        resting = int(moved * 100) % 3 == 0
        limit = (newest.bid_price if side is Side.BUY else newest.ask_price) if resting else None
        payload = {"quotes": len(window), "sum": str(moved)}
        return Proposal(side, qty, Decimal("0.9"), limit, payload=payload)


class Idle:
    """Never trades."""

    name = "idle"
    window_seconds = 60

    def decide(self, window: Sequence[Quote], position_qty: Decimal, policy: Policy) -> Proposal | None:
        return None


def plan(name: str, strategy: Strategy | None = None, cycle_seconds: int = 60) -> Plan:
    """A replay of the quotes called `name`."""
    chosen = strategy or Turns()
    return Plan(name, [f"{name}.csv"], lambda _: chosen, cycle_seconds)


def play(session: Session, quotes: Iterable[Entry], how: Plan | None = None) -> Report:
    """Replay the quotes to their end."""
    return service.replay(session, quotes, how or plan("quotes"))


class Cut(Exception):
    """The process dies here."""


def play_until_the_halt(session: Session, quotes: Iterable[Entry], monkeypatch: pytest.MonkeyPatch) -> None:
    """Replay until a chunk calls for a halt, and die between the two."""

    def die(*_: object) -> None:
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(kill_switch, "halt", die)
        with pytest.raises(Cut):
            play(session, quotes)


def taken(ticks: Iterable[Tick]) -> list[Entry]:
    """Quotes that are all good."""
    return [Entry(tick, None) for tick in ticks]


def of_files(*names: str) -> list[Entry]:
    """The recorded quotes of some files, merged."""
    found = csv_quotes.inspect_all([QUOTES / name for name in names])
    return [Entry(row.tick, row.refused) for row in csv_quotes.merged(found)]


def walk(length: int, seed: int = 1, jump_at: int | None = None) -> Iterator[Entry]:
    """Three symbols at random: equal times, gaps, late quotes, refused rows; with a jump of 15 % if asked for."""
    chance = random.Random(seed)  # a story, not a secret
    prices = {SOL: 100.0, BTC: 50.0, "ETH-USDC": 2000.0}
    at = NOON
    for number in range(length):
        if chance.random() < 0.02:
            yield Entry(None, chance.choice(["bad_number", "crossed"]))
        at += timedelta(seconds=chance.choice([0, 0, 1, 2, 3, 5, 7, 11]))
        if chance.random() < 0.01:
            at += timedelta(seconds=400)
        symbol = chance.choice(list(prices))
        prices[symbol] *= 1 + chance.gauss(0, 0.0008)
        if number == jump_at:
            prices = {name: price * 1.15 for name, price in prices.items()}
        mid = prices[symbol]
        bid, ask = (Decimal(f"{mid * factor:.4f}") for factor in (0.9999, 1.0001))
        late = timedelta(seconds=chance.choice([3, 20, 90])) if chance.random() < 0.03 else timedelta(0)
        yield Entry(Tick(symbol, bid, ask, at - late), None)


def roomy(session: Session, **more: object) -> None:
    """Let the strategy trade as often as it likes; the same version in every database, whenever it was made."""
    document = policy.current(session).policy.to_document()
    changes = {"cooldown_seconds": 0, "max_trades_per_hour": 10_000, "max_trades_per_day": 10_000, **more}
    policy.change(session, {**document, **changes}, "user:ada", "for the test", after(-1))


def picture(session: Session) -> dict[str, Any]:
    """Everything a replay leaves but the moments at which it really wrote."""
    found: dict[str, Any] = dict(dump(session, CLOCKED))
    found["account"] = rows(session, "SELECT starting_cash, cash, fees_paid, peak_nav, last_nav FROM account")
    found["kill_switch"] = rows(session, "SELECT enabled, reason, actor, event_id, changed_at FROM kill_switch")
    found["replay_runs"] = rows(
        session, "SELECT replay_id, fingerprint, files, rows_read, rows_taken, refused FROM replay_runs ORDER BY 1"
    )
    found["audit_chain"] = rows(
        session, "SELECT source, row_id FROM audit_chain WHERE source <> 'policies' ORDER BY 1, 2"
    )
    if not rows(session, "SELECT 1 FROM kill_switch_events"):
        found["kill_switch"] = None  # its row is as old as the database
    return found


def differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[list[Any], list[Any]]]:
    """The first few rows by which two pictures differ, table by table."""

    def without(left: list[Any] | None, right: list[Any] | None) -> list[Any]:
        return [row for row in left or [] if row not in (right or [])][:3]

    return {
        name: (without(one[name], other[name]), without(other[name], one[name]))
        for name in one
        if one[name] != other[name]
    }
