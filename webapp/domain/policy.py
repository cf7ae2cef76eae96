"""The policy: every number an operator may set, with its unit and bounds (CONTRACT section 5)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Self

from webapp.domain.errors import BadInput, InvalidPolicy
from webapp.domain.moments import DAY
from webapp.domain.money import LIMIT, parse_amount, plain

Kind = Literal["amount", "count", "flag"]


class Field(NamedTuple):
    """How one entry of the policy is shown, entered and bounded (bounds included)."""

    label: str
    unit: str
    kind: Kind
    minimum: Decimal
    maximum: Decimal
    help: str
    nullable: bool = False


def _amount(label: str, unit: str, low: str, high: str, help_: str, nullable: bool = False) -> Field:
    return Field(label, unit, "amount", Decimal(low), Decimal(high), help_, nullable)


def _count(label: str, unit: str, low: int, high: int, help_: str) -> Field:
    return Field(label, unit, "count", Decimal(low), Decimal(high), help_)


_MONEY = "9999999999"
FIELDS: Mapping[str, Field] = {
    "starting_cash": _amount(
        "Starting cash", "USDC", "0.00000001", _MONEY, "Pretend money the desk begins with; fixed once there is a fill."
    ),
    "slippage_bps": _count("Slippage", "bps", 0, 5_000, "Added to the ask on a buy and taken off the bid on a sell."),
    "fee_bps": _amount("Fee", "bps", "0", "5000", "Charged on the notional of every fill."),
    "max_fill_notional": _amount(
        "Most one quote fills",
        "USDC",
        "0.01",
        _MONEY,
        "What one quote can fill of a symbol; the rest waits. Empty: no bound.",
        True,
    ),
    "order_ttl_seconds": _count("Order lifetime", "s", 1, 30 * DAY, "A resting order is canceled after this time."),
    "stale_after_seconds": _count("Quote is stale after", "s", 1, DAY, "Nothing trades on an older quote."),
    "auto_halt_stale_seconds": _count(
        "Halt without quotes after", "s", 1, 30 * DAY, "Quotes missing for this long halt the desk."
    ),
    "max_order_notional": _amount("Largest order", "USDC", "0", _MONEY, "Quantity times expected fill price."),
    "max_position_notional": _amount("Largest position", "USDC", "0", _MONEY, "Of one symbol, after the order."),
    "max_gross_exposure": _amount(
        "Gross exposure", "USDC", "0", _MONEY, "Sum of all positions without their signs, after the order."
    ),
    "max_open_positions": _count("Open positions", "positions", 0, 10_000, "Symbols held at once, after the order."),
    "max_loss_per_trade": _amount(
        "Loss per trade",
        "USDC",
        "0",
        _MONEY,
        "The larger of the proposal's expected loss and the cost of a round trip.",
    ),
    "max_daily_loss": _amount(
        "Daily loss", "USDC", "0", _MONEY, "NAV at 00:00 UTC less NAV now, plus the projected loss."
    ),
    "max_drawdown": _amount(
        "Drawdown", "USDC", "0", _MONEY, "Highest NAV since the last release less NAV now; reaching it halts."
    ),
    "cooldown_seconds": _count("Cooldown", "s", 0, 7 * DAY, "Least time between two trades of one symbol."),
    "max_trades_per_hour": _count("Trades per hour", "trades", 0, 1_000_000, "Of the last 60 minutes."),
    "max_trades_per_day": _count("Trades per day", "trades", 0, 1_000_000, "Since 00:00 UTC."),
    "min_confidence": _amount("Least confidence", "ratio", "0", "1", "A proposal says how sure it is, from 0 to 1."),
    "min_price_move_5m_pct": _amount(
        "Least move in 5 minutes", "%", "0", "1000", "Nothing is entered in a market that does not move."
    ),
    "price_collar_pct": _amount("Price collar", "%", "0", "100", "Farthest an order's price may be from the mid."),
    "anomaly_window_seconds": _count(
        "Anomaly window", "s", 1, 3_600, "Over which the highest and lowest mid are compared."
    ),
    "anomaly_warn_pct": _amount(
        "Anomaly: warn from", "%", "0.01", "1000", "A move of this size is written into the audit."
    ),
    "anomaly_halt_pct": _amount(
        "Anomaly: halt from", "%", "0.01", "1000", "A confirmed move of this size halts the desk."
    ),
    "allow_short": Field("Allow short positions", "", "flag", Decimal(0), Decimal(1), "Sell more than is held."),
}


@dataclass(frozen=True)
class Policy:
    """The limits in force. Amounts are Decimal, seconds and counts int; None only where :data:`FIELDS` allows it."""

    starting_cash: Decimal = Decimal(10000)
    slippage_bps: int = 2
    fee_bps: Decimal = Decimal(10)
    max_fill_notional: Decimal | None = None
    order_ttl_seconds: int = 300
    stale_after_seconds: int = 30
    auto_halt_stale_seconds: int = 120
    max_order_notional: Decimal = Decimal(1000)
    max_position_notional: Decimal = Decimal(5000)
    max_gross_exposure: Decimal = Decimal(8000)
    max_open_positions: int = 5
    max_loss_per_trade: Decimal = Decimal(100)
    max_daily_loss: Decimal = Decimal(300)
    max_drawdown: Decimal = Decimal(1000)
    cooldown_seconds: int = 60
    max_trades_per_hour: int = 100
    max_trades_per_day: int = 1200
    min_confidence: Decimal = Decimal("0.6")
    min_price_move_5m_pct: Decimal = Decimal(0)
    price_collar_pct: Decimal = Decimal(5)
    anomaly_window_seconds: int = 60
    anomaly_warn_pct: Decimal = Decimal(5)
    anomaly_halt_pct: Decimal = Decimal(10)
    allow_short: bool = False

    @classmethod
    def default(cls) -> Self:
        """The policy a new desk begins with."""
        return cls()

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """A policy from its whole JSON document. Raises :class:`InvalidPolicy` naming every field that is wrong."""
        problems = {name: "is not part of the policy" for name in document if name not in FIELDS}
        values: dict[str, Any] = {}
        for name, field in FIELDS.items():
            if name not in document:
                problems[name] = "is missing"
                continue
            try:
                values[name] = _read(name, field, document[name])
            except BadInput as error:
                problems[name] = error.reason
        if not problems:
            problems = _cross_check(values)
        if problems:
            raise InvalidPolicy(problems)
        return cls(**values)

    def to_document(self) -> dict[str, Any]:
        """The policy as JSON: amounts as strings, counts as numbers, flags as booleans."""
        return {name: plain(value) if isinstance(value, Decimal) else value for name, value in asdict(self).items()}

    def difference(self, after: "Policy") -> dict[str, list[Any]]:
        """What ``after`` changes: field -> [before, after], as in the documents."""
        old, new = self.to_document(), after.to_document()
        return {
            f.name: [old[f.name], new[f.name]] for f in fields(self) if getattr(self, f.name) != getattr(after, f.name)
        }


def _read(name: str, field: Field, value: Any) -> Decimal | int | bool | None:
    if value is None:
        if field.nullable:
            return None
        raise BadInput(name, "must have a value")
    if field.kind == "flag":
        if not isinstance(value, bool):
            raise BadInput(name, "must be true or false")
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise BadInput(name, "must be a number")
    if isinstance(value, int) and abs(value) >= LIMIT:  # an integer of thousands of digits cannot even be printed
        raise BadInput(name, "must have at most 10 digits before the point")
    text = value if isinstance(value, str) else format(value, "f") if isinstance(value, Decimal) else str(value)
    number = parse_amount(text, name)
    if not field.minimum <= number <= field.maximum:
        raise BadInput(name, f"must be from {plain(field.minimum)} to {plain(field.maximum)} {field.unit}".rstrip())
    if field.kind == "count":
        if number != number.to_integral_value():
            raise BadInput(name, "must be a whole number")
        return int(number)
    return number


def _cross_check(values: Mapping[str, Any]) -> dict[str, str]:
    """Pairs of limits that would make no sense together."""
    problems = {}
    if values["anomaly_warn_pct"] > values["anomaly_halt_pct"]:
        problems["anomaly_warn_pct"] = "must not be above the halting move"
    if values["auto_halt_stale_seconds"] < values["stale_after_seconds"]:
        problems["auto_halt_stale_seconds"] = "must not be below the age at which a quote is stale"
    return problems
