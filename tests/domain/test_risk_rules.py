"""Every rule: just inside its limit, exactly at it, just outside, and when its value is not known."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.domain.contexts import CODES, TINY, blocking, context, judged
from tests.domain.desks import NOON, after, buy, sell
from tests.domain.edges import EDGES, Edge
from webapp.domain.risk import evaluate


def test_every_rule_of_the_contract_is_evaluated_in_its_order() -> None:
    assert tuple(found.rule for found in evaluate(context()).verdicts) == CODES
    assert tuple(edge.rule for edge in EDGES) == CODES


def test_order_within_every_limit_passes_every_rule() -> None:
    judgement = evaluate(context())
    assert judgement.binding is None
    assert all(found.ok and found.applies for found in judgement.verdicts)


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.rule)
def test_rule_just_inside_its_limit_passes(edge: Edge) -> None:
    found = judged(edge.rule, **edge.inside)
    assert found.ok
    assert found.headroom is None or found.headroom >= 0


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.rule)
def test_rule_exactly_at_its_limit_says_so_with_value_and_limit(edge: Edge) -> None:
    found = judged(edge.rule, **edge.at)
    assert found.ok is edge.at_passes
    assert (found.value, found.limit, found.unit) == (Decimal(edge.value), Decimal(edge.limit), edge.unit)
    if edge.rule != "KILL_SWITCH_ACTIVE":
        assert found.headroom == 0


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.rule)
def test_rule_just_outside_its_limit_blocks_and_alone(edge: Edge) -> None:
    assert blocking(**edge.outside) == [edge.rule]
    found = judged(edge.rule, **edge.outside)
    assert found.applies
    assert found.headroom is not None
    assert found.headroom < 0
    assert found.sentence.endswith(".")


# --- a value that is not known ---
NEEDS_A_PRICE = {
    "MAX_ORDER_NOTIONAL",
    "MAX_POSITION_NOTIONAL",
    "MAX_GROSS_EXPOSURE",
    "PRICE_COLLAR",
    "INSUFFICIENT_CASH",
}
NEEDS_A_QUOTE = NEEDS_A_PRICE | {"STALE_MARKET_DATA", "MAX_LOSS_PER_TRADE", "MAX_DAILY_LOSS", "MIN_PRICE_MOVE_5M"}
NO_QUOTE = dict.fromkeys(("quote_age_seconds", "mid_price", "price", "round_trip_cost", "fee", "move_5m_pct"))


def test_order_without_any_quote_is_blocked_by_every_rule_that_needs_one() -> None:
    blocked = blocking(**NO_QUOTE)
    assert set(blocked) == NEEDS_A_QUOTE
    assert blocked[0] == "STALE_MARKET_DATA"


@pytest.mark.parametrize("rule", sorted(NEEDS_A_QUOTE))
def test_rule_that_cannot_be_computed_blocks_and_has_no_value(rule: str) -> None:
    found = judged(rule, **NO_QUOTE)
    assert not found.ok
    assert (found.value, found.headroom, found.usage, found.retry_at) == (None, None, None, None)
    assert found.document()["value"] is None


@pytest.mark.parametrize(
    ("unknown", "rules"),
    [
        ("quote_age_seconds", {"STALE_MARKET_DATA"}),
        ("price", NEEDS_A_PRICE),
        ("mid_price", {"PRICE_COLLAR"}),
        ("round_trip_cost", {"MAX_LOSS_PER_TRADE", "MAX_DAILY_LOSS"}),
        ("fee", {"INSUFFICIENT_CASH"}),
        ("move_5m_pct", {"MIN_PRICE_MOVE_5M"}),
    ],
)
def test_one_unknown_measure_blocks_the_rules_that_look_at_it(unknown: str, rules: set[str]) -> None:
    assert set(blocking(**{unknown: None})) == rules


# --- what the single rules measure ---
def test_loss_is_the_larger_of_what_is_expected_and_what_a_round_trip_costs() -> None:
    expected = buy(1, expected_loss=Decimal(7))
    assert judged("MAX_LOSS_PER_TRADE", proposal=expected, round_trip_cost=Decimal(3)).value == 7
    assert judged("MAX_LOSS_PER_TRADE", proposal=expected, round_trip_cost=Decimal(8)).value == 8
    assert judged("MAX_LOSS_PER_TRADE", proposal=buy(1), round_trip_cost=Decimal(3)).value == 3


def test_daily_loss_adds_the_projected_loss_to_what_the_day_has_lost() -> None:
    found = judged("MAX_DAILY_LOSS", day_start_nav=Decimal(10_100), proposal=buy(1, expected_loss=Decimal(7)))
    assert found.value == 107


def test_daily_loss_of_a_day_that_has_won_is_negative_and_passes() -> None:
    found = judged("MAX_DAILY_LOSS", nav=Decimal(11_000))
    assert found.ok
    assert found.value == Decimal("-999.8")
    assert found.usage == 0


def test_position_of_a_short_counts_by_its_size() -> None:
    found = judged("MAX_POSITION_NOTIONAL", proposal=sell(1), qty_after=Decimal(-51), policy_allow_short=True)
    assert (found.ok, found.value) == (False, 5100)


def test_order_that_closes_the_last_unit_leaves_one_position_less() -> None:
    found = judged(
        "MAX_OPEN_POSITIONS", position_qty=Decimal(1), proposal=sell(1), qty_after=Decimal(0), open_elsewhere=4
    )
    assert found.value == 4


def test_cooldown_of_a_symbol_never_traded_does_not_run() -> None:
    found = judged("COOLDOWN_SECONDS", last_trade_at=None)
    assert (found.ok, found.value, found.limit) == (True, None, 60)


@pytest.mark.parametrize(("limit", "value"), [("90", "10"), ("110", "10"), (None, "0")])
def test_collar_measures_the_limit_of_a_limit_order_and_the_price_of_a_market_order(
    limit: str | None, value: str
) -> None:
    assert judged("PRICE_COLLAR", proposal=buy(1, limit)).value == Decimal(value)


def test_sale_needs_no_cash_even_from_an_empty_account() -> None:
    assert judged("INSUFFICIENT_CASH", proposal=sell(1), cash_available=Decimal(-5)).ok


def test_short_sale_is_allowed_only_by_the_policy() -> None:
    short = {"proposal": sell(1), "qty_after": Decimal(-1)}
    assert not judged("SHORT_NOT_ALLOWED", **short).ok
    assert judged("SHORT_NOT_ALLOWED", **short, policy_allow_short=True).ok


def test_buying_back_part_of_a_short_is_no_short_sale() -> None:
    assert judged("SHORT_NOT_ALLOWED", position_qty=Decimal(-5), qty_after=Decimal(-4)).ok


# --- when it could pass ---
def test_cooldown_says_when_it_ends() -> None:
    found = judged("COOLDOWN_SECONDS", last_trade_at=after(-10))
    assert found.retry_at == after(50)
    assert found.document()["retry_at"] == "2026-03-02T12:00:50Z"


def test_trades_of_the_hour_say_when_the_oldest_no_longer_counts() -> None:
    assert judged("MAX_TRADES_PER_HOUR", trades_last_hour=100, hour_frees_at=after(7)).retry_at == after(7)


@pytest.mark.parametrize("rule", ["MAX_TRADES_PER_DAY", "MAX_DAILY_LOSS"])
def test_limits_of_the_day_say_that_midnight_may_mend_them(rule: str) -> None:
    found = judged(rule, trades_today=1200, nav=Decimal(9000))
    assert found.retry_at == NOON + timedelta(hours=12)


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.rule)
def test_rule_that_passes_promises_no_moment(edge: Edge) -> None:
    assert judged(edge.rule, **edge.inside).retry_at is None


# --- nearly used ---
NEARLY: dict[str, tuple[str, Decimal, Any]] = {
    "STALE_MARKET_DATA": ("quote_age_seconds", Decimal(24), Decimal("0.000001")),
    "MAX_POSITION_NOTIONAL": ("qty_after", Decimal(40), TINY),
    "MAX_GROSS_EXPOSURE": ("exposure_elsewhere", Decimal(6300), TINY),
    "MAX_OPEN_POSITIONS": ("open_elsewhere", Decimal(3), 1),
    "MAX_LOSS_PER_TRADE": ("round_trip_cost", Decimal(80), TINY),
    "MAX_DAILY_LOSS": ("day_start_nav", Decimal("10239.8"), TINY),
    "MAX_DRAWDOWN": ("drawdown", Decimal(800), TINY),
    "MAX_TRADES_PER_HOUR": ("trades_last_hour", Decimal(79), 1),
    "MAX_TRADES_PER_DAY": ("trades_today", Decimal(959), 1),
    "PRICE_COLLAR": ("price", Decimal(104), TINY),
}


@pytest.mark.parametrize("rule", NEARLY)
def test_rule_warns_from_four_fifths_of_its_limit_on(rule: str) -> None:
    name, at, step = NEARLY[rule]
    kind = int if name in ("open_elsewhere", "trades_last_hour", "trades_today") else Decimal
    assert judged(rule, **{name: kind(at)}).warns
    assert judged(rule, **{name: kind(at)}).usage == Decimal("0.8")
    assert not judged(rule, **{name: kind(at - step)}).warns


def test_order_of_four_fifths_of_the_largest_warns() -> None:
    assert judged("MAX_ORDER_NOTIONAL", proposal=buy(8)).warns
    assert not judged("MAX_ORDER_NOTIONAL", proposal=buy("7.99999999")).warns


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.rule)
def test_rule_that_blocks_does_not_warn_as_well(edge: Edge) -> None:
    assert not judged(edge.rule, **edge.outside).warns


@pytest.mark.parametrize(
    "rule", ["KILL_SWITCH_ACTIVE", "COOLDOWN_SECONDS", "MIN_CONFIDENCE", "MIN_PRICE_MOVE_5M", "SHORT_NOT_ALLOWED"]
)
def test_rule_with_a_least_value_or_none_never_warns(rule: str) -> None:
    found = judged(rule)
    assert found.usage is None
    assert not found.warns
