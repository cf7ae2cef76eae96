"""Past verdicts held against another policy: what was measured then, judged by other limits.

Each order is judged alone, with the values of its own moment. What would have followed from another outcome (other
positions, other cooldowns) is not played out, and a change of costs changes what is measured: neither is told here.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from operator import ge, le, lt
from typing import Any, Final

from webapp.domain.orders import Side
from webapp.domain.policy import Policy

Holds = Callable[[Decimal, Decimal], bool]
LIMIT_OF: Final[Mapping[str, tuple[str, Holds]]] = {
    "STALE_MARKET_DATA": ("stale_after_seconds", le),
    "MAX_ORDER_NOTIONAL": ("max_order_notional", le),
    "MAX_POSITION_NOTIONAL": ("max_position_notional", le),
    "MAX_GROSS_EXPOSURE": ("max_gross_exposure", le),
    "MAX_OPEN_POSITIONS": ("max_open_positions", le),
    "MAX_LOSS_PER_TRADE": ("max_loss_per_trade", le),
    "MAX_DAILY_LOSS": ("max_daily_loss", le),
    "MAX_DRAWDOWN": ("max_drawdown", lt),
    "COOLDOWN_SECONDS": ("cooldown_seconds", ge),
    "MAX_TRADES_PER_HOUR": ("max_trades_per_hour", le),
    "MAX_TRADES_PER_DAY": ("max_trades_per_day", le),
    "MIN_CONFIDENCE": ("min_confidence", ge),
    "MIN_PRICE_MOVE_5M": ("min_price_move_5m_pct", ge),
    "PRICE_COLLAR": ("price_collar_pct", le),
}
"""Each rule's limit in the policy, and how its value must stand to it."""


@dataclass(frozen=True)
class Decision:
    """One order as it was judged: its side and every verdict's document, in the order in which they bind."""

    side: str
    verdicts: Sequence[Mapping[str, Any]]


@dataclass
class Hindsight:
    """How many orders were judged, and whose outcome would be another; `blocked` by the rule that would bind."""

    judged: int = 0
    passed_then: int = 0
    blocked: Counter[str] = field(default_factory=Counter)
    freed: Counter[str] = field(default_factory=Counter)
    """Orders that would pass now, by the rule that bound then."""


def look_back(decisions: Iterable[Decision], policy: Policy) -> Hindsight:
    """What `policy` would have made of orders that were judged under others."""
    seen = Hindsight()
    for decision in decisions:
        then = _binding(decision, lambda verdict: verdict.get("ok") is True)
        now = _binding(decision, lambda verdict, side=decision.side: holds(verdict, side, policy))  # type: ignore[misc]
        seen.judged += 1
        seen.passed_then += then is None
        if then is None and now is not None:
            seen.blocked[now] += 1
        elif then is not None and now is None:
            seen.freed[then] += 1
    return seen


def holds(verdict: Mapping[str, Any], side: str, policy: Policy) -> bool:
    """Whether a rule would let the order pass by the limits of `policy`; one without a limit says what it said then."""
    then, rule = verdict.get("ok") is True, str(verdict.get("rule"))
    if verdict.get("applies") is False:
        return then
    value = _amount(verdict.get("value"))
    if value is None:
        return then
    if rule == "SHORT_NOT_ALLOWED":
        return policy.allow_short or side != Side.SELL or value >= 0
    if rule not in LIMIT_OF:
        return then
    name, compare = LIMIT_OF[rule]
    return compare(value, Decimal(getattr(policy, name)))


def _binding(decision: Decision, passes: Callable[[Mapping[str, Any]], bool]) -> str | None:
    return next((str(verdict.get("rule")) for verdict in decision.verdicts if not passes(verdict)), None)


def _amount(text: Any) -> Decimal | None:
    try:
        value = Decimal(text) if isinstance(text, str) else None
    except InvalidOperation:
        return None
    return value if value is not None and value.is_finite() else None
