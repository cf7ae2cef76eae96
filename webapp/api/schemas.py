"""What the calls take: pydantic models that check the body and describe it in the OpenAPI document.

Amounts may be JSON strings or JSON numbers; either way the exact text counts, never a float.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from webapp.api.wire import Number
from webapp.domain.errors import BadInput
from webapp.domain.market import check_symbol
from webapp.domain.money import parse_amount
from webapp.domain.policy import FIELDS
from webapp.domain.policy import Field as Limit
from webapp.domain.reasons import LONGEST_REASON

AMOUNT = r"^-?[0-9]{1,10}(\.[0-9]{1,8})?$"
SYMBOL = r"^[A-Z0-9][A-Z0-9._-]{0,31}$"
KEY = r"[!-~]{1,200}"
MAX_TICKS = 10_000
MAX_TRIGGER = 64
MAX_PAYLOAD = 16 * 1024
"""Bytes of JSON: it is stored with every signal and shown on its page."""
CONFIDENCE_DIGITS = 5
"""Decimals of a confidence, as stored: NUMERIC(6,5)."""


def amount_text(value: Any) -> Any:
    """The exact text of a JSON number; whatever else is left as it is, to be refused by its type."""
    if isinstance(value, Number):
        return value.text
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
    if not value.isprintable():
        raise ValueError("must not hold control characters")
    return value


def _payload(value: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = plain_numbers(value)
    if len(json.dumps(plain, ensure_ascii=False).encode()) > MAX_PAYLOAD:
        raise ValueError(f"must not be longer than {MAX_PAYLOAD:,} bytes of JSON")
    return plain


def plain_numbers(value: Any) -> Any:
    """A free-form payload with ordinary numbers: it explains, nothing is computed from it."""
    if isinstance(value, Number):
        return float(value)
    if isinstance(value, Mapping):
        return {name: plain_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain_numbers(item) for item in value]
    return value


def described(what: str, example: str) -> WithJsonSchema:
    """How an amount looks in the OpenAPI document."""
    return WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": AMOUNT}, {"type": "number"}],
            "description": what,
            "examples": [example],
        }
    )


_Decimal = Annotated[Decimal, BeforeValidator(_amount)]
Quantity = Annotated[_Decimal, AfterValidator(_positive), described("Units of the symbol, above zero.", "0.5")]
Price = Annotated[_Decimal, AfterValidator(_positive), described("USDC for one unit, above zero.", "142.25")]
Loss = Annotated[_Decimal, AfterValidator(_not_negative), described("USDC, zero or more.", "12.5")]
Confidence = Annotated[_Decimal, AfterValidator(_confidence), described("From 0 to 1, at most 5 decimals.", "0.75")]
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
Payload = Annotated[dict[str, Any], AfterValidator(_payload)]
Trigger = Annotated[str, Field(min_length=1, max_length=MAX_TRIGGER), AfterValidator(_line)]
Reason = Annotated[str, Field(max_length=LONGEST_REASON)]


class Body(BaseModel):
    """A request body: every field named, none guessed, none converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ProposalIn(Body):
    """What to trade. Without a limit price it is a market order."""

    side: Literal["buy", "sell"]
    qty: Quantity
    limit_price: Price | None = None
    confidence: Confidence
    payload: Payload = Field(default={}, description="Why: stored with the signal, shown on its page.")
    expected_loss: Loss | None = None


class CycleIn(Body):
    """One trade cycle. Without a proposal the desk's own strategy decides, and may decide nothing."""

    symbol: Symbol
    trigger_source: Trigger = Field(description="Who or what asked, for the audit.")
    idempotency_key: Key = Field(description="The same key and body again gives the same answer and trades once.")
    proposal: ProposalIn | None = None


class CheckIn(Body):
    """The body of a cycle; what only matters to a real one may be left out."""

    symbol: Symbol
    trigger_source: Trigger = "check"
    idempotency_key: Key | None = None
    proposal: ProposalIn | None = None


class TickIn(Body):
    """One quote. `mid_price` and `spread_bps` are computed."""

    symbol: Symbol
    bid_price: Price
    ask_price: Price
    event_at: str = Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-31T09:30:00.250Z"])


class TicksIn(Body):
    """Quotes in the order in which they came; all are taken or none."""

    # Read by api/market.py, not by pydantic: ten thousand models would take longer than storing their rows.

    ticks: Annotated[
        list[Any],
        WithJsonSchema(
            {"type": "array", "items": {"$ref": "#/components/schemas/TickIn"}, "minItems": 1, "maxItems": MAX_TICKS}
        ),
    ]


class SwitchIn(Body):
    """On stops trading at once. Off needs a reason."""

    enabled: bool = Field(description="true: halt, scope `halt`. false: release, scope `admin`.")
    reason: Reason | None = None
    drawdown_base: Literal["nav", "peak"] = Field(
        "nav", description="After a release drawdown counts from the NAV of that moment, or from the peak as before."
    )


class CancelIn(Body):
    """Why an order is canceled, for the audit."""

    reason: Reason | None = None


class NothingIn(Body):
    """No field at all."""


def _limit_schema(name: str, limit: Limit) -> dict[str, Any]:
    """One limit of the policy in the OpenAPI document, from the table that checks it."""
    bounds = {"minimum": float(limit.minimum), "maximum": float(limit.maximum)}
    kinds: dict[str, list[dict[str, Any]]] = {
        "amount": [{"type": "string", "pattern": AMOUNT}, {"type": "number", **bounds}],
        "count": [{"type": "integer", **{key: int(bound) for key, bound in bounds.items()}}],
        "flag": [{"type": "boolean"}],
    }
    options = kinds[limit.kind] + ([{"type": "null"}] if limit.nullable else [])
    unit = f" ({limit.unit})" if limit.unit else ""
    return {"anyOf": options, "title": name, "description": f"{limit.label}{unit}. {limit.help}"}


class PolicyIn(BaseModel):
    """Every limit of the policy, and why it changes. What GET adds to the limits may be sent back; it is not read."""

    # The limits themselves are checked by the domain, which knows their bounds and names every bad one.
    model_config = ConfigDict(
        extra="allow",
        strict=True,
        json_schema_extra={
            "required": list(FIELDS),
            "properties": {
                "reason": {"anyOf": [{"type": "string", "maxLength": LONGEST_REASON}, {"type": "null"}]},
                **{name: _limit_schema(name, limit) for name, limit in FIELDS.items()},
            },
        },
    )
    reason: Reason | None = None
