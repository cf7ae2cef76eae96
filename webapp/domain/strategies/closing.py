"""Closing: out of whatever is held, at the market. What a person asks for who wants a position gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from webapp.domain.market import Quote
from webapp.domain.money import plain
from webapp.domain.orders import Proposal
from webapp.domain.policy import Policy
from webapp.domain.strategies.sizing import leave


@dataclass(frozen=True)
class Closing:
    """Decides within the cycle, on the position as it is then: so it never sells more than there is.

    ``window_seconds`` has to reach back to the newest quote that counts as fresh.
    """

    window_seconds: int
    name = "close"

    def decide(self, window: Sequence[Quote], position_qty: Decimal, policy: Policy) -> Proposal | None:
        if not window or not position_qty:
            return None
        payload = {"strategy": self.name, "reason": "closed by hand", "held": plain(position_qty.normalize())}
        return leave(window[-1], Decimal(1), policy, held=position_qty, payload=payload)
