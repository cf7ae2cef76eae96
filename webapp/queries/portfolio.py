"""NAV over time for one screen: a thinned curve to draw, and statistics that never come from the thinned one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from sqlalchemy import Row, RowMapping, text
from sqlalchemy.orm import Session

from webapp.domain.analytics import Point, Statistics, daily_closes, statistics
from webapp.domain.desk import SNAPSHOT_SECONDS
from webapp.domain.hold import Hold
from webapp.domain.moments import DAY, HOUR, MICROSECOND, floor
from webapp.domain.money import exact
from webapp.queries.drawdown import Measured, max_drawdown
from webapp.queries.marks import Marks, base_width, market, marks

RANGES: Mapping[str, timedelta | None] = MappingProxyType(
    {
        "1h": timedelta(hours=1),
        "1d": timedelta(days=1),
        "7d": timedelta(days=7),
        "30d": timedelta(days=30),
        "all": None,
    }
)
DEFAULT_RANGE = "7d"
MAX_COLUMNS = 480
"""About one column for two pixels of a desktop chart; more cannot be seen."""
WIDTHS = (10, 30, 60, 120, 300, 600, 900, 1800, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY)


@dataclass(frozen=True, slots=True)
class Window:
    """What part of the history is meant: from `start` (included) to `end` (excluded).

    `opening` is the NAV in force at the start: the last snapshot before it, or the first one inside when there is none
    before. `closing` is the last snapshot inside. `newest` is the last snapshot of the whole desk, `first_at` the time
    of its first.
    """

    name: str
    start: datetime
    end: datetime
    now: datetime
    first_at: datetime
    newest: RowMapping
    opening: Point
    closing: Point

    @property
    def change(self) -> Decimal:
        """What NAV did inside, in USDC."""
        return self.closing[1] - self.opening[1]


@dataclass(frozen=True, slots=True)
class Column:
    """NAV in one column of the chart. `drawdown` (<= 0) is the deepest fall below the highest NAV drawn so far.

    `hold` is what holding would have been worth, None where nobody can say. `stale_for` names the held symbols whose
    mark was older than the policy allows when NAV was last taken; `marked_at` is when the oldest of them was quoted.
    """

    at: datetime
    first: Decimal
    low: Decimal
    high: Decimal
    last: Decimal
    first_at: datetime
    last_at: datetime
    drawdown: Decimal
    hold: Decimal | None = None
    stale_for: tuple[str, ...] = ()
    marked_at: datetime | None = None

    @property
    def stale(self) -> bool:
        """Whether this NAV rests on an old quote."""
        return bool(self.stale_for)


@dataclass(frozen=True, slots=True)
class Chart:
    """A curve of equally wide columns (empty ones left out) and the stretches in which nothing was recorded.

    `held` are the symbols the benchmark spreads the opening NAV over; none where it is not drawn.
    """

    width: int
    columns: Sequence[Column]
    gaps: Sequence[tuple[datetime, datetime]]
    held: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Performance:
    """The statistics of a window: from daily closes, except the drawdown, which is from every snapshot."""

    daily: Statistics
    closes: int
    max_drawdown: Measured


_ENDS = text("""
    SELECT clock_timestamp() AS now, newest.*,
           (SELECT captured_at FROM portfolio_snapshots ORDER BY captured_at LIMIT 1) AS first_at
    FROM (SELECT * FROM portfolio_snapshots ORDER BY captured_at DESC, snapshot_id DESC LIMIT 1) AS newest
""")

_POINTS = text("""
    (SELECT 'before' AS which, captured_at, nav FROM portfolio_snapshots
     WHERE captured_at < :start ORDER BY captured_at DESC, snapshot_id DESC LIMIT 1)
    UNION ALL
    (SELECT 'first', captured_at, nav FROM portfolio_snapshots
     WHERE captured_at >= :start AND captured_at < :end ORDER BY captured_at, snapshot_id LIMIT 1)
    UNION ALL
    (SELECT 'last', captured_at, nav FROM portfolio_snapshots
     WHERE captured_at >= :start AND captured_at < :end ORDER BY captured_at DESC, snapshot_id DESC LIMIT 1)
""")

_CLOSES = text("""
    SELECT last_at, last_nav FROM nav_buckets
    WHERE width_seconds = 86400 AND bucket_at >= :first_day AND bucket_at < :end_day AND last_at >= :start
    ORDER BY bucket_at
""")

_FROM_BUCKETS = text("""
    SELECT date_bin(make_interval(secs => :width), bucket_at, timestamptz '1970-01-01 00:00Z') AS at,
           (array_agg(first_nav ORDER BY bucket_at))[1] AS first, min(min_nav) AS low, max(max_nav) AS high,
           (array_agg(last_nav ORDER BY bucket_at DESC))[1] AS last, min(first_at) AS first_at, max(last_at) AS last_at
    FROM nav_buckets
    WHERE width_seconds = :base AND bucket_at >= :start AND bucket_at < :end
    GROUP BY 1 ORDER BY 1
""")

_FROM_SNAPSHOTS = text("""
    SELECT date_bin(make_interval(secs => :width), captured_at, timestamptz '1970-01-01 00:00Z') AS at,
           (array_agg(nav ORDER BY captured_at, snapshot_id))[1] AS first, min(nav) AS low, max(nav) AS high,
           (array_agg(nav ORDER BY captured_at DESC, snapshot_id DESC))[1] AS last,
           min(captured_at) AS first_at, max(captured_at) AS last_at
    FROM portfolio_snapshots
    WHERE captured_at >= :start AND captured_at < :end
    GROUP BY 1 ORDER BY 1
""")


def window(
    session: Session,
    name: str = DEFAULT_RANGE,
    start: datetime | None = None,
    end: datetime | None = None,
    now: datetime | None = None,
) -> Window | None:
    """The part of the history named by one of RANGES, or by its own ends (then `name` is "custom"). None when empty.

    A named range ends now; on a desk whose last snapshot is older than the range is long, it ends at that snapshot,
    because an empty chart would say nothing.
    """
    ends = session.execute(_ENDS).mappings().one_or_none()
    if ends is None:
        return None
    now, first_at, newest_at = now or ends["now"], ends["first_at"], ends["captured_at"]
    whole = (first_at, max(now, newest_at + MICROSECOND))
    if start or end:
        name, start, end = "custom", max(start or whole[0], whole[0]), min(end or whole[1], whole[1])
    else:
        start, end = _named(RANGES[name], first_at, newest_at, now)
    points = {row.which: (row.captured_at, row.nav) for row in session.execute(_POINTS, {"start": start, "end": end})}
    if "last" not in points:
        return None
    opening = points.get("before") or points["first"]
    return Window(name, start, end, now, first_at, ends, opening, points["last"])


def _named(
    length: timedelta | None, first_at: datetime, newest_at: datetime, now: datetime
) -> tuple[datetime, datetime]:
    if length is None:
        return first_at, newest_at + MICROSECOND
    end = now if now - length <= newest_at < now else newest_at + MICROSECOND
    return end - length, end


def chart(session: Session, view: Window, *, hold: bool = True) -> Chart:
    """The curve of a window in at most MAX_COLUMNS columns, each keeping first, lowest, highest and last NAV.

    The rows read are bounded: raw snapshots for an hour or so, else rollups no finer than the picture needs. Columns
    begin at whole multiples of their width, so the first may begin a little before the window. `hold` draws the
    benchmark too.
    """
    width = column_width(view.end - view.start)
    drawn = columns(session, view.start, view.end, width)
    seen = market(session, view.start, view.end)
    asked = sorted(seen.first) if hold else sorted(seen.held)
    points = [(column.at + timedelta(seconds=width), column.last_at) for column in drawn]
    found = marks(session, seen, asked, points, width)
    held = Hold(view.opening[1], seen.first) if hold else None
    drawn = [_marked(column, found.get(until), held) for column, (until, _) in zip(drawn, points, strict=True)]
    return Chart(width, drawn, _gaps(drawn, view, width), sorted(seen.first) if hold else ())


def _marked(column: Column, found: Marks | None, hold: Hold | None) -> Column:
    """The column with what the market says about it."""
    seen = found or Marks({})
    worth = hold.worth(seen.mids) if hold else None
    return replace(column, hold=worth, stale_for=seen.stale_for, marked_at=seen.marked_at)


def columns(session: Session, start: datetime, end: datetime, width: int) -> list[Column]:
    """NAV from `start` to `end` in columns of `width` seconds, empty ones left out."""
    base = base_width(width)
    bounds: dict[str, Any] = {"width": width, "start": start, "end": end}
    if base is None:
        rows = session.execute(_FROM_SNAPSHOTS, bounds)
    else:
        rows = session.execute(_FROM_BUCKETS, {**bounds, "start": floor(start, base), "base": base})
    return _with_drawdown(rows)


def column_width(length: timedelta) -> int:
    """Seconds of a column: the smallest round width that needs no more than MAX_COLUMNS, whole days beyond a day."""
    needed = length / MAX_COLUMNS
    for width in WIDTHS:
        if timedelta(seconds=width) >= needed:
            return width
    return DAY * -(-needed // timedelta(days=1))


@exact
def _with_drawdown(rows: Iterable[Row[Any]]) -> list[Column]:
    """A low is measured from the peak of earlier columns, a close from its own column's high too.

    Whether a column's high came before its low is not known, so a fall inside one column is never claimed.
    """
    columns: list[Column] = []
    peak: Decimal | None = None
    for row in rows:
        before = peak if peak is not None else row.first
        peak = max(before, row.high)
        fall = min(_fall(row.low, before), _fall(row.last, peak))
        columns.append(Column(row.at, row.first, row.low, row.high, row.last, row.first_at, row.last_at, fall))
    return columns


def _fall(nav: Decimal, peak: Decimal) -> Decimal:
    return min(nav / peak - 1, Decimal(0)) if peak > 0 else Decimal(0)


def _gaps(columns: Sequence[Column], view: Window, width: int) -> list[tuple[datetime, datetime]]:
    """Stretches without a snapshot, at both ends of the window too; longer than the desk's own rhythm explains."""
    longest = timedelta(seconds=max(3 * SNAPSHOT_SECONDS, 2 * width))
    begin = max(view.start, view.first_at)
    ends = [begin, *(at for column in columns for at in (column.first_at, column.last_at)), min(view.end, view.now)]
    pairs = zip(ends[::2], ends[1::2], strict=True)
    return [(since, until) for since, until in pairs if until - since > longest]


def performance(session: Session, view: Window) -> Performance:
    """The statistics of a window, after VECTORS section 2 for irregular snapshots.

    The curve is the opening NAV, then the last NAV of each UTC day; the last day counts as far as it has come.
    """
    opened = (max(view.start, view.opening[0]), view.opening[1])
    rows = session.execute(
        _CLOSES,
        {
            "first_day": floor(view.start, DAY),
            "end_day": floor(view.closing[0], DAY),
            "start": view.start,
        },
    ).all()
    closes = daily_closes([opened, *((row.last_at, row.last_nav) for row in rows), view.closing])
    figures = statistics([nav for _, nav in closes])
    return Performance(figures, len(closes) - 1, max_drawdown(session, view.opening, view.start, view.end))
