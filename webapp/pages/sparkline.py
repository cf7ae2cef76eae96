"""Points of a small line drawn by the server, so that it is there without a script."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

WIDTH: Final = 640
HEIGHT: Final = 120
MARGIN: Final = 6


@dataclass(frozen=True)
class Line:
    """An SVG polyline in a box of WIDTH by HEIGHT, with what it spans. A gap in the values is a gap in the line.

    `missing` are the places of the gaps, from the left.
    """

    pieces: list[str]
    missing: list[str]
    low: int
    high: int
    first_at: datetime
    last_at: datetime


def line(points: Sequence[tuple[datetime, int | None]]) -> Line | None:
    """The line through the points; None when fewer than two have a value. The scale begins at zero."""
    known = [value for _, value in points if value is not None]
    if len(known) < 2:
        return None
    high = max(known) or 1
    step = (WIDTH - 2 * MARGIN) / (len(points) - 1)
    pieces: list[list[str]] = [[]]
    missing = []
    for index, (_, value) in enumerate(points):
        x = f"{MARGIN + index * step:.1f}"
        if value is None:
            missing.append(x)
            pieces.append([])
            continue
        pieces[-1].append(f"{x},{HEIGHT - MARGIN - value / high * (HEIGHT - 2 * MARGIN):.1f}")
    drawn = [" ".join(piece) for piece in pieces if piece]
    return Line(drawn, missing, min(known), max(known), points[0][0], points[-1][0])
