"""The policy: its defaults are the contract's, its document is whole, and each bad field is named."""

import json
from decimal import Decimal
from typing import Any

import pytest

from webapp.domain.errors import InvalidPolicy
from webapp.domain.policy import FIELDS, Policy

CONTRACT: dict[str, Any] = {
    "starting_cash": "10000",
    "slippage_bps": 2,
    "fee_bps": "10",
    "max_fill_notional": None,
    "order_ttl_seconds": 300,
    "stale_after_seconds": 30,
    "auto_halt_stale_seconds": 120,
    "max_order_notional": "1000",
    "max_position_notional": "5000",
    "max_gross_exposure": "8000",
    "max_open_positions": 5,
    "max_loss_per_trade": "100",
    "max_daily_loss": "300",
    "max_drawdown": "1000",
    "cooldown_seconds": 60,
    "max_trades_per_hour": 100,
    "max_trades_per_day": 1200,
    "min_confidence": "0.6",
    "min_price_move_5m_pct": "0",
    "price_collar_pct": "5",
    "anomaly_window_seconds": 60,
    "anomaly_warn_pct": "5",
    "anomaly_halt_pct": "10",
    "allow_short": False,
}
"""The default policy, copied from the contract by hand."""


def problems(**changes: Any) -> dict[str, str]:
    with pytest.raises(InvalidPolicy) as caught:
        Policy.from_document({**CONTRACT, **changes})
    assert caught.value.details["problems"] == caught.value.problems
    return caught.value.problems


def test_default_policy_is_the_contracts() -> None:
    assert Policy.default().to_document() == CONTRACT
    assert set(FIELDS) == set(CONTRACT)


def test_policy_through_its_document_and_back_is_the_same() -> None:
    changed = Policy.from_document(
        {**CONTRACT, "max_fill_notional": "250.5", "allow_short": True, "fee_bps": "0.12345678"}
    )
    through_json = json.loads(json.dumps(changed.to_document()))
    assert Policy.from_document(through_json) == changed
    assert changed.max_fill_notional == Decimal("250.5")
    assert changed.fee_bps == Decimal("0.12345678")


def test_difference_names_what_changed_before_and_after() -> None:
    changed = Policy.from_document({**CONTRACT, "max_drawdown": "500", "cooldown_seconds": "61"})
    assert Policy.default().difference(changed) == {"max_drawdown": ["1000", "500"], "cooldown_seconds": [60, 61]}
    same = Policy.from_document({**CONTRACT, "max_drawdown": "1000.00"})
    assert Policy.default().difference(same) == {}


@pytest.mark.parametrize("name", FIELDS)
def test_document_without_a_field_names_it(name: str) -> None:
    document = {key: value for key, value in CONTRACT.items() if key != name}
    with pytest.raises(InvalidPolicy) as caught:
        Policy.from_document(document)
    assert set(caught.value.problems) == {name}


def test_document_with_a_field_nobody_knows_names_it() -> None:
    assert set(problems(max_drawdwn="1", comment="x")) == {"max_drawdwn", "comment"}


def test_document_with_several_bad_fields_names_each() -> None:
    assert set(problems(fee_bps="NaN", slippage_bps=-1, allow_short="yes", bogus=1)) == {
        "fee_bps", "slippage_bps", "allow_short", "bogus",
    }  # fmt: skip


NUMBERS = [name for name, field in FIELDS.items() if field.kind != "flag"]
BAD_NUMBERS = ["", " ", "abc", "NaN", "inf", "1e3", "+1", "1_0", "0x1", "１", "1,5", "12345678901", True, [], {}, 1.5]


@pytest.mark.parametrize("name", NUMBERS)
def test_number_that_is_none_is_refused_by_its_field(name: str) -> None:
    for bad in BAD_NUMBERS:
        assert set(problems(**{name: bad})) == {name}, repr(bad)


@pytest.mark.parametrize("name", ["max_order_notional", "cooldown_seconds"])
def test_number_too_long_to_be_printed_is_refused_by_its_field(name: str) -> None:
    assert set(problems(**{name: 10**5000})) == {name}


@pytest.mark.parametrize("name", NUMBERS)
def test_number_is_taken_at_both_bounds_and_refused_just_beyond(name: str) -> None:
    field = FIELDS[name]
    step = Decimal(1) if field.kind == "count" else Decimal("0.00000001")
    pairs = {"anomaly_warn_pct": "anomaly_halt_pct", "stale_after_seconds": "auto_halt_stale_seconds"}
    others = {"anomaly_warn_pct": "0.01", "stale_after_seconds": 1}
    for bound in (field.minimum, field.maximum):
        document = {**CONTRACT, **others, name: f"{bound:f}"}
        if name in pairs:
            document[pairs[name]] = f"{max(bound, Decimal(str(CONTRACT[pairs[name]]))):f}"
        assert getattr(Policy.from_document(document), name) == bound
    assert set(problems(**{**others, name: f"{field.minimum - step:f}"})) == {name}
    assert set(problems(**{**others, name: f"{field.maximum + step:f}"})) == {name}


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.kind == "count"])
def test_count_with_a_fraction_is_refused(name: str) -> None:
    assert set(problems(**{name: "2.5"})) == {name}
    assert getattr(Policy.from_document({**CONTRACT, name: f"{CONTRACT[name]}.0"}), name) == CONTRACT[name]


@pytest.mark.parametrize("name", FIELDS)
def test_nothing_is_taken_only_where_no_bound_makes_sense(name: str) -> None:
    if name == "max_fill_notional":
        assert Policy.from_document({**CONTRACT, name: None}).max_fill_notional is None
    else:
        assert set(problems(**{name: None})) == {name}


@pytest.mark.parametrize("value", [1, 0, "true", "on", None])
def test_flag_that_is_not_true_or_false_is_refused(value: object) -> None:
    assert set(problems(allow_short=value)) == {"allow_short"}


def test_warning_above_the_halting_move_is_refused_and_equal_is_taken() -> None:
    assert set(problems(anomaly_warn_pct="10.00000001")) == {"anomaly_warn_pct"}
    assert Policy.from_document({**CONTRACT, "anomaly_warn_pct": "10"}).anomaly_warn_pct == 10


def test_halt_before_a_quote_is_even_stale_is_refused_and_equal_is_taken() -> None:
    assert set(problems(auto_halt_stale_seconds=29)) == {"auto_halt_stale_seconds"}
    assert Policy.from_document({**CONTRACT, "auto_halt_stale_seconds": 30}).auto_halt_stale_seconds == 30


def test_every_field_can_be_put_into_a_form() -> None:
    for name, field in FIELDS.items():
        assert field.label, name
        assert field.help, name
        if field.kind != "flag" and CONTRACT[name] is not None:
            assert field.minimum <= Decimal(str(CONTRACT[name])) <= field.maximum, name
