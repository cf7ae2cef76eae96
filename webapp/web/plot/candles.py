"""Candles of one symbol with marks on them: where an order was asked for, where it filled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol

from webapp.web.filters import exact, number, price
from webapp.web.plot import paths
from webapp.web.plot.figure import WIDTH, Figure, Flag, Mark, Pane, Stroke, Tick
from webapp.web.plot.scales import Moments, Values, band
from webapp.web.told import moment_text

BODY: Final = 0.72
"""Part of its place that a candle's body fills."""


class Bar(Protocol):
    """One candle."""

    @property
    def at(self) -> datetime: ...
    @property
    def open(self) -> Decimal: ...
    @property
    def high(self) -> Decimal: ...
    @property
    def low(self) -> Decimal: ...
    @property
    def close(self) -> Decimal: ...


class CountedBar(Bar, Protocol):
    """One candle, and how many quotes it was made of."""

    @property
    def ticks(self) -> int: ...


class Noted(NamedTuple):
    """Something to mark at a moment and a price. `kind` is "buy", "sell" or "order"."""

    kind: str
    at: datetime
    price: Decimal
    words: str


class Level(NamedTuple):
    """A price to draw across the whole chart, such as a limit."""

    price: Decimal
    words: str


def candle_figure(
    bars: Sequence[Bar],
    seconds: int,
    notes: Iterable[Noted] = (),
    flags: Iterable[tuple[str, str, datetime, str]] = (),
    level: Level | None = None,
    bands: Iterable[tuple[str, datetime, datetime, str]] = (),
    span: tuple[datetime, datetime] | None = None,
) -> Figure | None:
    """The picture of candles `seconds` wide; None without one.

    `flags` are (kind, letter, moment, words), `bands` (kind, start, end, words); `span` is what the axis of time
    covers, all the candles and nothing else unless said.
    """
    if not bars:
        return None
    start, end = span or (bars[0].at, bars[-1].at + timedelta(seconds=seconds))
    noted = [note for note in notes if start <= note.at <= end]
    x = Moments(start, end)
    shown = [level.price] if level else []
    y = Values(
        min([bar.low for bar in bars] + [note.price for note in noted] + shown),
        max([bar.high for bar in bars] + [note.price for note in noted] + shown),
    )
    step = WIDTH * seconds / (end - start).total_seconds()
    pane = Pane(
        "candles",
        "Mid price, USDC",
        "USDC",
        y.low,
        y.high,
        _strokes(bars, x, y, step),
        y.ticks(tag=bars[-1].close),
        Tick(y.at(bars[-1].close), price(bars[-1].close), _tone(bars[-1])),
        [Mark(x.at(note.at), y.at(note.price), note.kind, note.words) for note in noted],
        y.at(level.price) if level else None,
    )
    signs = [Flag(x.at(at), kind, letter, words) for kind, letter, at, words in flags if start <= at <= end]
    shades = [band(x, *part) for part in bands if part[1] < end and part[2] > start]
    return Figure(start, end, [pane], x.ticks(), shades, signs)


def _strokes(bars: Sequence[Bar], x: Moments, y: Values, step: float) -> list[Stroke]:
    wicks: list[str] = []
    bodies: dict[str, list[tuple[int, int, int, int]]] = {"rise": [], "drop": []}
    width = max(round(step * BODY), 2)
    for bar in bars:
        left = x.x(bar.at) + round((step - width) / 2)
        top, bottom = y.y(max(bar.open, bar.close)), y.y(min(bar.open, bar.close))
        wicks.append(f"M{left + width // 2} {y.y(bar.high)}V{y.y(bar.low)}")
        bodies[_tone(bar)].append((left, top, width, max(bottom - top, 2)))
    strokes = [Stroke("wick", "".join(wicks))]
    strokes += [Stroke(kind, paths.boxes(corners)) for kind, corners in bodies.items() if corners]
    return strokes


def _tone(bar: Bar) -> str:
    return "rise" if bar.close >= bar.open else "drop"


def candle_points(bars: Sequence[CountedBar], seconds: int) -> dict[str, Any]:
    """What the crosshair reads: for each candle its middle, its close, and its words."""
    return {
        "fields": ["close", "open", "high", "low", "quotes"],
        "unit": "USDC",
        "width": seconds,
        "points": [
            [
                round(bar.at.timestamp()) + seconds // 2,
                [exact(bar.close)],
                moment_text(bar.at),
                [*(price(value) for value in (bar.close, bar.open, bar.high, bar.low)), number(bar.ticks, 0)],
                "",
            ]
            for bar in bars
        ],
    }
