"""What to do about a refusal, in one sentence for a program that reads it unaided."""

from collections.abc import Mapping

from webapp.domain.risk.gate import Judgement
from webapp.domain.wire import timestamp

AGAIN = "under a new idempotency_key"
_STEPS: Mapping[str, str] = {
    "KILL_SWITCH_ACTIVE": "Propose nothing more until somebody has released the kill switch.",
    "STALE_MARKET_DATA": f"Wait for a newer quote of this symbol, then propose {AGAIN}.",
    "MAX_OPEN_POSITIONS": f"Close a position first, or add to one that is open; propose that {AGAIN}.",
    "MAX_DAILY_LOSS": "Propose only what reduces a position until the day or the policy changes.",
    "MAX_DRAWDOWN": "Propose nothing more; a person must look at the desk.",
    "MAX_TRADES_PER_HOUR": "Propose only what reduces a position until the policy changes.",
    "MAX_TRADES_PER_DAY": "Propose only what reduces a position until the policy changes.",
    "MIN_CONFIDENCE": f"Propose {AGAIN} when the confidence is higher.",
    "MIN_PRICE_MOVE_5M": f"Propose {AGAIN} when the price has moved further.",
    "PRICE_COLLAR": f"Propose {AGAIN} with a limit price nearer to the middle of the market.",
    "SHORT_NOT_ALLOWED": f"Sell no more than the desk holds; propose that {AGAIN}.",
}
_SMALLER = f"Propose a smaller quantity {AGAIN}."


def next_step(judgement: Judgement) -> str | None:
    """The way on from a refusal; None when nothing blocks. Where time alone mends it, that is the whole advice."""
    if judgement.binding is None:
        return None
    if judgement.retry_at is not None:
        return f"Propose it again {AGAIN} from {timestamp(judgement.retry_at)} on."
    return _STEPS.get(judgement.binding.rule, _SMALLER)
