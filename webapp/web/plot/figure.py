"""What a drawn chart consists of: panes above one axis of time, bands and flags across all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

WIDTH: Final = 2000
"""Units across: about half a pixel each on a desktop. They are whole numbers, which keeps the paths short."""
HEIGHT: Final = 600
"""Units from the top of a pane to its bottom, however high it is shown."""


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis; `at` is a percentage. `kind` is "major" for a new day or
    year, "minor" for what a narrow screen leaves out."""

    at: str
    label: str
    kind: str = ""


@dataclass(frozen=True)
class Stroke:
    """One path of one kind: the kind is its CSS class."""

    kind: str
    path: str


@dataclass(frozen=True)
class Mark:
    """A sign at one moment and value, such as a fill: `kind` chooses its shape and colour, `title` says it."""

    x: str
    y: str
    kind: str
    title: str


@dataclass(frozen=True)
class Band:
    """A stretch of time in which something was the case: halted, nothing recorded, stale."""

    x: str
    width: str
    kind: str
    title: str


@dataclass(frozen=True)
class Flag:
    """A moment at which something was done: a line from top to bottom with a letter above it."""

    x: str
    kind: str
    letter: str
    title: str


@dataclass(frozen=True)
class Pane:
    """One scale of values. `low` and `high` are what its bottom and top stand for, in `unit`."""

    name: str
    title: str
    unit: str
    low: Decimal
    high: Decimal
    strokes: Sequence[Stroke]
    ticks: Sequence[Tick]
    tag: Tick | None = None
    """The newest value, on the axis."""
    marks: Sequence[Mark] = ()
    level: str | None = None
    """Where a reference line lies, as a percentage."""


@dataclass(frozen=True)
class Figure:
    """A whole chart from `start` to `end`."""

    start: datetime
    end: datetime
    panes: Sequence[Pane]
    times: Sequence[Tick]
    bands: Sequence[Band] = ()
    flags: Sequence[Flag] = ()
    width: int = field(default=WIDTH, init=False)
    height: int = field(default=HEIGHT, init=False)

    @property
    def axis(self) -> str:
        """How much room the labels of the values need: "narrow", "wide" or "widest"."""
        longest = max((len(tick.label) for pane in self.panes for tick in (*pane.ticks, *_tags(pane))), default=0)
        return "narrow" if longest <= 8 else "wide" if longest <= 12 else "widest"


def _tags(pane: Pane) -> tuple[Tick, ...]:
    return (pane.tag,) if pane.tag else ()


def percentage(share: float) -> str:
    """A share of the whole as SVG takes it."""
    return f"{share * 100:.2f}%"
