"""Verdicts of the past held against other limits agree with the rules themselves, and odd ones say what they said."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.domain.contexts import blocking, context
from tests.domain.desks import NOON, buy, sell
from webapp.domain.book import Book
from webapp.domain.desk import drawdown_breach
from webapp.domain.policy import Policy
from webapp.domain.policy_sense import BLOCKING_ZEROS, LOOSER_WHEN_HIGHER, LOOSER_WHEN_LOWER, cautions, direction
from webapp.domain.risk import RULE_CODES, evaluate
from webapp.domain.risk.hindsight import LIMIT_OF, Decision, holds, look_back

BUSY = {
    "quote_age_seconds": Decimal(20),
    "exposure_elsewhere": Decimal(500),
    "open_elsewhere": 2,
    "round_trip_cost": Decimal(30),
    "nav": Decimal(9_900),
    "drawdown": Decimal(100),
    "last_trade_at": NOON - (NOON - NOON.replace(hour=11, minute=59)),
    "trades_last_hour": 9,
    "trades_today": 20,
    "price": Decimal(101),
}
"""A desk on which every rule measures something."""
LIMITS: tuple[Any, ...] = (0, 1, 2, 3, 10, 20, 21, 30, 60, 100, 101, 102, 130, 601, 1000)


@pytest.mark.parametrize("rule", sorted(LIMIT_OF))
def test_past_verdict_under_another_limit_is_what_the_rule_itself_would_say(rule: str) -> None:
    name, _ = LIMIT_OF[rule]
    ratios = ("min_confidence", "min_price_move_5m_pct", "price_collar_pct")
    limits = [Decimal(n) / 100 for n in LIMITS] if name in ratios else list(LIMITS)
    then = evaluate(context(**BUSY)).documents()
    document = next(verdict for verdict in then if verdict["rule"] == rule)
    told = set()
    for limit in limits:
        draft = replace(Policy.default(), **{name: limit})
        ctx = context(**BUSY)
        again = next(v for v in evaluate(replace(ctx, policy=draft)).verdicts if v.rule == rule)
        assert holds(document, "buy", draft) is again.ok, limit
        told.add(again.ok)
    assert told == {True, False}, "a limit on either side must have been tried"


def test_only_switch_cash_and_shorts_have_no_limit_of_their_own() -> None:
    assert set(RULE_CODES) - set(LIMIT_OF) == {"KILL_SWITCH_ACTIVE", "INSUFFICIENT_CASH", "SHORT_NOT_ALLOWED"}


@pytest.mark.parametrize("allowed", [True, False])
def test_leave_to_go_short_is_looked_back_at_too(allowed: bool) -> None:
    draft = replace(Policy.default(), allow_short=allowed)
    short = context(proposal=sell(1), qty_after=Decimal(-1))
    covering = context(proposal=buy(1), position_qty=Decimal(-2), qty_after=Decimal(-1))
    for ctx, side in ((short, "sell"), (covering, "buy")):
        (document,) = [v for v in evaluate(ctx).documents() if v["rule"] == "SHORT_NOT_ALLOWED"]
        (again,) = [v for v in evaluate(replace(ctx, policy=draft)).verdicts if v.rule == "SHORT_NOT_ALLOWED"]
        assert holds(document, side, draft) is again.ok


def test_orders_with_another_outcome_are_counted_by_the_rule_that_would_bind() -> None:
    large, unsure = (evaluate(context(**changes)).documents() for changes in (
        {"proposal": buy(9), "qty_after": Decimal(9)}, {"proposal": replace(buy(1), confidence=Decimal("0.5"))},
    ))  # fmt: skip
    decisions = [Decision("buy", large), Decision("buy", unsure), Decision("buy", [{"rule": "ODD", "ok": False}])]
    seen = look_back(decisions, replace(Policy.default(), max_order_notional=Decimal(500), min_confidence=Decimal(0)))
    assert (seen.judged, seen.passed_then) == (3, 1)
    assert seen.blocked == {"MAX_ORDER_NOTIONAL": 1}
    assert seen.freed == {"MIN_CONFIDENCE": 1}


@pytest.mark.parametrize("value", [None, "lots", 5, [], "NaN"])
def test_verdict_without_a_number_stays_as_it_was(value: Any) -> None:
    for ok in (True, False):
        assert holds({"rule": "MAX_ORDER_NOTIONAL", "ok": ok, "value": value}, "buy", Policy.default()) is ok


def test_exempt_verdict_stays_exempt() -> None:
    verdict = {"rule": "MAX_POSITION_NOTIONAL", "ok": True, "applies": False, "value": "99999"}
    assert holds(verdict, "sell", Policy.default())


def test_default_policy_has_nothing_odd_about_it() -> None:
    assert cautions(Policy.default()) == {}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"max_order_notional": Decimal(6_000)}, "max_order_notional"),
        ({"max_position_notional": Decimal(9_000)}, "max_position_notional"),
        ({"max_daily_loss": Decimal(50)}, "max_loss_per_trade"),
        ({"max_drawdown": Decimal(200)}, "max_daily_loss"),
        ({"max_trades_per_day": 50}, "max_trades_per_hour"),
        ({"max_open_positions": 0}, "max_open_positions"),
        ({"fee_bps": Decimal(500)}, "max_loss_per_trade"),
        ({"slippage_bps": 600}, "price_collar_pct"),
        ({"min_confidence": Decimal(1)}, "min_confidence"),
    ],
)
def test_limit_that_is_out_of_reach_is_told(changes: dict[str, Any], field: str) -> None:
    assert field in cautions(replace(Policy.default(), **changes))


@pytest.mark.parametrize("name", BLOCKING_ZEROS)
def test_what_is_told_of_a_limit_of_zero_is_what_the_gate_does(name: str) -> None:
    """An exit passes where it is said to, and nowhere else; no entry does."""
    none = replace(Policy.default(), **{name: 0})
    exit_passes = not blocking(policy=none, proposal=sell(1), position_qty=Decimal(2))
    assert exit_passes == ("only exits pass" in cautions(none)[name])
    assert name.upper() in blocking(policy=none)
    halts = drawdown_breach(Book.opened_with(Decimal(10_000)), none) is not None
    assert halts == ("halts the desk at once" in cautions(none)[name])


def test_direction_of_a_change_is_told_where_there_is_one() -> None:
    assert direction("max_drawdown", "1000", "900") == "tighter"
    assert direction("cooldown_seconds", 60, 30) == "looser"
    assert direction("allow_short", False, True) == "looser"
    assert direction("fee_bps", "10", "20") == ""
    assert direction("max_fill_notional", None, "5") == ""
    assert not LOOSER_WHEN_HIGHER & LOOSER_WHEN_LOWER
