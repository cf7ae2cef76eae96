"""How much room each limit and each automatic halt has left, the nearest to tripping first."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from tests import builders
from webapp.domain.policy import Policy
from webapp.models import PositionCost
from webapp.queries import headroom, overview
from webapp.queries.headroom import Limit
from webapp.queries.pulse import pulses

NOT_LIMITS = {
    "starting_cash": "what the desk began with",
    "slippage_bps": "a cost",
    "fee_bps": "a cost",
    "max_fill_notional": "parts a fill, stops nothing",
    "anomaly_window_seconds": "what the move is measured over",
    "anomaly_warn_pct": "said beside the move",
    "allow_short": "yes or no",
}


def limits(session: Session, dead_man_seconds: int = 30) -> list[Limit]:
    desk = overview.desk(session)
    held = overview.holdings(session)
    quotes = pulses(session, ["SOL-USDC"], timedelta(seconds=60), desk.now)
    return headroom.limits(desk, overview.book(desk, held), held, quotes, dead_man_seconds)


def by_code(session: Session) -> dict[str, Limit]:
    return {limit.code: limit for limit in limits(session)}


def test_every_limit_of_the_policy_has_its_line(session: Session) -> None:

    policy = overview.desk(session).policy
    assert policy is not None
    shown = {str(limit.code).lower() for limit in (*limits(session), *headroom.order_limits(policy, []))}
    also = {
        "stale_after_seconds": "stale_market_data",
        "auto_halt_stale_seconds": "auto_halt_stale",
        "anomaly_halt_pct": "price_anomaly",
        "min_price_move_5m_pct": "min_price_move_5m",
        "price_collar_pct": "price_collar",
    }
    missing = {f.name for f in fields(Policy) if also.get(f.name, f.name) not in shown} - set(NOT_LIMITS)
    assert missing == set()


def test_limits_stand_nearest_to_tripping_first(session: Session) -> None:
    builders.policy(session, max_daily_loss="100", max_open_positions=4)
    builders.account(session, cash=Decimal(8_910))
    builders.position(session, "SOL-USDC", qty=10, avg=100, mark=100)
    found = limits(session)
    assert [(limit.code, limit.value, limit.usage) for limit in found[:2]] == [
        ("MAX_DAILY_LOSS", 90, Decimal("0.9")),
        ("MAX_OPEN_POSITIONS", 1, Decimal("0.25")),
    ]
    assert [limit.warns for limit in found[:2]] == [True, False]


@pytest.mark.parametrize(
    ("value", "bound", "more", "tripped", "warns"),
    [
        ("79.9", "100", {}, False, False),
        ("80", "100", {}, False, True),
        ("100", "100", {}, False, True),
        ("100", "100", {"includes": True}, True, False),
        ("100.01", "100", {}, True, False),
        ("0.7", "0.6", {"floor": True}, False, True),
        ("0.9", "0.6", {"floor": True}, False, False),
        ("0.5", "0.6", {"floor": True}, True, False),
        ("0", "0", {}, False, True),
        ("0", "0", {"includes": True}, True, False),
        ("0", "0", {"floor": True}, False, False),
        ("290", "300", {"effect": headroom.WAITS}, False, False),
    ],
)
def test_a_limit_warns_from_80_percent_and_trips_where_its_rule_does(
    value: str, bound: str, more: dict[str, object], tripped: bool, warns: bool
) -> None:
    limit = Limit("ANY", "Any", "", Decimal(value), Decimal(bound), "USDC", **more)  # type: ignore[arg-type]
    assert (limit.tripped, limit.warns) == (tripped, warns)


def test_an_age_takes_its_place_only_when_half_of_it_is_used(session: Session) -> None:
    builders.policy(
        session, max_daily_loss="1000", max_drawdown="9999", stale_after_seconds=100, auto_halt_stale_seconds=1000
    )
    builders.account(session, cash=Decimal(9_800))
    builders.tick(session, at=builders.now() - timedelta(seconds=40))
    assert limits(session)[0].code == "MAX_DAILY_LOSS", "40 % of an age, which the next quote ends, waits behind 20 %"
    builders.policy(
        session, 3, max_daily_loss="1000", max_drawdown="9999", stale_after_seconds=60, auto_halt_stale_seconds=1000
    )
    assert limits(session)[0].code == "STALE_MARKET_DATA"


def test_automatic_halts_are_measured_by_what_would_trip_them(session: Session) -> None:
    now = builders.now()
    builders.ticks(session, "SOL-USDC", [(now - timedelta(seconds=30), 100), (now - timedelta(seconds=10), 104)])
    builders.heartbeat(session, beat_at=now - timedelta(seconds=12))
    builders.account(session, peak_nav=Decimal(10_250))
    found = by_code(session)
    assert {code for code, limit in found.items() if limit.effect == headroom.HALTS} == {
        "MAX_DRAWDOWN",
        "AUTO_HALT_STALE",
        "PRICE_ANOMALY",
        "ENGINE_LOST",
    }
    assert found["PRICE_ANOMALY"].value == 4
    assert found["MAX_DRAWDOWN"].value == 250
    silent, age = found["ENGINE_LOST"].value, found["AUTO_HALT_STALE"].value
    assert (silent or 0) >= 12
    assert (age or 0) >= 10


def test_what_cannot_be_measured_says_why(session: Session) -> None:
    found = by_code(session)
    assert (found["STALE_MARKET_DATA"].value, found["STALE_MARKET_DATA"].note) == (None, "no quote yet")
    assert (found["ENGINE_LOST"].value, found["ENGINE_LOST"].note) == (None, "no engine runs")
    off = next(limit for limit in limits(session, dead_man_seconds=0) if limit.code == "ENGINE_LOST")
    assert "never halts" in off.note


def test_cooldown_says_which_symbol_waits_longest(session: Session) -> None:
    now = builders.now()
    for symbol, seconds in (("SOL-USDC", 50), ("BTC-USDC", 20)):
        builders.tick(session, symbol)
        cost = {"symbol": symbol, "cost": 0, "net_paid": 0, "fees": 0, "last_fill_at": now - timedelta(seconds=seconds)}
        session.execute(insert(PositionCost), [cost])
    session.commit()
    cooldown = by_code(session)["COOLDOWN_SECONDS"]
    assert cooldown.note == "BTC-USDC waits"
    assert 0 < (cooldown.value or 0) <= 40
    assert cooldown.effect == headroom.WAITS


def test_each_orders_limits_are_measured_by_the_last_verdicts_against_the_bounds_of_now() -> None:
    policy = Policy(max_order_notional=Decimal(500))
    rules = [
        {"rule": "MAX_ORDER_NOTIONAL", "value": "450", "limit": "1000"},
        {"rule": "MIN_CONFIDENCE", "value": "0.62", "limit": "0.6"},
        {"rule": "PRICE_COLLAR", "value": None, "limit": "5"},
    ]
    found = headroom.order_limits(policy, rules)
    assert [(limit.code, limit.usage) for limit in found[:2]] == [
        ("MIN_CONFIDENCE", Decimal("0.96")),
        ("MAX_ORDER_NOTIONAL", Decimal("0.90")),
    ]
    assert {limit.code for limit in found if limit.value is None} >= {"PRICE_COLLAR", "MAX_LOSS_PER_TRADE"}


def test_watched_symbols_are_the_feeds_the_held_and_the_awaited_and_others_only_while_they_are_quoted(
    session: Session,
) -> None:
    now = builders.now()
    builders.tick(session, "SOL-USDC")
    builders.tick(session, "BOT-USDC", at=now - timedelta(hours=2))
    builders.tick(session, "OLD-USDC", at=now - timedelta(days=2))
    builders.tick(session, "HELD-USDC", at=now - timedelta(days=2))
    builders.position(session, "HELD-USDC")
    builders.order(session, "WAIT-USDC", status="approved")
    found = {quote.symbol: quote.watched for quote in pulses(session, ["SOL-USDC"], timedelta(seconds=60), now)}
    assert found == {"SOL-USDC": True, "BOT-USDC": False, "HELD-USDC": True, "WAIT-USDC": True}
