"""What the calls take: pydantic models that check the body and describe it in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from webapp.api.kinds import (
    ANYTHING,
    FINEST,
    NO_NUL,
    NOT_NEGATIVE,
    SAID,
    Confidence,
    Key,
    Loss,
    Payload,
    Price,
    Quantity,
    Reason,
    Symbol,
    Trigger,
)
from webapp.domain.policy import FIELDS
from webapp.domain.policy import Field as Limit
from webapp.domain.reasons import LONGEST_REASON

MAX_TICKS = 10_000


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

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"enabled": {"const": False}}},
            "then": {"required": ["reason"], "properties": {"reason": {"type": "string", "pattern": SAID}}},
        }
    )

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


NULL: dict[str, Any] = {"type": "null"}
ABOUT = ("version", "actor", "created_at", "difference")
"""What reading the policy adds to the limits; sent back unread, so that a policy can be read, edited and put."""


def _limit_schema(name: str, limit: Limit) -> dict[str, Any]:
    """One limit of the policy in the OpenAPI document, from the table that checks it."""
    least, most = float(limit.minimum), float(limit.maximum)
    kinds: dict[str, list[dict[str, Any]]] = {
        "amount": [
            {"type": "string", "pattern": NOT_NEGATIVE},
            {"type": "number", "minimum": least, "maximum": most, "multipleOf": FINEST},
        ],
        "count": [{"type": "integer", "minimum": int(least), "maximum": int(most)}],
        "flag": [{"type": "boolean"}],
    }
    options = kinds[limit.kind] + ([NULL] if limit.nullable else [])
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
            "additionalProperties": False,
            "properties": {
                "reason": {"anyOf": [{"type": "string", "maxLength": LONGEST_REASON, "pattern": NO_NUL}, NULL]},
                **{name: _limit_schema(name, limit) for name, limit in FIELDS.items()},
                **{
                    name: {"allOf": [ANYTHING], "description": "Of the policy that was read; not looked at."}
                    for name in ABOUT
                },
            },
        },
    )
    reason: Reason | None = None
