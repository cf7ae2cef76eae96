"""A fill's sums written out, so that nobody has to take a price on trust."""

from dataclasses import dataclass
from decimal import Decimal

from webapp.domain.money import BPS, exact, quantise
from webapp.queries.lineage import FillStory


@dataclass(frozen=True)
class Explained:
    """One fill and how its price came about. `quote_name` is the side of the quote it traded against."""

    part: FillStory
    quote_name: str
    sign: str
    how: str
    """`quote`: the quote moved by the slippage; `limit`: the order's own limit; `unknown`: no quote was recorded."""


@exact
def explain(part: FillStory, limit_price: Decimal | None) -> Explained:
    """Which of the ways of CONTRACT section 5 led to this price; checked against the numbers, not assumed."""
    fill = part.fill
    buy = fill["side"] == "buy"
    return Explained(part, "ask" if buy else "bid", "+" if buy else "\u2212", _how(part, 1 if buy else -1, limit_price))


def _how(part: FillStory, sign: int, limit_price: Decimal | None) -> str:
    fill = part.fill
    if part.quoted_price is not None:
        moved = quantise(part.quoted_price * (1 + sign * fill["slippage_bps"] / BPS))
        if moved == fill["fill_price"]:
            return "quote"
    return "limit" if limit_price is not None and limit_price == fill["fill_price"] else "unknown"
