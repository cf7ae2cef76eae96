"""Profit by symbol and UTC day, marked to market: what a position gained, and what was got for it less what was paid.

`pnl = qty_end * mark_end - qty_start * mark_start - (bought - sold) - fees`, in USDC. Summed over all symbols and days
it is the change of NAV, as far as the marks are those NAV was taken at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from webapp.domain.money import ZERO, exact
from webapp.domain.trades import Tally


@dataclass(frozen=True, slots=True)
class DayPnl:
    """One symbol on one UTC day."""

    day: date
    pnl: Decimal
    tally: Tally


@exact
def by_day(
    days: Sequence[date],
    opening_qty: Decimal,
    opening_mark: Decimal | None,
    marks: Mapping[date, Decimal],
    tallies: Mapping[date, Tally],
) -> list[DayPnl]:
    """One symbol's profit on each of `days`, in order, from the position and mark before the first.

    A day without a mark keeps the one before it; a symbol never quoted is worth what was paid for it, as nobody knows
    better, so its trading shows no profit but its fees.
    """
    qty, mark, found = opening_qty, opening_mark, []
    for day in days:
        tally = tallies.get(day, Tally())
        now = marks.get(day, mark)
        after = qty + tally.net_qty
        before = now if mark is None else mark
        pnl = -tally.fees if now is None else after * now - qty * (before or ZERO) - tally.paid
        found.append(DayPnl(day, pnl, tally))
        qty, mark = after, now
    return found


@exact
def total(days: Sequence[DayPnl]) -> Decimal:
    """The sum of several days or symbols."""
    return sum((day.pnl for day in days), ZERO)
