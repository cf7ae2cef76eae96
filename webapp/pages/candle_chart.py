"""Candles with marks as a page needs them: the drawing, what it says in words, and what its crosshair reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from webapp.domain.moments import ceiling, floor
from webapp.extensions import db
from webapp.queries import candles
from webapp.queries.candles import Candle, Gap
from webapp.queries.lineage import OrderStory
from webapp.web import filters
from webapp.web.filters import price, qty
from webapp.web.plot.candles import Level, Noted, candle_figure
from webapp.web.plot.figure import Figure

BEFORE: Final = timedelta(minutes=45)
AFTER: Final = timedelta(minutes=20)


@dataclass(frozen=True)
class CandleChart:
    """A figure and the sentence that says what it shows; `legend` are (kind, words) of what is drawn in it."""

    figure: Figure
    summary: str
    legend: list[tuple[str, str]]
    width: int


def around(story: OrderStory, now: datetime) -> CandleChart | None:
    """The market around an order, with everything that happened to it; None when there were no quotes."""
    order = story.order
    life = story.ended_at - order["created_at"]
    start = order["created_at"] - max(BEFORE, life / 2)
    # A sign at the very edge would be cut.
    end = min(story.ended_at + max(AFTER, life / 2), max(now, story.ended_at + (story.ended_at - start) / 20))
    limit = order["limit_price"]
    level = None if limit is None else Level(limit, f"limit {price(limit)}")
    return draw(order["symbol"], start, end, notes(story), flags(story), level)


def moment(symbol: str, at: datetime, mid: Any, now: datetime) -> CandleChart | None:
    """The market around a decision that led to no order."""
    note = [] if mid is None else [Noted("order", at, mid, f"Looked at {_at(at)}")]
    end = min(at + AFTER, max(now, at + timedelta(minutes=1)))
    return draw(symbol, at - BEFORE, end, note, [], None, asked="looked at")


def draw(
    symbol: str,
    start: datetime,
    end: datetime,
    noted: Sequence[Noted],
    flagged: Sequence[tuple[str, str, datetime, str]],
    level: Level | None,
    *,
    silences: Sequence[Gap] | None = None,
    whole: bool = False,
    asked: str = "asked for",
) -> CandleChart | None:
    """The candles of a stretch of time as a figure: of the candles alone, or of the `whole` stretch.

    Without `silences`, whose ends are exact, the gaps are those between the candles; `asked` says what an order's sign
    means.
    """
    width = candles.width_for(end - start)
    bars = candles.between(db.session(), symbol, start, end, width)
    found = between(bars, width) if silences is None else silences
    bands = [("gap", gap.since, gap.until, f"No quote for {filters.duration(gap.lasted)}") for gap in found]
    span = (floor(start, width), ceiling(end, width)) if whole else None
    figure = candle_figure(bars, width, noted, flagged, level, bands, span)
    if figure is None:
        return None
    return CandleChart(figure, summary(symbol, bars, width), legend(noted, level, found, asked), width)


def between(bars: Sequence[Candle], width: int) -> list[Gap]:
    """Where candles are missing between two others."""
    step = timedelta(seconds=width)
    return [Gap(one.at + step, other.at) for one, other in pairwise(bars) if other.at > one.at + step]


def notes(story: OrderStory) -> list[Noted]:
    """Where the order was asked for, and where it filled."""
    order, tick = story.order, story.tick
    found: list[Noted] = []
    seen = order["limit_price"] if tick is None else tick["ask_price" if order["side"] == "buy" else "bid_price"]
    if seen is not None:
        words = f"{order['side'].capitalize()} {qty(order['qty'])} asked for at {_at(order['created_at'])}"
        found.append(Noted("order", order["created_at"], seen, words))
    for part in story.fills:
        fill = part.fill
        did = "Bought" if fill["side"] == "buy" else "Sold"
        words = f"{did} {qty(fill['qty'])} at {price(fill['fill_price'])}, {_at(fill['filled_at'])}"
        found.append(Noted(fill["side"], fill["filled_at"], fill["fill_price"], words))
    return found


def flags(story: OrderStory) -> list[tuple[str, str, datetime, str]]:
    """Its ends that leave no price: canceled, refused."""
    letters = {"canceled": "C", "rejected": "R"}
    return [
        (
            "order",
            letters[row["to_status"]],
            row["created_at"],
            f"{row['to_status'].capitalize()} {_at(row['created_at'])}",
        )
        for row in story.transitions
        if row["to_status"] in letters
    ]


def _at(moment_: datetime) -> str:
    return f"{filters.utc(moment_):%H:%M:%S} UTC"


def legend(noted: Sequence[Noted], level: Level | None, silences: Sequence[Gap], asked: str) -> list[tuple[str, str]]:
    """What the signs mean; only what is there."""
    words = {"order": asked, "buy": "bought", "sell": "sold"}
    there = {note.kind for note in noted}
    shown = [(kind, text) for kind, text in words.items() if kind in there]
    shown += [("level", level.words)] if level else []
    return shown + ([("gap", "no quotes")] if silences else [])


def summary(symbol: str, bars: Sequence[Candle], width: int) -> str:
    """The candles in one sentence, for whoever cannot see them."""
    low, high = min(bar.low for bar in bars), max(bar.high for bar in bars)
    first, last = filters.utc(bars[0].at), filters.utc(bars[-1].at + timedelta(seconds=width))
    return (
        f"{symbol} in {len(bars)} candles of {filters.duration(width)} from {first:%d %b %Y %H:%M} to "
        f"{last:%d %b %Y %H:%M} UTC: from {price(bars[0].open)} to {price(bars[-1].close)} USDC, "
        f"lowest {price(low)}, highest {price(high)}."
    )
