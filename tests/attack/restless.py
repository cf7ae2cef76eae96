"""A market in which mean reversion trades all the time: prices that dip at random and come back."""

import csv
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from webapp.domain.market import Tick

SYMBOLS = tuple(f"R{number}-USDC" for number in range(16))
DIPS = 0.25
"""Share of the quotes that lie below the mean: rare enough to be stretched, often enough that no one waits long."""
LOW, USUAL = Decimal("94"), Decimal("100")


def quotes(begin: datetime, seconds: int, seed: int) -> Iterator[Tick]:
    """One quote of every symbol a second."""
    chance = random.Random(seed)  # a story, not a secret
    for second in range(seconds):
        for symbol in SYMBOLS:
            mid = (LOW if chance.random() < DIPS else USUAL) + Decimal(chance.randrange(100)) / 100
            yield Tick(symbol, mid, mid, begin + timedelta(seconds=second))


def write(path: Path, begin: datetime, seconds: int, seed: int) -> None:
    """The same as a quotes file, for the replay feed."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("symbol", "bid_price", "ask_price", "event_at"))
        for tick in quotes(begin, seconds, seed):
            rows.writerow((tick.symbol, tick.bid_price, tick.ask_price, tick.event_at.isoformat()))
