"""The parameters of a list: what is read, and what is refused by name."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict

from webapp.domain.errors import BadInput
from webapp.queries.timeline import LISTINGS
from webapp.web.params import ListParams, cursor_text, list_params, read_time

ORDERS = LISTINGS["orders"]
KEY = (datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC), UUID("0190a6f2-7c1e-7d3a-9b52-6f1c2d3e4f50"))


@pytest.fixture(autouse=True)
def signing_app() -> Iterator[Flask]:
    app = Flask("test")
    app.secret_key = "a key"
    with app.app_context():
        yield app


def read(*pairs: tuple[str, str], name: str = "orders", blank_ok: bool = True) -> ListParams:
    return list_params(MultiDict(pairs), LISTINGS[name], blank_ok=blank_ok)


def test_nothing_given_means_fifty_rows_from_the_newest() -> None:
    assert read() == ListParams({}, 50, None)


def test_every_filter_arrives_typed() -> None:
    found = read(
        ("symbol", "BTCUSDT_PERP"),
        ("side", "buy"),
        ("status", "canceled"),
        ("rule", "PRICE_COLLAR"),
        ("cycle_id", str(KEY[1])),
        ("from", "2026-03-02"),
        ("to", "2026-03-02T13:00:00+01:00"),
        ("limit", "200"),
    )
    assert found.limit == 200
    assert found.filters == {
        "symbol": "BTCUSDT_PERP",
        "side": "buy",
        "status": "canceled",
        "rule": "PRICE_COLLAR",
        "cycle_id": KEY[1],
        "from": datetime(2026, 3, 2, tzinfo=UTC),
        "to": datetime(2026, 3, 2, 12, tzinfo=UTC),
    }


def test_a_form_sends_empty_fields_but_a_bot_means_something_by_them() -> None:
    blank = (("symbol", ""), ("status", ""), ("limit", ""), ("cursor", ""))
    assert read(*blank) == ListParams({}, 50, None)
    with pytest.raises(BadInput) as caught:
        read(*blank[:1], blank_ok=False)
    assert caught.value.field == "symbol"


def test_an_equal_span_is_empty_and_a_reversed_one_is_refused() -> None:
    assert read(("from", "2026-03-02"), ("to", "2026-03-02")).filters
    with pytest.raises(BadInput) as caught:
        read(("from", "2026-03-03"), ("to", "2026-03-02"))
    assert caught.value.field == "from"


def test_a_value_beyond_any_use_is_refused_before_it_is_read() -> None:
    with pytest.raises(BadInput, match="longer than 512"):
        read(("cursor", "x" * 513))


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(BadInput) as caught:
        read(("symbol", "A"), ("symbol", "B"))
    assert caught.value.field == "symbol"


def test_names_the_caller_reads_itself_are_left_alone() -> None:
    args = MultiDict([("range", "7d"), ("limit", "5")])
    assert list_params(args, ORDERS, also=("range",)).limit == 5
    with pytest.raises(BadInput):
        list_params(args, ORDERS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-02", "2026-03-02T00:00:00+00:00"),
        ("2026-03-02T09:30Z", "2026-03-02T09:30:00+00:00"),
        ("2026-03-02t09:30:15z", "2026-03-02T09:30:15+00:00"),
        ("2026-03-02T09:30:15.5+05:30", "2026-03-02T04:00:15.500000+00:00"),
        ("2026-03-02T09:30:15 00:00", "2026-03-02T09:30:15+00:00"),
    ],
)
def test_times_are_read_in_their_zone(text: str, expected: str) -> None:
    assert read_time(text, "from").isoformat() == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T09:30:00",
        "2026-02-30",
        "2026-13-01T00:00:00Z",
        "2026-03-02T24:30:00Z",
        "2026-03-02T09:30:60Z",
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+14:00",
        "2026-03-02 09:30:00Z",
        "20260302T093000Z",
        "2026-W10-1",
        "1772442000",
        "now",
        "２０２６-03-02",
        "2026-03-02\n",
        "2026-03-02T09:30:00.1234567Z",
        "2026-03-02T09:30:00+99:99",
    ],
)
def test_what_is_no_time_with_a_zone_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_time(text, "from")
    assert caught.value.field == "from"


def test_a_cursor_comes_back_as_the_key_it_was_made_of() -> None:
    text = cursor_text(ORDERS, KEY)
    assert text is not None
    assert len(text) < 200
    assert read(("cursor", text)).after == KEY
    assert cursor_text(ORDERS, None) is None


def test_a_cursor_of_positions_is_a_symbol() -> None:
    text = cursor_text(LISTINGS["positions"], ("SOL-USDC",))
    assert read(("cursor", text or ""), name="positions").after == ("SOL-USDC",)


def test_a_cursor_is_of_one_list_one_desk_and_unchanged(signing_app: Flask) -> None:
    text = cursor_text(ORDERS, KEY) or ""
    other = "B" if text[3] == "A" else "A"
    forged = [text[:3] + other + text[4:], text[1:], text + "x", "e30.AAAA", "x" * 600]
    for bad in forged:
        with pytest.raises(BadInput) as caught:
            read(("cursor", bad))
        assert caught.value.field == "cursor"
    with pytest.raises(BadInput):
        read(("cursor", text), name="fills")
    signing_app.secret_key = "another key"
    with pytest.raises(BadInput):
        read(("cursor", text))
