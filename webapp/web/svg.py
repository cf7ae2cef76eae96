"""Charts the server draws itself: the same picture without a script, as paths in a box that stretches.

Coordinates are rounded to a tenth of a unit. The numbers behind them stay exact: templates print low, high and the like
from the fields, never from the paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Final, Protocol

WIDTH: Final = 960
NAV_HEIGHT: Final = 240
FALL_HEIGHT: Final = 72
MARGIN: Final = 8
Gap = tuple[datetime, datetime]


class NavColumn(Protocol):
    """One column of a NAV chart."""

    @property
    def at(self) -> datetime: ...
    @property
    def first(self) -> Decimal: ...
    @property
    def low(self) -> Decimal: ...
    @property
    def high(self) -> Decimal: ...
    @property
    def last(self) -> Decimal: ...
    @property
    def first_at(self) -> datetime: ...
    @property
    def last_at(self) -> datetime: ...
    @property
    def drawdown(self) -> Decimal: ...


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


@dataclass(frozen=True)
class NavPicture:
    """A NAV line with the area under it, the drawdown beneath, and dashes where nothing was recorded."""

    line: str
    area: str
    bridges: str
    fall: str
    low: Decimal
    high: Decimal
    deepest: Decimal
    first: Decimal
    last: Decimal
    first_at: datetime
    last_at: datetime
    width: int = WIDTH
    height: int = NAV_HEIGHT
    fall_height: int = FALL_HEIGHT


@dataclass(frozen=True)
class CandlePicture:
    """Candles as three paths: wicks, bodies that closed higher, bodies that closed lower."""

    wicks: str
    rises: str
    falls: str
    low: Decimal
    high: Decimal
    first_at: datetime
    last_at: datetime
    width: int = WIDTH
    height: int = NAV_HEIGHT


class Scale:
    """Maps a range of values onto a range of the picture, upside down as screens are."""

    def __init__(self, low: Decimal, high: Decimal, top: float, bottom: float) -> None:
        room = float(high - low)
        # A flat line is drawn in the middle.
        self._low, self._room = (float(low), room) if room else (float(low) - 1, 2.0)
        self._top, self._bottom = top, bottom

    def __call__(self, value: Decimal) -> float:
        return self._bottom - (float(value) - self._low) / self._room * (self._bottom - self._top)


class Times:
    """Maps moments onto the width of the picture."""

    def __init__(self, first: datetime, last: datetime) -> None:
        self._first = first
        self._room = (last - first).total_seconds() or 1.0

    def __call__(self, at: datetime) -> float:
        return (at - self._first).total_seconds() / self._room * WIDTH


def nav_picture(columns: Sequence[NavColumn], gaps: Sequence[Gap] = ()) -> NavPicture | None:
    """The picture of a NAV curve; None without a column."""
    if not columns:
        return None
    low, high = min(c.low for c in columns), max(c.high for c in columns)
    deepest = min(c.drawdown for c in columns)
    x = Times(columns[0].at, columns[-1].at)
    y = Scale(low, high, MARGIN, NAV_HEIGHT - MARGIN)
    fall = Scale(deepest or Decimal(-1), Decimal(0), 0, FALL_HEIGHT - MARGIN)
    pieces = list(_pieces(columns, {start for start, _ in gaps}))
    return NavPicture(
        line=" ".join(_line(piece, x, y) for piece in pieces),
        area=" ".join(_under([(x(c.at), y(c.last)) for c in piece], NAV_HEIGHT) for piece in pieces),
        bridges=" ".join(
            f"M{x(a[-1].at):.1f} {y(a[-1].last):.1f}L{x(b[0].at):.1f} {y(b[0].first):.1f}" for a, b in pairwise(pieces)
        ),
        fall=" ".join(_under([(x(c.at), fall(c.drawdown)) for c in piece], 0) for piece in pieces),
        low=low,
        high=high,
        deepest=deepest,
        first=columns[0].first,
        last=columns[-1].last,
        first_at=columns[0].first_at,
        last_at=columns[-1].last_at,
    )


def candle_picture(bars: Sequence[Bar], seconds: int) -> CandlePicture | None:
    """The picture of candles `seconds` wide; None without one."""
    if not bars:
        return None
    low, high = min(bar.low for bar in bars), max(bar.high for bar in bars)
    y = Scale(low, high, MARGIN, NAV_HEIGHT - MARGIN)
    slots = (bars[-1].at - bars[0].at).total_seconds() / seconds + 1
    step = WIDTH / slots
    wicks, rises, falls = "", "", ""
    for bar in bars:
        left = (bar.at - bars[0].at).total_seconds() / seconds * step
        middle, half = left + step / 2, min(step * 0.36, 8.0)
        wicks += f"M{middle:.1f} {y(bar.high):.1f}V{y(bar.low):.1f}"
        top, bottom = y(max(bar.open, bar.close)), y(min(bar.open, bar.close))
        body = f"M{middle - half:.1f} {top:.1f}h{2 * half:.1f}v{max(bottom - top, 1):.1f}h{-2 * half:.1f}z"
        if bar.close >= bar.open:
            rises += body
        else:
            falls += body
    return CandlePicture(wicks, rises, falls, low, high, bars[0].at, bars[-1].at)


def _pieces(columns: Sequence[NavColumn], broken_after: set[datetime]) -> Iterable[list[NavColumn]]:
    """The columns in runs without a gap."""
    piece: list[NavColumn] = []
    for column in columns:
        piece.append(column)
        if column.last_at in broken_after:
            yield piece
            piece = []
    if piece:
        yield piece


def _line(piece: Sequence[NavColumn], x: Times, y: Scale) -> str:
    """Through each column's first, extremes and last value, so that no spike is lost."""
    points: list[str] = []
    for column in piece:
        ends = (column.low, column.high) if column.last >= column.first else (column.high, column.low)
        values = [value for value, _ in groupby((column.first, *ends, column.last))]
        points += [f"{x(column.at):.1f} {y(value):.1f}" for value in values]
    if len(points) == 1:
        # A lone snapshot is a dot: a path needs two points to be seen.
        points.append(points[0])
    return "M" + "L".join(points)


def _under(points: Sequence[tuple[float, float]], ground: float) -> str:
    """The area between a line and the ground."""
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f"M{points[0][0]:.1f} {ground:.1f}L{path}L{points[-1][0]:.1f} {ground:.1f}Z"
