"""What a strategy is: a pure opinion about a window of quotes."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from webapp.domain.market import Quote
from webapp.domain.orders import Proposal
from webapp.domain.policy import Policy


class Strategy(Protocol):
    """Looks at quotes and says what it would trade; whether that happens is the risk gate's business.

    ``window_seconds`` is how far back it wants to see; the caller hands it at most that, oldest first.
    """

    @property
    def name(self) -> str: ...

    @property
    def window_seconds(self) -> int: ...

    def decide(self, window: Sequence[Quote], position_qty: Decimal, policy: Policy) -> Proposal | None:
        """A proposal for the symbol whose quotes and position these are; None when there is nothing to do.

        The same arguments always give the same answer. Confidence is 0.6 or more only for a signal worth its costs.
        """
