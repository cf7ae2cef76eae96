"""A small NAV line for a glance: the curve of a day, where nothing was recorded, and when the desk was halted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol

from webapp.web.plot import paths
from webapp.web.plot.paths import Spot
from webapp.web.plot.scales import Moments, Values

WIDTH: Final = 480
HEIGHT: Final = 100
LEAST_BAND: Final = 3
"""A halt is never thinner than this, however short it was."""


class SparkColumn(Protocol):
    """One column of the curve."""

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


@dataclass(frozen=True)
class Band:
    """A halt: left edge and width in units, and its words."""

    x: int
    width: int
    title: str


@dataclass(frozen=True)
class Spark:
    """The picture, `width` by `height` units; `level` is where the day began, `tip` the newest value."""

    line: str
    area: str
    tip: str
    level: int | None
    halts: Sequence[Band]
    halted: timedelta
    """How long, all halts together."""
    low: Decimal
    high: Decimal
    width: int = WIDTH
    height: int = HEIGHT


def spark(
    columns: Sequence[SparkColumn],
    start: datetime,
    end: datetime,
    gap: timedelta,
    level: Decimal | None = None,
    halts: Iterable[tuple[datetime, datetime, str]] = (),
) -> Spark | None:
    """The picture of `columns` between `start` and `end`; None without any. The line breaks where `gap` is exceeded.

    Each column adds its extreme and its last value: a spike shows, and the line stays short on the wire.
    """
    if not columns:
        return None
    x, low, high = Moments(start, end), min(c.low for c in columns), max(c.high for c in columns)
    y = Values(low, high)
    pieces = [[spot for column in run for spot in _through(column, x, y)] for run in _runs(columns, gap)]
    tip, held = pieces[-1][-1], list(halts)
    inside = level is not None and y.low < level < y.high
    return Spark(
        paths.lines(pieces),
        paths.areas(pieces, HEIGHT),
        paths.line([tip]),
        _y(y, level) if inside and level is not None else None,
        [_band(x, *halt) for halt in held],
        sum((until - since for since, until, _ in held), timedelta(0)),
        low,
        high,
    )


def _runs(columns: Sequence[SparkColumn], gap: timedelta) -> Iterable[list[SparkColumn]]:
    run: list[SparkColumn] = []
    for column in columns:
        if run and column.first_at - run[-1].last_at > gap:
            yield run
            run = []
        run.append(column)
    yield run


def _through(column: SparkColumn, x: Moments, y: Values) -> list[Spot]:
    """Whichever extreme lies farther from the last value, then the last value."""
    extreme = column.low if column.last - column.low > column.high - column.last else column.high
    middle = column.first_at + (column.last_at - column.first_at) / 2
    spots = [(_x(x, middle), _y(y, extreme)), (_x(x, column.last_at), _y(y, column.last))]
    return spots if extreme != column.last else spots[1:]


def _band(x: Moments, since: datetime, until: datetime, title: str) -> Band:
    left, right = _x(x, since), _x(x, until)
    width = max(right - left, LEAST_BAND)
    return Band(min(left, WIDTH - width), width, title)


def _x(x: Moments, at: datetime) -> int:
    return round(x.share(at) * WIDTH)


def _y(y: Values, value: Decimal) -> int:
    return round(y.share(value) * HEIGHT)
