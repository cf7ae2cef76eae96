"""What one field of a body may hold: how it is checked, and how the OpenAPI document describes it.

Amounts may be JSON strings or JSON numbers; either way the exact digits count, never a float.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, RootModel, WithJsonSchema

from webapp.api.wire import Number
from webapp.domain.errors import BadInput
from webapp.domain.market import check_symbol
from webapp.domain.money import parse_amount, plain
from webapp.domain.reasons import LONGEST_REASON

NOT_NEGATIVE = r"^[0-9]{1,10}(\.[0-9]{1,8})?$"
PART = r"^(0{1,10}(\.[0-9]{1,5}0{0,3})?|0{0,9}1(\.0{1,8})?)$"
ZERO = r"^[0.]+$"
LARGEST = 9_999_999_999
FINEST = 0.00000001
_UNSEEN = r"\x00-\x1f\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff0-\uffff"
NO_NUL = r"^[^\x00]*$"
SAID = r"^[^\x00]*[^\x00\s][^\x00]*$"
LINE = rf"^[^{_UNSEEN}]*[^\x20{_UNSEEN}][^{_UNSEEN}]*$"
"""Something to read besides spaces, and nothing that would break a line of the audit, hide in it or turn it around."""
SYMBOL = r"^[A-Z0-9][A-Z0-9._-]{0,31}$"
KEY = r"[!-~]{1,200}"
MAX_TRIGGER = 64
MAX_PAYLOAD = 16 * 1024
"""Bytes of JSON: it is stored with every signal and shown on its page."""
CONFIDENCE_DIGITS = 5
"""Decimals of a confidence, as stored: NUMERIC(6,5)."""


def amount_text(value: Any) -> Any:
    """The exact digits of a JSON number; whatever else is left as it is, to be refused by its type."""
    if isinstance(value, Number):
        return plain(value) if "e" in value.text.lower() else value.text
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _amount(value: Any) -> Decimal:
    try:
        return parse_amount(amount_text(value), "amount")
    except BadInput as error:
        raise ValueError(error.reason) from error


def _positive(value: Decimal) -> Decimal:
    if value <= 0:
        raise ValueError("must be above zero")
    return value


def _not_negative(value: Decimal) -> Decimal:
    if value < 0:
        raise ValueError("must not be below zero")
    return value


def _confidence(value: Decimal) -> Decimal:
    if not 0 <= value <= 1:
        raise ValueError("must be from 0 to 1")
    if value != value.quantize(Decimal(1).scaleb(-CONFIDENCE_DIGITS)):
        raise ValueError(f"must not have more than {CONFIDENCE_DIGITS} decimals")
    return value


def _symbol(value: str) -> str:
    try:
        return check_symbol(value)
    except BadInput as error:
        raise ValueError(error.reason) from error


def _key(value: str) -> str:
    if not re.fullmatch(KEY, value, re.ASCII):
        raise ValueError("must be 1 to 200 visible ASCII characters, without spaces")
    return value


def _line(value: str) -> str:
    """Text for one line of an audit row: something to read, and nothing that would break the line."""
    if not value.strip():
        raise ValueError("must not be blank")
    if not re.match(LINE, value):
        raise ValueError("must not hold control characters, nor any that cannot be seen")
    return value


def _payload(value: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = plain_numbers(value)
    if len(json.dumps(kept, ensure_ascii=False).encode()) > MAX_PAYLOAD:
        raise ValueError(f"must not be longer than {MAX_PAYLOAD:,} bytes of JSON")
    return kept


def plain_numbers(value: Any) -> Any:
    """A free-form payload with ordinary numbers: it explains, nothing is computed from it."""
    if isinstance(value, Number):
        return float(value)
    if isinstance(value, Mapping):
        return {name: plain_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain_numbers(item) for item in value]
    return value


def described(what: str, example: str, refused: str | None = None) -> WithJsonSchema:
    """How an amount that is not negative looks in the document; `refused` is a pattern it must not have."""
    text: dict[str, Any] = {"type": "string", "pattern": NOT_NEGATIVE}
    number = {"type": "number", "minimum": 0, "maximum": LARGEST, "multipleOf": FINEST}
    if refused is not None:
        text |= {"not": {"pattern": refused}}
        number |= {"minimum": FINEST}
    return WithJsonSchema({"anyOf": [text, number], "description": what, "examples": [example]})


_Decimal = Annotated[Decimal, BeforeValidator(_amount)]
Quantity = Annotated[_Decimal, AfterValidator(_positive), described("Units of the symbol, above zero.", "0.5", ZERO)]
Price = Annotated[_Decimal, AfterValidator(_positive), described("USDC for one unit, above zero.", "142.25", ZERO)]
Loss = Annotated[_Decimal, AfterValidator(_not_negative), described("USDC, zero or more.", "12.5")]
Confidence = Annotated[
    _Decimal,
    AfterValidator(_confidence),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": PART},
                {"type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.00001},
            ],
            "description": "From 0 to 1, at most 5 decimals.",
            "examples": ["0.75"],
        }
    ),
]
Symbol = Annotated[
    str,
    AfterValidator(_symbol),
    WithJsonSchema({"type": "string", "pattern": SYMBOL, "examples": ["SOL-USDC"]}),
]
Key = Annotated[
    str,
    AfterValidator(_key),
    WithJsonSchema({"type": "string", "pattern": f"^{KEY}$", "examples": ["bot-7-2026-01-31T09:30"]}),
]
_WHERE = "#/components/schemas/"
_VALUE: dict[str, Any] = {
    "anyOf": [
        {"type": ["null", "boolean"]},
        {"type": "number", "minimum": -1e30, "maximum": 1e30},
        {"$ref": f"{_WHERE}JsonText"},
        {"type": "array", "items": {"$ref": f"{_WHERE}JsonValue"}},
        {"$ref": f"{_WHERE}JsonObject"},
    ]
}
_OBJECT: dict[str, Any] = {
    "type": "object",
    "propertyNames": {"pattern": NO_NUL},
    "additionalProperties": {"$ref": f"{_WHERE}JsonValue"},
}


class JsonText(RootModel[Annotated[str, WithJsonSchema({"type": "string", "pattern": NO_NUL})]]):
    """Any text without a NUL character."""


class JsonValue(RootModel[Annotated[Any, WithJsonSchema(_VALUE)]]):
    """Any JSON."""


class JsonObject(RootModel[Annotated[Any, WithJsonSchema(_OBJECT)]]):
    """Any JSON object; a payload has at most 16,384 bytes."""


ANYTHING: dict[str, Any] = {"$ref": f"{_WHERE}JsonValue"}
FREE_FORM: tuple[type[BaseModel], ...] = (JsonText, JsonValue, JsonObject)
"""What the document needs to describe a free-form payload; nothing is read through these."""
Payload = Annotated[
    dict[str, Any],
    AfterValidator(_payload),
    WithJsonSchema({"allOf": [{"$ref": f"{_WHERE}JsonObject"}]}),
]
Trigger = Annotated[
    str,
    Field(min_length=1, max_length=MAX_TRIGGER),
    AfterValidator(_line),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_TRIGGER, "pattern": LINE}),
]
Reason = Annotated[
    str,
    Field(max_length=LONGEST_REASON),
    WithJsonSchema({"type": "string", "maxLength": LONGEST_REASON, "pattern": NO_NUL}),
]
