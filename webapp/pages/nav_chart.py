"""The NAV chart of the portfolio page: what the server draws, what the crosshair reads, and both in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from webapp.extensions import db
from webapp.queries import happenings, portfolio
from webapp.queries.happenings import Happenings
from webapp.queries.portfolio import Chart, Column, Window
from webapp.web import filters
from webapp.web.plot.nav import nav_figure
from webapp.web.told import moment_text

TWIN_ROWS: Final = 32
ZOOM: Final = 2
MOST_SILENCES: Final = 10
"""Of each kind, the longest: more shadings than this would hide the chart. The line shows the others, too."""
LEAST_DRAWN: Final = timedelta(seconds=10)
LEAST_SPAN: Final = timedelta(minutes=1)
NAMED_SYMBOLS: Final = 4


@dataclass(frozen=True)
class Event:
    """Something that happened in the range, for the list under the chart. `until` is None for a moment."""

    kind: str
    title: str
    at: datetime
    until: datetime | None
    words: str
    href: str | None = None

    @property
    def lasted(self) -> timedelta | None:
        """How long it went on."""
        return None if self.until is None else self.until - self.at


def context(view: Window, links: dict[str, str], *, hold: bool) -> dict[str, Any]:
    """All that the chart's template needs. `links` are the addresses around the range, by name."""
    drawn, happened = read(view, hold=hold)
    quiet, shorter = silences(drawn)
    events = [*halts(happened, view), *edits(happened), *quiet]
    figure = nav_figure(
        drawn.columns,
        first_drawn(view),
        view.end,
        [since for since, _ in drawn.gaps],
        [(e.kind, e.at, e.until, f"{e.title}: {e.words}") for e in events if e.until is not None],
        [(e.kind, e.title[0], e.at, f"{e.title}: {e.words}") for e in events if e.kind in ("halt", "policy")],
    )
    return {
        "figure": figure,
        "summary": summary(view),
        "legend": legend(view, drawn, events),
        "column_width": timedelta(seconds=drawn.width),
        "events": sorted(events, key=lambda event: event.at, reverse=True),
        "more_events": happened.more,
        "shorter_silences": shorter,
        "twin": merged(drawn.columns),
        "hold": hold,
        "hold_basis": hold_basis(drawn, view),
        "links": links,
        "ratio": change_ratio(view),
    }


def first_drawn(view: Window) -> datetime:
    """Where the picture begins: not before the desk did, and not so late that nothing can be seen."""
    return min(max(view.start, view.first_at), view.end - LEAST_DRAWN)


def read(view: Window, *, hold: bool) -> tuple[Chart, Happenings]:
    """The curve and what happened meanwhile."""
    session = db.session()
    drawn = portfolio.chart(session, view, hold=hold)
    return drawn, happenings.happenings(session, view.start, view.end)


def halts(happened: Happenings, view: Window) -> Iterable[Event]:
    """The halts, each with both its ends in words."""
    for halt in happened.halts:
        why = f"“{halt.reason}”" if halt.reason else "no reason given"
        words = f"{filters.in_words(why)}, by {halt.actor or 'somebody unknown'}"
        if halt.until is None:
            words += "; not released yet"
        else:
            words += f"; released by {halt.released_by or 'somebody unknown'}"
            words += f" (“{halt.release_reason}”)" if halt.release_reason else ""
        until = halt.until or max(min(view.now, view.end), halt.since)
        yield Event("halt", "Halted", halt.since, until, words, f"/kill-switch/events/{halt.event_id}")


def edits(happened: Happenings) -> Iterable[Event]:
    """The policy edits, each with what it changed."""
    for edit in happened.edits:
        changes = [
            f"{filters.words(name).lower()} {filters.plainly(before)} → {filters.plainly(after)}"
            for name, (before, after) in edit.difference.items()
        ]
        words = (
            ("; ".join(changes) or "a new version")
            + f", by {edit.actor}"
            + (f" (“{edit.reason}”)" if edit.reason else "")
        )
        yield Event("policy", "Policy edited", edit.at, None, words, "/risk/policy")


def silences(drawn: Chart) -> tuple[list[Event], int]:
    """Where nothing was recorded, and where NAV was taken at old quotes: the longest, and how many shorter ones."""
    words = "no snapshot was taken; nothing is drawn in between"
    gaps = [Event("gap", "Nothing recorded", since, until, words) for since, until in drawn.gaps]
    stale = []
    for stale_for, run in groupby(drawn.columns, key=lambda column: column.stale_for):
        columns = list(run)
        if stale_for and columns[0].marked_at is not None:
            words = f"no new quote of {', '.join(stale_for)}: NAV rests on the last one"
            stale.append(Event("stale", "Old quotes", columns[0].marked_at, columns[-1].last_at, words))
    kept = [_longest(events) for events in (gaps, stale)]
    return [event for events in kept for event in events], len(gaps) + len(stale) - sum(map(len, kept))


def _longest(events: Sequence[Event]) -> list[Event]:
    return sorted(events, key=lambda event: event.lasted or timedelta(0), reverse=True)[:MOST_SILENCES]


def legend(view: Window, drawn: Chart, events: Sequence[Event]) -> list[tuple[str, str]]:
    """What the chart shows, as (kind, words); only what is there."""
    words = {"halt": "halted", "gap": "nothing recorded", "stale": "at old quotes", "policy": "policy edited"}
    there = {event.kind for event in events}
    shown = [("line", "NAV")]
    last = drawn.columns[-1].hold
    if last is not None:
        shown.append(("hold", f"hold {filters.money(last)}{_growth(last, view)}"))
    return shown + [(kind, text) for kind, text in words.items() if kind in there]


def _growth(value: Decimal, view: Window) -> str:
    """What has become of the opening NAV, in brackets."""
    opening = view.opening[1]
    return f" ({filters.percent(value / opening - 1, 2, plus=True)})" if opening > 0 else ""


def hold_basis(drawn: Chart, view: Window) -> str:
    """What the benchmark is, in a sentence; empty where it is not drawn."""
    if not drawn.held or drawn.columns[-1].hold is None:
        return ""
    names = ", ".join(drawn.held) if len(drawn.held) <= NAMED_SYMBOLS else f"{len(drawn.held)} symbols"
    return (
        f"Hold: the opening {filters.money(view.opening[1])} USDC spread equally over {names}, "
        "bought at the first mid of the range and kept, without fees."
    )


def merged(columns: Sequence[Column]) -> list[Column]:
    """The columns joined until a table of them can be read: newest first, nothing lost but the order within."""
    size = -(-len(columns) // TWIN_ROWS)
    parts = [columns[index : index + size] for index in range(0, len(columns), size)]
    return [_joined(part) for part in reversed(parts)]


def _joined(part: Sequence[Column]) -> Column:
    first, last = part[0], part[-1]
    return Column(
        first.at,
        first.first,
        min(column.low for column in part),
        max(column.high for column in part),
        last.last,
        first.first_at,
        last.last_at,
        min(column.drawdown for column in part),
        last.hold,
        tuple(sorted({name for column in part for name in column.stale_for})),
    )


def document(view: Window, *, hold: bool) -> dict[str, Any]:
    """What the crosshair reads: for each point its second, its height in every pane, and its words."""
    drawn, happened = read(view, hold=hold)
    fields = ["NAV", "from", "to", "drawdown"] + (["hold"] if drawn.held else [])
    shut = list(halts(happened, view))
    return {
        "fields": fields,
        "unit": "USDC",
        "width": drawn.width,
        "points": [_point(column, drawn, shut) for column in drawn.columns],
    }


def _point(column: Column, drawn: Chart, shut: Sequence[Event]) -> list[Any]:
    at = column.last_at
    words = [filters.money(value) for value in (column.last, column.low, column.high)]
    words.append(filters.percent(column.drawdown, 2))
    words += [filters.money(column.hold)] if drawn.held else []
    notes = [f"old quotes of {', '.join(column.stale_for)}"] if column.stale_for else []
    notes += ["halted"] if any(event.at <= at < (event.until or at) for event in shut) else []
    heights = [filters.exact(column.last), format(column.drawdown, ".8f")]
    return [round(at.timestamp(), 3), heights, moment_text(at), words, "; ".join(notes)]


def change_ratio(view: Window) -> Decimal | None:
    """What NAV did inside the window, as a part of where it began."""
    return view.change / view.opening[1] if view.opening[1] > 0 else None


def summary(view: Window) -> str:
    """The chart in one sentence, for whoever cannot see it."""
    return (
        f"NAV from {filters.utc(view.start):%d %b %Y %H:%M} to {filters.utc(view.end):%d %b %Y %H:%M} UTC: "
        f"from {filters.money(view.opening[1])} to {filters.money(view.closing[1])} USDC. "
        "The same stands as a table below the chart."
    )


def neighbours(view: Window) -> dict[str, tuple[datetime, datetime] | None]:
    """The ranges around this one, by name; None where there is nothing more to see that way."""
    span, first, newest = view.end - view.start, view.first_at, view.newest["captured_at"]
    last = max(view.now, newest)
    middle, half = view.start + span / 2, span / 2
    begin, end = max(view.start - half, first), min(view.end + half, last)
    return {
        "in": (middle - half / ZOOM, middle + half / ZOOM) if span > ZOOM * LEAST_SPAN else None,
        "out": (max(middle - half * ZOOM, first), min(middle + half * ZOOM, last))
        if view.start > first or view.end <= newest
        else None,
        "earlier": (begin, begin + span) if view.start > first else None,
        "later": (end - span, end) if view.end <= newest else None,
    }
