"""What a policy means beyond being valid: limits that can never bind, and which way a change of a limit goes.

Nothing here refuses: a limit may be set out of reach on purpose. It is said beside the field, so that nobody does it by
mistake.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from webapp.domain.money import BPS, HUNDRED, exact, short
from webapp.domain.policy import FIELDS, Policy

LOOSER_WHEN_HIGHER: Final = frozenset(
    {
        *(name for name in FIELDS if name.startswith("max_") and name != "max_fill_notional"),
        *("stale_after_seconds", "auto_halt_stale_seconds", "price_collar_pct", "anomaly_warn_pct"),
        *("anomaly_halt_pct", "allow_short"),
    }
)
LOOSER_WHEN_LOWER: Final = frozenset({"cooldown_seconds", "min_confidence", "min_price_move_5m_pct"})
ORDERED: Final = (
    ("max_order_notional", "max_position_notional", "an order this large would break the limit of a position"),
    ("max_position_notional", "max_gross_exposure", "a position this large would break the gross exposure"),
    ("max_loss_per_trade", "max_daily_loss", "a loss this large would break the loss of the day"),
    ("max_daily_loss", "max_drawdown", "the drawdown halts the desk before the day's loss is reached"),
    ("max_trades_per_hour", "max_trades_per_day", "the day's trades run out first"),
    ("max_order_notional", "starting_cash", "the desk does not begin with that much"),
)
"""Pairs of limits of which the first is out of reach when it is above the second, and why."""
NO_ENTRIES: Final = "nothing can be bought or sold short with a limit of zero; only exits pass"
BLOCKING_ZEROS: Final = {
    "max_order_notional": "no order is as small as a limit of zero, so nothing trades at all, exits included",
    "max_drawdown": "a limit of zero is reached as soon as it is in force, which halts the desk at once",
    **dict.fromkeys(("max_position_notional", "max_gross_exposure", "max_open_positions"), NO_ENTRIES),
    **dict.fromkeys(("max_trades_per_hour", "max_trades_per_day"), NO_ENTRIES),
}
"""Limits that let nothing or little pass when they are zero, and what that means."""


def cautions(policy: Policy) -> dict[str, str]:
    """What somebody who sets these limits should know, by field."""
    found: dict[str, str] = {}
    for name, text in _cautions(policy):
        found.setdefault(name, text)
    return found


@exact
def _cautions(policy: Policy) -> Iterator[tuple[str, str]]:
    for name, meaning in BLOCKING_ZEROS.items():
        if getattr(policy, name) == 0:
            yield name, meaning
    for lower, upper, why in ORDERED:
        if getattr(policy, lower) > getattr(policy, upper):
            yield lower, f"is above {FIELDS[upper].label.lower()}: {why}"
    # What buying and selling at once costs, the spread apart: slippage and fee, both ways.
    cost = policy.max_order_notional * 2 * (policy.slippage_bps + policy.fee_bps) / BPS
    if cost > policy.max_loss_per_trade:
        yield "max_loss_per_trade", f"buying and selling the largest order would cost {short(cost)} USDC"
    if Decimal(policy.slippage_bps) / HUNDRED > policy.price_collar_pct:
        yield "price_collar_pct", "the slippage alone puts every market order beyond it"
    if policy.min_confidence == 1:
        yield "min_confidence", "only proposals that are entirely sure will pass"


def direction(name: str, before: Any, after: Any) -> str:
    """`looser` or `tighter`, for values as policy documents have them; empty where neither word fits."""
    if name not in LOOSER_WHEN_HIGHER | LOOSER_WHEN_LOWER or before is None or after is None:
        return ""
    rises = Decimal(after) > Decimal(before)
    return "looser" if rises == (name in LOOSER_WHEN_HIGHER) else "tighter"
