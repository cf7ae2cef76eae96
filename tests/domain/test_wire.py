"""How values look in JSON."""

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from webapp.domain.orders import Side
from webapp.domain.wire import jsonable


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.00"), "0.00"),
        (Decimal("0.00000001"), "0.00000001"),
        (datetime(2026, 3, 2, 14, tzinfo=timezone(timedelta(hours=2))), "2026-03-02T12:00:00Z"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Side.BUY, "buy"),
        ({"a": (Decimal(1), None)}, {"a": ["1", None]}),
        ({"deep": [{"a bot's": [0.25, -1e-7, True]}]}, {"deep": [{"a bot's": [0.25, -1e-7, True]}]}),
    ],
)
def test_value_has_one_form_that_json_can_hold(value: Any, shown: Any) -> None:
    assert json.loads(json.dumps(jsonable(value), allow_nan=False)) == shown


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan"), float("inf"), b"1"])
def test_value_without_an_agreed_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        jsonable({"deep": [value]})
