"""Closing: out of whatever is held, at the market. What a person asks for who wants a position gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from webapp.domain.market import Quote
from webapp.domain.money import plain
from webapp.domain.orders import Proposal
from webapp.domain.policy import Policy
from webapp.domain.strategies.sizing import leave, way_out


@dataclass(frozen=True)
class Closing:
    """Decides within the cycle, on the position as it is then: so it never sells more than there is.

    ``window_seconds`` has to reach back to the newest quote that counts as fresh; ``most`` is the largest quantity to
    trade (None: all of it). What is more than one order may be is cut to that; where that leaves nothing, the gate is
    asked for all of it, and says why not.
    """

    window_seconds: int
    most: Decimal | None = None
    name = "close"

    def decide(self, window: Sequence[Quote], position_qty: Decimal, policy: Policy) -> Proposal | None:
        if not window or not position_qty:
            return None
        wanted = position_qty if self.most is None else max(-self.most, min(position_qty, self.most))
        payload = {"strategy": self.name, "reason": "closed by hand", "held": plain(position_qty.normalize())}
        within = leave(window[-1], Decimal(1), policy, held=wanted, payload=payload)
        return within or Proposal(way_out(wanted), abs(wanted), Decimal(1), payload=payload)
