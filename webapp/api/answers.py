"""What the calls answer, as models for the OpenAPI document; tests hold real answers against them.

Fields may be added without notice: a client must ignore those it does not know.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from webapp.domain.policy import FIELDS

AMOUNT = r"^-?[0-9]+(\.[0-9]+)?$"
AmountText = Annotated[str, WithJsonSchema({"type": "string", "pattern": AMOUNT, "description": "An exact decimal."})]
Row = dict[str, Any]


class Out(BaseModel):
    """An answer's object."""

    model_config = ConfigDict(extra="allow")


class ErrorBody(Out):
    """What went wrong: `code` for programs, `message` for people, `details` with the field, rule or limit."""

    code: str
    message: str
    details: dict[str, Any]


class ErrorOut(Out):
    """The one shape of every error."""

    error: ErrorBody


class IndexOut(Out):
    """What there is to read before a program begins."""

    name: str
    version: str
    openapi: str
    docs: str
    mode: Literal["paper"]
    as_of: datetime


class HealthOut(Out):
    """The API works and reaches its database."""

    status: Literal["ok"]
    mode: Literal["paper"]
    as_of: datetime
    version: str


class StatusOut(Out):
    """How the desk is doing."""

    mode: Literal["paper"]
    state: Literal["running", "halted", "stale"]
    kill_switch: bool = Field(description="true: trading is halted. Also true when the switch could not be read.")
    kill_switch_reason: str | None
    kill_switch_actor: str | None
    kill_switch_changed_at: datetime | None
    last_cycle_at: datetime | None
    last_tick_at: datetime | None
    market_data_age_seconds: AmountText | None
    market_data_stale: bool
    nav: AmountText = Field(description="USDC.")
    peak_nav: AmountText = Field(description="USDC; highest NAV since the last release.")
    drawdown: AmountText = Field(description="USDC; `peak_nav` less `nav`.")
    as_of: datetime


class AcceptedOut(Out):
    """Quotes taken; `late` of them were older than one known already."""

    accepted: int
    late: int


class RuleOut(Out):
    """One rule's verdict on one order."""

    rule: str
    ok: bool
    applies: bool = Field(description="false: the order only reduces a position, so this entry rule lets it pass.")
    value: AmountText | None
    limit: AmountText | None
    unit: str
    headroom: AmountText | None
    usage: AmountText | None = Field(description="`value` as a part of `limit`.")
    binding: bool = Field(description="true: the rule that blocks; the first one, if several would.")
    sentence: str
    retry_at: datetime | None = Field(description="When the order could pass, where time alone mends it.")


class CycleResultOut(Out):
    """What became of a cycle that was not blocked."""

    cycle_id: UUID
    accepted: Literal[True]
    queued_at: datetime
    outcome: Literal["executed", "resting", "no_signal"]
    order: Row | None
    fills: list[Row]
    risk: list[RuleOut]


class CheckOut(Out):
    """What the gate would say now. `allowed` is null when the strategy would propose nothing."""

    allowed: bool | None
    outcome: Literal["would_pass", "would_be_blocked", "no_signal"]
    proposal: Row | None
    mode: Literal["paper"]
    as_of: datetime
    rules: list[RuleOut]


class FillOut(Out):
    """A fill with the quote it was made from, its arithmetic, and the book before and after (null: not known)."""

    fill_id: UUID
    order_id: UUID
    symbol: str
    side: str
    qty: AmountText
    fill_price: AmountText
    fee: AmountText
    slippage_bps: int
    filled_at: datetime
    notional: AmountText
    quoted_price: AmountText | None
    cash_change: AmountText


class BookOut(Out):
    """Position, cash and NAV at one moment."""

    position_qty: AmountText
    avg_entry: AmountText
    cash: AmountText
    nav: AmountText | None


class OrderOut(Out):
    """One order and its whole story: the columns of `orders`, then what led to it and what came of it."""

    order_id: UUID
    cycle_id: UUID
    signal_id: UUID
    symbol: str
    side: str
    qty: AmountText
    limit_price: AmountText | None
    status: Literal["proposed", "approved", "rejected", "executed", "canceled"]
    risk_reason: str | None
    created_at: datetime
    signal: Row
    cycle: Row | None
    tick: Row | None
    rules: list[RuleOut]
    risk_events: list[Row]
    transitions: list[Row]
    fills: list[FillOut]
    before: BookOut | None
    after: BookOut | None


class CycleOut(Out):
    """One cycle and its whole story. One that another program wrote has no row of its own: its fields are missing."""

    cycle_id: UUID
    tick: Row | None
    signals: list[Row]
    orders: list[OrderOut]


class CanceledOut(Out):
    """The columns of the order, `status` now `canceled`."""

    order_id: UUID
    status: Literal["canceled"]


class PolicyOut(Out):
    """Every limit, and which version this is, by whom, why and when."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={"required": [*FIELDS, "version", "actor", "reason", "created_at", "difference"]},
    )
    version: int
    actor: str
    reason: str | None
    created_at: datetime
    difference: dict[str, Any] = Field(description="Each changed limit with its value before and after.")


class SwitchOut(Out):
    """Where the kill switch stands. `known` false: it could not be read, and the desk refuses to trade."""

    mode: Literal["paper"]
    as_of: datetime
    enabled: bool
    known: bool
    reason: str | None
    actor: str | None
    changed_at: datetime | None


class SwitchedOut(Out):
    """A receipt. The fields after `changed_at` are of a halt, the last two of a release."""

    enabled: bool
    event_id: UUID | None
    reason: str | None
    actor: str | None
    changed_at: datetime
    already: bool | None = Field(None, description="It was halted before; the first halt stands.")
    orders_canceled: int | None = None
    last_fill_at: datetime | None = Field(None, description="The last fill before the halt.")
    waited_ms: int | None = Field(None, description="How long it waited for the trades inside the gate.")
    cut_off: int | None = Field(None, description="Trades that hung there, ended and undone.")
    took_ms: int | None = Field(None, description="How long all of it took until it was committed.")
    audit_head: str | None = Field(None, description="The end of the audit chain, `seq:hash`, to keep elsewhere.")
    peak_nav: str | None = Field(None, description="What drawdown counts from, in USDC.")
    kept_peak: bool | None = None


class BotOut(Out):
    """One token without its secret, and its score."""

    name: str
    actor: str = Field(description="The name its acts are recorded under.")
    state: Literal["active", "paused", "expired", "revoked"]
    scopes: list[str]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None
    max_order_notional: AmountText | None = Field(description="USDC; its own cap, beside the policy's.")
    cycles_per_minute: int | None = Field(description="Its own cap, beside the rate limits.")
    last_seen_at: datetime | None = Field(description="Within a minute.")
    last_cycle_at: datetime | None
    cycles: int
    proposals: int = Field(description="Cycles it decided itself; the others ran the desk's own strategy.")
    accepted: int = Field(description="Cycles that filled or rest.")
    executed: int
    resting: int
    no_signal: int
    blocked: int
    blocked_by: dict[str, int] = Field(description="Blocked cycles by the rule that bound, most frequent first.")
    replays: int = Field(description="Answers given again under the same key.")
    limited: int = Field(description="Requests that came too fast.")
    refused: int = Field(description="Requests turned away while it was paused.")


class BotsOut(Out):
    """Every token there ever was, newest first."""

    mode: Literal["paper"]
    as_of: datetime
    items: list[BotOut]
    next_cursor: None
