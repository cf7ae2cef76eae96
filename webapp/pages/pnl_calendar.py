"""Profit by UTC day as a month on a calendar, and by symbol beneath; every number leads to its day's orders."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

from flask import request
from werkzeug.datastructures import MultiDict

from webapp.domain.errors import BadInput
from webapp.domain.market import check_symbol
from webapp.domain.pnl import DayPnl
from webapp.domain.trades import Tally
from webapp.extensions import db
from webapp.pages.filtering import address
from webapp.queries import pnl
from webapp.queries.pnl import Month, SymbolMonth
from webapp.queries.portfolio import Window
from webapp.queries.trades import Traded
from webapp.web import filters

ONE_DAY: Final = timedelta(days=1)
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SHADES: Final = 4
_MONTH: Final = re.compile(r"(?P<year>\d{4})-(?P<month>\d{2})", re.ASCII)
_UNITS: Final = ((Decimal(10) ** 9, "bn"), (Decimal(10) ** 6, "M"), (Decimal(1000), "k"))


@dataclass(frozen=True)
class Cell:
    """One day on the calendar. `pnl` is None when nothing is known of it; `shade` (1 to 4) is its share of the most."""

    day: date
    pnl: Decimal | None
    fills: int
    href: str
    shade: int = 0


def chosen_month() -> date | None:
    """The month asked for, as its first day; 422 for anything but a month such as 2026-03."""
    given = request.args.getlist("month")
    if given in ([], [""]):
        return None
    if len(given) > 1:
        raise BadInput("month", "is given more than once")
    match = _MONTH.fullmatch(given[0])
    if match is None or not 1 <= int(match["month"]) <= 12 or int(match["year"]) < 1:
        raise BadInput("month", "must be a month such as 2026-03")
    return date(int(match["year"]), int(match["month"]), 1)


def chosen_symbol() -> str | None:
    """The symbol whose days are shown; None for the whole desk."""
    given = request.args.getlist("pnl")
    if given in ([], [""]):
        return None
    if len(given) > 1:
        raise BadInput("pnl", "is given more than once")
    return check_symbol(given[0], "pnl")


def context(view: Window, traded: Traded, args: MultiDict[str, str]) -> dict[str, Any]:
    """The calendar of one month: by default the one in which the range ends."""
    last = max(view.now, view.newest["captured_at"])
    following = timedelta(days=32)
    first = chosen_month() or min(view.end, last).astimezone(UTC).date().replace(day=1)
    symbol = chosen_symbol()
    found = pnl.month(db.session(), first, last, traded.since)
    rows = {row.symbol: row for row in found.symbols}
    shown = _desk(found) if symbol is None else rows[symbol].days if symbol in rows else []
    here = args.copy()
    here["month"] = f"{first:%Y-%m}"
    return {
        "month": f"{first:%B %Y}",
        "month_symbol": symbol,
        "month_days": DAYS,
        "weeks": weeks(shown, first, symbol),
        "month_total": sum((day.pnl for day in shown), Decimal(0)) if symbol else found.nav_change,
        "month_rows": [_row(row, first, here) for row in found.symbols],
        "month_sum": sum((row.pnl for row in found.symbols), Decimal(0)),
        "month_all": address("/portfolio/", _without(here, "pnl")) + "#calendar",
        "month_before": _turned(first - ONE_DAY, here, first > view.first_at.astimezone(UTC).date()),
        "month_after": _turned(first + following, here, (first + following).replace(day=1) <= last.date()),
    }


def _desk(found: Month) -> list[DayPnl]:
    """The whole desk's days: from NAV, with the fills of all symbols."""
    tallies: dict[date, Tally] = {}
    for row in found.symbols:
        for day in row.days:
            tallies[day.day] = tallies.get(day.day, Tally()) + day.tally
    return [DayPnl(day, change, tallies.get(day, Tally())) for day, change in found.nav.items()]


def weeks(shown: Sequence[DayPnl], first: date, symbol: str | None) -> list[list[Cell | None]]:
    """The month in weeks from Monday to Sunday, None outside it, without the empty weeks at its ends."""
    known = {day.day: day for day in shown}
    most = max((abs(day.pnl) for day in shown), default=Decimal(0))
    last = (first + timedelta(days=32)).replace(day=1) - ONE_DAY
    cells: list[Cell | None] = [None] * first.weekday()
    for number in range(last.day):
        day = first + timedelta(days=number)
        found = known.get(day)
        href = orders_of(day, day + ONE_DAY, symbol)
        shade = _shade(found.pnl, most) if found else 0
        cells.append(Cell(day, found.pnl if found else None, found.tally.fills if found else 0, href, shade))
    cells += [None] * (-len(cells) % 7)
    rows = [cells[index : index + 7] for index in range(0, len(cells), 7)]
    known_rows = [number for number, row in enumerate(rows) if any(cell and cell.pnl is not None for cell in row)]
    return rows[known_rows[0] : known_rows[-1] + 1] if known_rows else []


def _shade(value: Decimal, most: Decimal) -> int:
    """From 1 to SHADES; 0 for nothing."""
    return 0 if not value or not most else 1 + min(int(abs(value) / most * SHADES), SHADES - 1)


def orders_of(since: date, until: date, symbol: str | None = None) -> str:
    """The orders of some days, and of one symbol or all."""
    query = {"symbol": symbol} if symbol else {}
    return f"/orders/?{urlencode({**query, 'from': since.isoformat(), 'to': until.isoformat()})}"


def _row(row: SymbolMonth, first: date, here: MultiDict[str, str]) -> dict[str, Any]:
    following = (first + timedelta(days=32)).replace(day=1)
    args = _without(here, "pnl")
    args["pnl"] = row.symbol
    return {
        "symbol": row.symbol,
        "pnl": row.pnl,
        "tally": row.tally,
        "orders": orders_of(first, following, row.symbol),
        "days": address("/portfolio/", args) + "#calendar",
    }


def _without(args: Mapping[str, str], name: str) -> MultiDict[str, str]:
    kept = MultiDict(args)
    kept.poplist(name)
    return kept


def _turned(day: date, here: MultiDict[str, str], there: bool) -> str | None:
    """The calendar of another month; None when nothing happened there."""
    if not there:
        return None
    args = here.copy()
    args["month"] = f"{day:%Y-%m}"
    return address("/portfolio/", args) + "#calendar"


def compact(value: Decimal) -> str:
    """A signed amount in at most six characters, for a day on a phone: +1.23, −12.3, +123, −1.2k, +34k, +1.2M."""
    for size, unit in _UNITS:
        if abs(value) >= size:
            return filters.number(value / size, 1 if abs(value) < 10 * size else 0, plus=True) + unit
    return filters.number(value, 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0, plus=True)
