"""Price anomalies: a move no calm market makes, measured over a whole window."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from webapp.domain.market import Quote, Tick, move_pct
from webapp.domain.money import short, telling
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
    """A move of ``tick`` that is too wide, which way it went, and the extremes of the window it was measured from."""

    breach: Breach
    rises: bool
    tick: Tick
    low: Quote
    high: Quote

    def confirmed_by(self, tick: Tick) -> Breach:
        """The breach once a second quote is as far from this one's window."""
        mid, at = short(tick.mid_price, 8), timestamp(tick.event_at)
        return Breach(PRICE_ANOMALY, f"{self.breach.reason}; confirmed by a mid of {mid} at {at}")


def judge_move(tick: Tick, low: Quote, high: Quote, policy: Policy, limit_pct: Decimal) -> Move | None:
    """The move to ``tick`` from an extreme of the window, if it is ``limit_pct`` percent or more; else None."""
    pct, origin = widest_move(tick, low, high)
    if pct < limit_pct:
        return None
    places = telling(pct, limit_pct, 2)
    reason = (
        f"{tick.symbol} moved {short(pct, places)} % within {policy.anomaly_window_seconds} s, "
        f"from a mid of {short(origin.mid_price, 8)} at {timestamp(origin.event_at)} to {short(tick.mid_price, 8)} at "
        f"{timestamp(tick.event_at)}; the limit is {short(limit_pct, places)} %"
    )
    return Move(Breach(PRICE_ANOMALY, reason), tick.mid_price > origin.mid_price, tick, low, high)


def window_of(tick: Tick, policy: Policy) -> datetime:
    """Where the window that ends with ``tick`` begins."""
    return tick.event_at - timedelta(seconds=policy.anomaly_window_seconds)


def look_again(
    tick: Tick, extremes: tuple[Quote, Quote] | None, suspect: Move | None, policy: Policy
) -> tuple[Move | None, Breach | None]:
    """The move of a quote that is too wide, and a breach if ``suspect``, the quote before it, moved the same way.

    What the suspect moved from may have left the window by now; to confirm it, it counts for one window longer.
    """
    limit = policy.anomaly_halt_pct
    move = None if extremes is None else judge_move(tick, *extremes, policy, limit)
    if suspect is None:
        return move, None
    if move is not None:
        return move, move.breach if move.rises is suspect.rises else None
    if suspect.tick.event_at < window_of(tick, policy):
        return None, None
    again = judge_move(tick, suspect.low, suspect.high, policy, limit)
    confirms = again is not None and again.rises is suspect.rises
    return None, suspect.confirmed_by(tick) if confirms else None
