"""Price anomalies: a move no calm market makes, measured over a whole window."""

from dataclasses import dataclass
from decimal import Decimal

from webapp.domain.market import Quote, Tick, move_pct
from webapp.domain.money import short
from webapp.domain.policy import Policy
from webapp.domain.records import Breach
from webapp.domain.wire import timestamp

PRICE_ANOMALY = "PRICE_ANOMALY"


def widest_move(tick: Tick, low: Quote, high: Quote) -> tuple[Decimal, Quote]:
    """The larger of the moves from the window's low and from its high to ``tick``, in percent, and where it began."""
    from_low, from_high = move_pct(tick.mid_price, low.mid_price), move_pct(tick.mid_price, high.mid_price)
    return (from_low, low) if from_low >= from_high else (from_high, high)


@dataclass(frozen=True)
class Move:
    """A move that is too wide, and which way it went."""

    breach: Breach
    rises: bool


def judge_move(tick: Tick, low: Quote, high: Quote, policy: Policy, limit_pct: Decimal) -> Move | None:
    """The move to ``tick`` from an extreme of the window, if it is ``limit_pct`` percent or more; else None."""
    pct, origin = widest_move(tick, low, high)
    if pct < limit_pct:
        return None
    reason = (
        f"{tick.symbol} moved {short(pct)} % within {policy.anomaly_window_seconds} s, "
        f"from a mid of {short(origin.mid_price, 8)} at {timestamp(origin.event_at)} to {short(tick.mid_price, 8)} at "
        f"{timestamp(tick.event_at)}; the limit is {short(limit_pct)} %"
    )
    return Move(Breach(PRICE_ANOMALY, reason), rises=tick.mid_price > origin.mid_price)
