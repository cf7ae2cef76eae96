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
    """An SVG polyline in a box of WIDTH by HEIGHT, with what it spans. A gap in the values is a gap in the line."""

    pieces: list[str]
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
    for index, (_, value) in enumerate(points):
        if value is None:
            pieces.append([])
            continue
        x, y = MARGIN + index * step, HEIGHT - MARGIN - value / high * (HEIGHT - 2 * MARGIN)
        pieces[-1].append(f"{x:.1f},{y:.1f}")
    drawn = [" ".join(piece) for piece in pieces if piece]
    return Line(drawn, min(known), max(known), points[0][0], points[-1][0])
