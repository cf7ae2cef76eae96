"""JSON read strictly and written exactly."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from flask import Flask

from webapp.api import wire
from webapp.domain.errors import BadInput


def test_numbers_keep_the_text_they_were_written_in() -> None:
    found = wire.read(b'{"a": 0.1, "b": 1.10, "c": 7, "d": -0.00000001, "e": 1e2}')
    assert [found[name].text for name in "abde"] == ["0.1", "1.10", "-0.00000001", "1e2"]
    assert found["a"] == Decimal("0.1")
    assert found["c"] == 7


def test_whole_surrogate_pairs_and_escapes_are_ordinary_text() -> None:
    assert wire.read(b'{"a": "\\ud83d\\ude00 \\u00e9 \\n"}') == {"a": "\U0001f600 é \n"}


def test_thirty_two_levels_are_enough_and_thirty_three_too_many() -> None:
    assert wire.read(b"[" * 32 + b"]" * 32)
    with pytest.raises(BadInput):
        wire.read(b"[" * 33 + b"]" * 33)


def test_a_bad_text_is_found_where_it_is() -> None:
    with pytest.raises(BadInput) as caught:
        wire.read(b'{"proposal": {"payload": {"notes": ["fine", "\\u0000"]}}}')
    assert caught.value.field == "proposal.payload.notes.1"


def test_numbers_that_json_does_not_have_are_refused() -> None:
    for raw in (b"[NaN]", b"[Infinity]", b"[-Infinity]", b"[1e400]", b"[1e-400]", b"[0." + b"1" * 50 + b"]"):
        with pytest.raises(BadInput):
            wire.read(raw)


def test_white_space_and_order_do_not_change_a_fingerprint_but_any_value_does() -> None:
    app = Flask("test")
    texts = [b'{"a": 1.5, "b": [1, 2]}', b'{"b":[1,2],"a":1.5}', b'{\n"a" : 1.5 , "b":[ 1,2 ] }']
    others = [
        b'{"a": "1.5", "b": [1, 2]}',
        b'{"a": 1.50, "b": [1, 2]}',
        b'{"a": 1.5, "b": [2, 1]}',
        b'{"a": 1.5}',
        b'{"a": {"\\u2400number": "1.5"}, "b": [1, 2]}',
    ]
    with app.test_request_context("/v1/trade/cycle", method="POST"):
        prints = {wire.fingerprint(wire.read(text)) for text in texts}
        assert len(prints) == 1
        assert len(prints | {wire.fingerprint(wire.read(text)) for text in others}) == 1 + len(others)
    with app.test_request_context("/v1/other", method="POST"):
        assert wire.fingerprint(wire.read(texts[0])) not in prints


def test_what_is_written_is_exact_and_in_utc() -> None:
    document = {
        "amount": Decimal("0.00000001"),
        "large": Decimal("9999999999.99999999"),
        "zero": Decimal("-0E-8"),
        "at": datetime(2026, 3, 2, 12, 0, 0, 120, tzinfo=UTC),
        "id": UUID(int=7),
    }
    assert wire.write(document) == (
        '{"amount":"0.00000001","large":"9999999999.99999999","zero":"0.00000000",'
        '"at":"2026-03-02T12:00:00.000120Z","id":"00000000-0000-0000-0000-000000000007"}'
    )


def test_a_float_that_is_no_number_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        wire.write({"a": float("nan")})
