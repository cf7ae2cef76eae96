"""Lines and areas as SVG paths: whole units, each step relative to the one before, which is a third of the bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Spot = tuple[int, int]


def line(spots: Sequence[Spot]) -> str:
    """Through all spots. A lone one is a dot: round caps show a step of no length."""
    (x, y), *rest = spots
    steps = [f"M{x} {y}"]
    for to_x, to_y in rest:
        steps.append(_step(to_x - x, to_y - y))
        x, y = to_x, to_y
    path = "".join(steps)
    return path if len(path) > len(steps[0]) else path + "h0"


def lines(pieces: Iterable[Sequence[Spot]]) -> str:
    """Several lines that do not touch, as one path."""
    return "".join(line(piece) for piece in pieces)


def areas(pieces: Iterable[Sequence[Spot]], ground: int) -> str:
    """What lies between each line and the ground."""
    return "".join(f"{line(piece)}V{ground}H{piece[0][0]}Z" for piece in pieces)


def boxes(corners: Iterable[tuple[int, int, int, int]]) -> str:
    """Rectangles, each as left, top, width, height."""
    return "".join(f"M{x} {y}h{width}v{height}h{-width}z" for x, y, width, height in corners)


def _step(x: int, y: int) -> str:
    if not x:
        return f"v{y}" if y else ""
    if not y:
        return f"h{x}"
    return f"l{x}{y}" if y < 0 else f"l{x} {y}"
