"""One symbol's chart: which stretch of time, what is drawn in it, and the links to the stretches around it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from flask import request

from webapp.domain.errors import BadInput
from webapp.domain.wire import timestamp
from webapp.extensions import db
from webapp.pages import candle_chart
from webapp.pages.candle_chart import CandleChart
from webapp.queries import candles, quality
from webapp.queries.candles import Candle, Gap
from webapp.queries.market import LatestQuote
from webapp.web.filters import duration, price, qty
from webapp.web.params import ListParams
from webapp.web.plot.candles import Noted

RANGES: Final = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "all": None,
}
DEFAULT_RANGE: Final = "1h"
LEAST_SPAN: Final = timedelta(minutes=2)
MARKED_FILLS: Final = 80
"""More signs than this would hide the candles."""


@dataclass(frozen=True)
class View:
    """A stretch of a symbol's time. `name` is the range asked for, "custom" between two moments of the reader's own."""

    symbol: str
    name: str
    start: datetime
    end: datetime
    now: datetime
    first_at: datetime
    quote: LatestQuote

    @property
    def width(self) -> int:
        """What one candle covers, in seconds."""
        return candles.width_for(self.end - self.start)

    @property
    def old(self) -> bool:
        """Whether the range ends at the newest quote because that lies farther back than the range is long."""
        return self.name != "custom" and self.end < self.now


def chosen_range() -> str | None:
    """The named range asked for; None when there is none. 422 for anything but one of RANGES, alone."""
    given = request.args.getlist("range")
    if given in ([], [""]):
        return None
    if len(given) > 1:
        raise BadInput("range", "is given more than once")
    if given[0] not in RANGES:
        raise BadInput("range", f"must be one of {', '.join(RANGES)}")
    if request.args.get("from") or request.args.get("to"):
        raise BadInput("range", "cannot stand beside `from` and `to`")
    return given[0]


def view(quote: LatestQuote, now: datetime, params: ListParams) -> View:
    """The stretch this request is about. One that would hold no quote ends at the newest one instead of now."""
    symbol, newest = quote.tick["symbol"], quote.tick["event_at"]
    first = candles.first_at(db.session(), symbol) or newest
    since, until, name = params.filters.get("from"), params.filters.get("to"), chosen_range()
    if since or until:
        end = until or now
        start = min(since or end - timedelta(days=1), end - LEAST_SPAN)
        return View(symbol, "custom", start, end, now, first, quote)
    span = RANGES[name or DEFAULT_RANGE] or max(now - first, LEAST_SPAN)
    end = now if newest > now - span else newest + LEAST_SPAN
    return View(symbol, name or DEFAULT_RANGE, end - span, end, now, first, quote)


@dataclass(frozen=True)
class Drawn:
    """What a view shows: the chart (None where nothing was quoted), the silences in it."""

    chart: CandleChart | None
    gaps: list[Gap]
    cut: bool
    """Whether the desk filled more often than is marked."""
    quality: quality.Quality


def draw(found: View) -> Drawn:
    """Read and draw the view."""
    session = db.session()
    silent = gaps(found)
    traded = quality.fills(session, found.symbol, found.start, found.end, MARKED_FILLS)
    notes = [
        Noted(fill["side"], fill["filled_at"], fill["fill_price"], f"{_did(fill)} {qty(fill['qty'])} at "
              f"{price(fill['fill_price'])}") for fill in traded
    ]  # fmt: skip
    chart = candle_chart.draw(found.symbol, found.start, found.end, notes, [], None, silences=silent, whole=True)
    return Drawn(chart, silent, len(traded) == MARKED_FILLS, quality.of(session, found.symbol, found.start, found.end))


def _did(fill: Any) -> str:
    return "Bought" if fill["side"] == "buy" else "Sold"


def gaps(found: View) -> list[Gap]:
    """The silences of the view, the one that lasts until now included."""
    listed = candles.gaps(db.session(), found.symbol, found.start, found.end, found.width)
    newest = found.quote.tick["event_at"]
    if found.start < newest < found.end and min(found.end, found.now) - newest > candles.LEAST_GAP:
        listed.append(Gap(newest, min(found.end, found.now)))
    return listed


def bars(found: View) -> list[Candle]:
    """The candles alone, for the crosshair."""
    return candles.between(db.session(), found.symbol, found.start, found.end, found.width)


def ranges(found: View) -> list[tuple[str, str, bool]]:
    """The named ranges as (text, address, chosen)."""
    return [(name, f"/market/{found.symbol}?range={name}", name == found.name) for name in RANGES]


def links(found: View) -> dict[str, str]:
    """The addresses of the stretches around this one, by name; those with nothing more to see are left out."""
    span, middle = found.end - found.start, found.start + (found.end - found.start) / 2
    around: dict[str, tuple[datetime, datetime]] = {}
    if span > 2 * LEAST_SPAN:
        around["in"] = (middle - span / 4, middle + span / 4)
    if found.start > found.first_at or found.end < found.now:
        around["out"] = (max(middle - span, found.first_at), min(middle + span, found.now))
    if found.start > found.first_at:
        start = max(found.start - span / 2, found.first_at)
        around["earlier"] = (start, start + span)
    if found.end < found.now:
        end = min(found.end + span / 2, found.now)
        around["later"] = (end - span, end)
    return {name: address(found.symbol, *between) for name, between in around.items()}


def address(symbol: str, start: datetime, end: datetime) -> str:
    """The page of a symbol between two moments, to the second."""
    bounds = {"from": timestamp(start.replace(microsecond=0)), "to": timestamp(end.replace(microsecond=0))}
    return f"/market/{symbol}?{urlencode(bounds)}"


def words(found: View) -> str:
    """The stretch in words."""
    if found.name == "custom":
        return f"{duration(found.end - found.start)} of your choice"
    named = {"1h": "the last hour", "all": "since the first quote"}
    text = named.get(found.name) or f"the last {duration(found.end - found.start)}"
    return f"{text}, up to the newest quote" if found.old else text
