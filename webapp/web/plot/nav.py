"""The NAV chart: the curve with its benchmark, the drawdown beneath, and what happened meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Final, Protocol

from webapp.web.filters import money, percent
from webapp.web.plot import paths
from webapp.web.plot.figure import HEIGHT, Figure, Flag, Pane, Stroke, Tick
from webapp.web.plot.paths import Spot
from webapp.web.plot.scales import Moments, Values, band
from webapp.web.plot.spark import SparkColumn

LEAST_FALL: Final = Decimal("-0.001")
"""A drawdown pane shows at least a tenth of a percent, so that a cent does not look like a crash."""
ZERO: Final = Decimal(0)


class NavColumn(SparkColumn, Protocol):
    """One column of a NAV chart."""

    @property
    def first(self) -> Decimal: ...
    @property
    def drawdown(self) -> Decimal: ...
    @property
    def hold(self) -> Decimal | None: ...
    @property
    def stale(self) -> bool: ...


def nav_figure(
    columns: Sequence[NavColumn],
    start: datetime,
    end: datetime,
    broken_after: Iterable[datetime] = (),
    bands: Iterable[tuple[str, datetime, datetime, str]] = (),
    flags: Iterable[tuple[str, str, datetime, str]] = (),
) -> Figure:
    """The picture of at least one column. The line breaks after each moment of `broken_after`.

    `bands` are (kind, start, end, words), `flags` (kind, letter, moment, words).
    """
    x = Moments(start, end)
    runs = list(_runs(columns, set(broken_after)))
    return Figure(
        start,
        end,
        [_nav_pane(runs, x), _fall_pane(runs, x)],
        x.ticks(),
        [band(x, *part) for part in bands],
        [Flag(x.at(at), kind, letter, words) for kind, letter, at, words in flags],
    )


def _nav_pane(runs: Sequence[Sequence[NavColumn]], x: Moments) -> Pane:
    columns = [column for run in runs for column in run]
    held = [column.hold for column in columns if column.hold is not None]
    y = Values(min([c.low for c in columns] + held), max([c.high for c in columns] + held))
    pieces = [piece for run in runs for piece in _pieces(run, x, y)]
    fresh = [spots for stale, spots in pieces if not stale]
    strokes = [
        Stroke("area", paths.areas((spots for _, spots in pieces), HEIGHT)),
        Stroke("hold", paths.lines(_hold(runs, x, y))),
        Stroke("stale", paths.lines(spots for stale, spots in pieces if stale)),
        Stroke("line", paths.lines(fresh)),
    ]
    last = columns[-1].last
    tag = Tick(y.at(last), money(last))
    return Pane("nav", "NAV, USDC", "USDC", y.low, y.high, [s for s in strokes if s.path], y.ticks(tag=last), tag)


def _fall_pane(runs: Sequence[Sequence[NavColumn]], x: Moments) -> Pane:
    deepest = min(column.drawdown for run in runs for column in run)
    y = Values(min(deepest, LEAST_FALL), ZERO, above=False)
    pieces = [[(x.x(column.last_at), y.y(column.drawdown)) for column in run] for run in runs]
    ticks = y.ticks(lambda value, places: percent(value, max(0, places - 2)), 3)
    strokes = [Stroke("fall-area", paths.areas(pieces, 0)), Stroke("fall", paths.lines(pieces))]
    return Pane("fall", "Drawdown", "%", y.low, y.high, strokes, ticks)


def _runs(columns: Sequence[NavColumn], broken_after: set[datetime]) -> Iterable[list[NavColumn]]:
    """The columns without the gaps between them."""
    run: list[NavColumn] = []
    for column in columns:
        run.append(column)
        if column.last_at in broken_after:
            yield run
            run = []
    if run:
        yield run


def _pieces(run: Sequence[NavColumn], x: Moments, y: Values) -> Iterable[tuple[bool, list[Spot]]]:
    """The line through a run, parted where it goes stale; a part begins where the one before it ended."""
    before: list[Spot] = []
    for stale, part in groupby(run, key=lambda column: column.stale):
        spots = before + [spot for column in part for spot in _through(column, x, y)]
        yield stale, spots
        before = spots[-1:]


def _through(column: NavColumn, x: Moments, y: Values) -> list[Spot]:
    """First, extremes and last of a column, so that no spike is lost. The order of the extremes is not known."""
    begin, end = x.x(column.first_at), x.x(column.last_at)
    ends = (column.low, column.high) if column.last >= column.first else (column.high, column.low)
    middle = (begin + end) // 2
    return [(begin, y.y(column.first)), *((middle, y.y(value)) for value in ends), (end, y.y(column.last))]


def _hold(runs: Sequence[Sequence[NavColumn]], x: Moments, y: Values) -> Iterable[list[Spot]]:
    for run in runs:
        spots = [(x.x(column.last_at), y.y(column.hold)) for column in run if column.hold is not None]
        if spots:
            yield spots
