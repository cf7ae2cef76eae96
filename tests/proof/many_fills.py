"""Any number of fills written straight into the tables by COPY, with every trigger on, and what they add up to."""

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from tests.proof.ledger import UNIT, Line
from tests.proof.wal import connected

SYMBOLS = {"BTC-USDC": 60_000, "ETH-USDC": 3_000, "SOL-USDC": 150, "DOGE-USDC": 1, "PEPE-USDC": 0.00001}
START = datetime(2026, 1, 1, tzinfo=UTC)
A_TIME = 20_000
"""Orders in one COPY."""


def money(units: int) -> str:
    """Whole units of 1e-8 as a decimal number."""
    sign, rest = "-" if units < 0 else "", abs(units)
    return f"{sign}{rest // UNIT}.{rest % UNIT:08d}"


@dataclass
class Story:
    """Orders of one to three fills each, until there are enough; the same ones for the same seed."""

    fills: int
    seed: int = 1
    lines: dict[str, Line] = field(default_factory=lambda: {symbol: Line() for symbol in SYMBOLS})
    partials: int = 0

    def write(self, engine: Engine) -> None:
        """Signals, orders and fills, in that order, a COPY each for many orders; each COPY is committed."""
        for rows in self._batches():
            with connected(engine) as cursor:
                for table, lines in rows.items():
                    _copy(cursor, table, lines)

    def _batches(self) -> Iterator[dict[str, list[str]]]:
        dice = random.Random(self.seed)
        rows: dict[str, list[str]] = {"signals": [], "orders": [], "fills": []}
        made = number = 0
        while made < self.fills:
            number += 1
            made += self._order(dice, number, made, rows)
            if len(rows["orders"]) >= A_TIME or made >= self.fills:
                yield rows
                rows = {"signals": [], "orders": [], "fills": []}

    def _order(self, dice: random.Random, number: int, made: int, rows: dict[str, list[str]]) -> int:
        symbol = dice.choice(list(SYMBOLS))
        line = self.lines[symbol]
        # Towards flat more often than not, so that positions shrink, close and flip all the time.
        sign = dice.choice((1, -1)) if not line.qty or dice.random() < 0.4 else (-1 if line.qty > 0 else 1)
        side = "buy" if sign > 0 else "sell"
        parts = [dice.randrange(1, 3 * 10**8) for _ in range(min(dice.choice((1, 1, 2, 3)), self.fills - made))]
        at = (START + timedelta(milliseconds=20 * number)).isoformat()
        order, cycle = f"{number:032x}", f"{number + (1 << 100):032x}"
        signal = f"{number + (2 << 100):032x}"
        rows["signals"].append(f"{signal}\t{cycle}\t{symbol}\t{side}\t0.9\t{{}}\t{at}\n")
        rows["orders"].append(
            f"{order}\t{cycle}\t{signal}\t{symbol}\t{side}\t{money(sum(parts))}\t\\N\texecuted\t\\N\t{at}\n"
        )
        middle = int(SYMBOLS[symbol] * UNIT)
        for part, qty in enumerate(parts):
            price = max(1, middle * dice.randrange(900_000, 1_100_001) // 1_000_000)
            fee = qty * price // (UNIT * 1000)
            line.book(sign * qty, price, fee)
            fill = f"{made + part + (3 << 100):032x}"
            when = (START + timedelta(milliseconds=20 * number, microseconds=part)).isoformat()
            rows["fills"].append(
                f"{fill}\t{order}\t{symbol}\t{side}\t{money(qty)}\t{money(price)}\t{money(fee)}\t2\t{when}\n"
            )
        self.partials += len(parts) > 1
        return len(parts)


def _copy(cursor: Any, table: str, lines: list[str]) -> None:
    cursor.copy_expert(f"COPY {table} FROM STDIN", io.StringIO("".join(lines)))
