"""What a verdict says: numbers that show why, a moment that holds what it promises, no promise that cannot hold."""

import re
from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.contexts import CODES, TINY, context, judged, verdict
from tests.domain.desks import BTC, NOON, SOL, Floor, after, buy, calm_floor, sell
from tests.domain.edges import EDGES, Edge
from tests.domain.test_risk_rules import NEEDS_A_QUOTE, NO_QUOTE
from webapp.domain.cycle import judge
from webapp.domain.money import short, telling
from webapp.domain.orders import Proposal
from webapp.domain.risk import Judgement, Verdict, evaluate

MOMENT = timedelta(microseconds=1)
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
IN_FULL = {
    "KILL_SWITCH_ACTIVE": "Trading is halted by the kill switch.",
    "STALE_MARKET_DATA": "The newest quote of SOL-USDC is 30.000001 s old, which is above the limit of 30.000000 s.",
    "MAX_ORDER_NOTIONAL": "The order's notional of 1,000.000001 USDC is above the limit of 1,000.000000 USDC.",
    "MAX_POSITION_NOTIONAL": (
        "The SOL-USDC position would be worth 5,000.000001 USDC, which is above the limit of 5,000.000000 USDC."
    ),
    "MAX_GROSS_EXPOSURE": (
        "The gross exposure would be 8,000.00000001 USDC, which is above the limit of 8,000.00000000 USDC."
    ),
    "MAX_OPEN_POSITIONS": "The desk would hold 6 positions, which is above the limit of 5 positions.",
    "MAX_LOSS_PER_TRADE": ("The order's projected loss of 100.00000001 USDC is above the limit of 100.00000000 USDC."),
    "MAX_DAILY_LOSS": (
        "The day's loss is 300.00000001 USDC, 0.20 USDC of a projected loss included, which is above the limit of "
        "300.00000000 USDC."
    ),
    "MAX_DRAWDOWN": (
        "The drawdown of 1,000.00000001 USDC since the last release has reached the limit of 1,000.00000000 USDC."
    ),
    "COOLDOWN_SECONDS": "SOL-USDC last traded 59.999999 s ago; the cooldown is 60 s. It ends in 0.000001 s.",
    "MAX_TRADES_PER_HOUR": (
        "With this order it would be 101 trades in 60 minutes, which is above the limit of 100 trades."
    ),
    "MAX_TRADES_PER_DAY": (
        "With this order it would be 1,201 trades since 00:00 UTC, which is above the limit of 1,200 trades."
    ),
    "MIN_CONFIDENCE": "A confidence of 0.59999 is below the least of 0.60000.",
    "MIN_PRICE_MOVE_5M": "A move in 5 minutes of 1.99999999 % is below the least of 2.00000000 %.",
    "PRICE_COLLAR": "The order's price is 5.00000001 % from the mid, which is above the limit of 5.00000000 %.",
    "INSUFFICIENT_CASH": (
        "The cost of 100.10000000 USDC, fee included, is more than the free cash of 100.09999999 USDC."
    ),
    "SHORT_NOT_ALLOWED": "The order would leave SOL-USDC at -0.00000001, and short positions are not allowed.",
}


def numbers(sentence: str) -> list[Decimal]:
    return [Decimal(found.replace(",", "")) for found in NUMBER.findall(sentence)]


# --- in words -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.rule)
def test_rule_just_outside_its_limit_says_in_one_sentence_by_how_little(edge: Edge) -> None:
    assert judged(edge.rule, **edge.outside).sentence == IN_FULL[edge.rule]


def test_one_of_a_kind_is_not_said_in_the_plural() -> None:
    assert judged("MAX_OPEN_POSITIONS").sentence == (
        "The desk would hold 1 position, which is within the limit of 5 positions."
    )
    assert "1 trade in 60 minutes" in judged("MAX_TRADES_PER_HOUR").sentence


def test_day_that_has_won_says_so() -> None:
    assert judged("MAX_DAILY_LOSS", nav=Decimal(11_000)).sentence == (
        "The day's gain is 999.80 USDC even after the projected loss; a loss of 300.00 USDC is the limit."
    )


@pytest.mark.parametrize("rule", sorted(NEEDS_A_QUOTE - {"STALE_MARKET_DATA"}))
def test_rule_that_cannot_be_computed_says_so_in_a_whole_sentence(rule: str) -> None:
    said = judged(rule, **NO_QUOTE).sentence
    assert said.endswith(" cannot be computed without a quote, so the order is blocked.")
    assert " of cannot" not in said
    assert " from the mid cannot" in said or not said.startswith("The order's price")


amounts = st.integers(0, 10**16).map(lambda units: Decimal(units).scaleb(-16)) | st.integers(0, 10**18).map(
    lambda units: Decimal(units).scaleb(-8)
)


@given(st.sampled_from(["exposure_elsewhere", "round_trip_cost", "drawdown"]), amounts, amounts, st.booleans())
@settings(max_examples=200, deadline=None)
def test_sentence_and_document_never_hide_on_which_side_of_the_limit_a_value_lies(
    name: str, limit: Decimal, off: Decimal, above: bool
) -> None:
    """The limit is some amount; the value lies as near to it as the product of two amounts can."""
    limits = {
        "exposure_elsewhere": "max_gross_exposure", "round_trip_cost": "max_loss_per_trade", "drawdown": "max_drawdown",
    }  # fmt: skip
    rule, value = limits[name].upper(), limit + off if above else max(Decimal(0), limit - off)
    changes: dict[str, Any] = {name: value, f"policy_{limits[name]}": limit, "qty_after": Decimal(0)}
    found = judged(rule, **changes)
    said, bound = numbers(found.sentence)
    assert (said > bound, said < bound) == (value > limit, value < limit)
    shown = found.document()
    assert (Decimal(shown["value"]) > Decimal(shown["limit"])) is (value > limit)
    assert (Decimal(shown["headroom"]) < 0) is (value > limit)


@given(st.decimals(-(10**9), 10**9, places=12), st.decimals(-(10**9), 10**9, places=12), st.integers(0, 8))
def test_decimals_that_tell_two_numbers_apart_are_no_more_than_needed(one: Decimal, other: Decimal, least: int) -> None:
    places = telling(one, other, least)
    assert least <= places <= 12
    assert (short(one, places) == short(other, places)) is (one == other)
    assert places == least or short(one, places - 1) == short(other, places - 1)


def test_document_does_not_tell_whether_an_amount_comes_from_memory_or_from_a_column() -> None:
    """A replay that was cut off reads its desk back from columns with eight decimals; its rows must be the same."""
    one = judged("INSUFFICIENT_CASH", cash_available=Decimal(10_000)).document()
    other = judged("INSUFFICIENT_CASH", cash_available=Decimal("10000.0000000000000000")).document()
    assert one == other
    assert (one["limit"], one["value"], one["headroom"]) == ("10000", "100.1", "9899.9")


# --- the moment it could pass ---------------------------------------------------------------------------------------
def a_while_later(made: Floor, moment: Any) -> Floor:
    """The same desk at another time, where nothing has happened but that the clock went on."""
    then = deepcopy(made)
    then.desk.roll_day(moment)
    return then


def said(made: Floor, rule: str, proposal: Proposal, at: Any) -> Verdict:
    return verdict(rule, judge(made.desk, SOL, proposal, at))


steps = st.lists(
    st.tuples(st.integers(0, 4000), st.integers(95, 105), st.sampled_from([SOL, SOL, BTC]), st.sampled_from("bbs")),
    min_size=1,
    max_size=12,
)


@given(
    steps,
    st.integers(0, 60_000),
    st.sampled_from([0, 1, 2, 3]),
    st.sampled_from([0, 1, 4]),
    st.sampled_from([0, 50, 5000]),
    st.sampled_from(["0", "0.05", "3", "500"]),
    st.sampled_from([None, "0", "4"]),
)
@settings(max_examples=150, deadline=None)
def test_moment_a_rule_promises_is_the_first_at_which_it_passes(
    story: list[tuple[int, int, str, str]],
    start: int,
    hourly: int,
    daily: int,
    cooldown: int,
    loss: str,
    expected: str | None,
) -> None:
    """Whatever was traded: at `retry_at` the rule passes, a microsecond before it does not."""
    made = calm_floor()
    now = float(start)
    for wait, price, symbol, side in story:
        now += wait
        made.time(now)
        made.tick(price, at=now, symbol=symbol)
        made.propose(buy("0.5") if side == "b" else sell("0.25"), at=now, symbol=symbol)
    made.time(now)
    made.desk.policy = calm_floor(
        max_trades_per_hour=hourly, max_trades_per_day=daily, cooldown_seconds=cooldown, max_daily_loss=Decimal(loss)
    ).desk.policy
    wish = buy("0.1", expected_loss=None if expected is None else Decimal(expected))
    for found in judge(made.desk, SOL, wish, after(now)).blocking:
        if found.retry_at is None:
            continue
        assert found.retry_at > after(now)
        assert not said(a_while_later(made, found.retry_at - MOMENT), found.rule, wish, found.retry_at - MOMENT).ok
        # The last snapshot of the day is the grid's, which the clock takes whether or not anybody looks.
        made.desk.last_snapshot_nav = made.desk.book.nav
        assert said(a_while_later(made, found.retry_at), found.rule, wish, found.retry_at).ok


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("MAX_TRADES_PER_DAY", {"policy_max_trades_per_day": 0}),
        ("MAX_TRADES_PER_HOUR", {"policy_max_trades_per_hour": 0}),
        ("MAX_DAILY_LOSS", {"proposal": buy(1, expected_loss=Decimal("300.00000001"))}),
    ],
)
def test_rule_that_no_moment_can_mend_promises_none(rule: str, changes: dict[str, Any]) -> None:
    found = judged(rule, **changes)
    assert (found.ok, found.retry_at) == (False, None)


def test_loss_of_the_day_is_mended_by_midnight_when_the_projected_one_is_at_the_limit() -> None:
    found = judged("MAX_DAILY_LOSS", nav=Decimal(9000), proposal=buy(1, expected_loss=Decimal(300)))
    assert found.retry_at == NOON + timedelta(hours=12)


def judgement(**changes: Any) -> Judgement:
    return evaluate(context(**changes))


def test_order_could_pass_once_the_last_of_the_rules_that_block_it_lets_it() -> None:
    found = judgement(last_trade_at=NOON, trades_today=1200)
    assert [blocking.retry_at for blocking in found.blocking] == [after(60), NOON + timedelta(hours=12)]
    assert found.retry_at == NOON + timedelta(hours=12)


@pytest.mark.parametrize(
    "changes",
    [
        {"last_trade_at": NOON, "proposal": buy(1, confidence=Decimal(0))},
        {"halted": True, "trades_today": 1200},
        {"proposal": buy(1, confidence=Decimal(0))},
        {},
    ],
    ids=["one rule needs more than time", "halted", "nothing that time mends", "nothing blocks"],
)
def test_order_that_time_alone_does_not_help_has_no_moment(changes: dict[str, Any]) -> None:
    assert judgement(**changes).retry_at is None


# --- 80 % -----------------------------------------------------------------------------------------------------------
@given(
    st.sampled_from(["max_gross_exposure", "max_loss_per_trade", "max_drawdown", "max_position_notional"]),
    st.integers(1, 10**18 - 1).map(lambda units: Decimal(units).scaleb(-8)),
    st.integers(0, 10**4),
)
@settings(max_examples=150, deadline=None)
def test_limit_is_warned_of_exactly_from_four_fifths_of_it_to_its_end(name: str, limit: Decimal, part: int) -> None:
    value = limit * part / 10_000 if part != 8000 else limit * 4 / 5
    measured: dict[str, Any] = {
        "max_gross_exposure": {"exposure_elsewhere": value, "qty_after": Decimal(0)},
        "max_loss_per_trade": {"round_trip_cost": value},
        "max_drawdown": {"drawdown": value},
        "max_position_notional": {"qty_after": value / 100},
    }[name]
    found = judged(name.upper(), **{f"policy_{name}": limit}, **measured)
    assert found.warns is (found.ok and value * 5 >= limit * 4)


def test_usage_never_reaches_four_fifths_by_rounding() -> None:
    assert not judged("MAX_DRAWDOWN", drawdown=800 - TINY).warns
    assert judged("MAX_DRAWDOWN", drawdown=800 - TINY).document()["usage"] == "0.7999"


def test_every_rule_has_a_sentence_here() -> None:
    assert tuple(IN_FULL) == CODES
