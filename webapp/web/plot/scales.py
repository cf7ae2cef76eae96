"""Values and moments onto a picture, and the round ones among them that an axis names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from webapp.domain.moments import DAY, EPOCH, HOUR, MINUTE, floor
from webapp.domain.money import exact
from webapp.web.filters import number
from webapp.web.plot.figure import HEIGHT, WIDTH, Band, Tick, percentage

MARGIN: Final = Decimal("0.07")
"""Part of the room kept free above the highest and below the lowest value."""
VALUE_TICKS: Final = 5
TIME_TICKS: Final = 9
THINNEST: Final = 0.002
"""Part of the width that a band has at least, so that it can be seen."""
EDGE: Final = 0.025
"""A label nearer to an end than this part of the axis would be cut."""
COVERED: Final = 0.05
"""A label nearer to the tag than this part of the height would lie under it."""
MONDAY: Final = timedelta(days=4)
"""The first Monday after the epoch's Thursday."""
WEEK: Final = 7 * DAY
STEPS: Final = (
    *(1, 2, 5, 10, 30),
    *(MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE),
    *(HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR),
    *(DAY, 2 * DAY, WEEK, 2 * WEEK),
)
MONTHS: Final = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200)
LARGE: Final = ((Decimal(10) ** 12, "tn"), (Decimal(10) ** 9, "bn"), (Decimal(10) ** 6, "M"))
SMALLEST_STEP: Final = Decimal("1e-8")
Labeller = Callable[[Decimal, int], str]


class Values:
    """A range of values onto the height of a pane, upside down as screens are."""

    @exact
    def __init__(self, low: Decimal, high: Decimal, *, below: bool = True, above: bool = True) -> None:
        room = high - low
        if not room:
            # A flat line lies in the middle of a scale that suits its size.
            room = max(abs(high) / 500, Decimal("0.02"))
            low, high = low - room / 2, high + room / 2
        self.low = low - room * MARGIN if below else low
        self.high = high + room * MARGIN if above else high
        self._room = float(self.high - self.low)

    @exact
    def share(self, value: Decimal) -> float:
        """How far below the top, from 0 to 1."""
        return float(self.high - value) / self._room

    def y(self, value: Decimal) -> int:
        """The same in units of the picture."""
        return round(self.share(value) * HEIGHT)

    def at(self, value: Decimal) -> str:
        """The same as a percentage."""
        return percentage(self.share(value))

    @exact
    def ticks(self, label: Labeller | None = None, count: int = VALUE_TICKS, tag: Decimal | None = None) -> list[Tick]:
        """The round values inside; `label` is given each with the decimals it needs.

        One that lies beside `tag`, the value that has a label of its own, is a line without words.
        """
        step = round_step((self.high - self.low) / count)
        places = max(0, -int(step.adjusted()))
        text = label or (lambda value, places: short_number(value, step, places, max(abs(self.low), abs(self.high))))
        value, ticks = -(-self.low // step) * step, []
        while value <= self.high:
            # A label at an edge would run into the one of the next pane.
            if EDGE < self.share(value) < 1 - EDGE:
                covered = tag is not None and abs(self.share(value) - self.share(tag)) < COVERED
                ticks.append(Tick(self.at(value), "" if covered else text(value, places)))
            value += step
        return ticks


def round_step(least: Decimal) -> Decimal:
    """The smallest of 1, 2, 5 times a power of ten that is not below `least`."""
    power = Decimal(1).scaleb(max(least, SMALLEST_STEP).adjusted())
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)


def short_number(value: Decimal, step: Decimal, places: int, largest: Decimal) -> str:
    """A label with just the digits that tell it from its neighbours: 10,020, 0.125, 1.25 M."""
    size, unit = next(((size, unit) for size, unit in LARGE if largest >= size), (None, ""))
    if size is None or step < size / 1000:
        return number(value, places)
    return f"{number(value / size, max(0, -(step / size).adjusted()))}\u00a0{unit}"


class Moments:
    """A stretch of time onto the width of the picture."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self.start, self.end = start, end
        self._room = (end - start).total_seconds() or 1.0

    def share(self, at: datetime) -> float:
        """How far from the left, from 0 to 1; moments outside are at the nearer end."""
        return min(max((at - self.start).total_seconds() / self._room, 0.0), 1.0)

    def x(self, at: datetime) -> int:
        """The same in units of the picture."""
        return round(self.share(at) * WIDTH)

    def at(self, moment: datetime) -> str:
        """The same as a percentage."""
        return percentage(self.share(moment))

    def ticks(self) -> list[Tick]:
        """The round moments inside, in UTC, with a label each; at most TIME_TICKS and one."""
        span = timedelta(seconds=self._room)
        for step in STEPS:
            if span / timedelta(seconds=step) <= TIME_TICKS:
                return _ranked([self._tick(at, step) for at in self._every(step) if EDGE < self.share(at) < 1 - EDGE])
        months = next((n for n in MONTHS if span / timedelta(days=30.4 * n) <= TIME_TICKS), MONTHS[-1])
        return _ranked([self._month(at) for at in self._every_month(months) if EDGE < self.share(at) < 1 - EDGE])

    def _every(self, step: int) -> Iterator[datetime]:
        shift = MONDAY if step >= WEEK else timedelta(0)
        at = floor(self.start - shift, step) + shift
        while at <= self.end:
            yield at
            at += timedelta(seconds=step)

    def _every_month(self, step: int) -> Iterator[datetime]:
        first = self.start.astimezone(UTC)
        count = (first.year * 12 + first.month - 1) // step * step
        while count // 12 <= self.end.astimezone(UTC).year and count < 9999 * 12:
            if count >= 12:
                yield datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)
            count += step

    def _tick(self, at: datetime, step: int) -> Tick:
        at = at.astimezone(UTC)
        if (at - EPOCH) % timedelta(days=1) == timedelta(0):
            return Tick(self.at(at), f"{at.day} {at:%b}", "major" if step < DAY else "")
        return Tick(self.at(at), f"{at:%H:%M:%S}" if step < MINUTE else f"{at:%H:%M}")

    def _month(self, at: datetime) -> Tick:
        return Tick(self.at(at), f"{at:%Y}", "major") if at.month == 1 else Tick(self.at(at), f"{at:%b}")


def _ranked(ticks: list[Tick]) -> list[Tick]:
    """Those a narrow screen can do without: all but the major ones, or every second one where there are none."""
    majors = sum(tick.kind == "major" for tick in ticks)
    return [
        replace(tick, kind="minor") if not tick.kind and (majors > 1 or number % 2) else tick
        for number, tick in enumerate(ticks)
    ]


def band(x: Moments, kind: str, since: datetime, until: datetime, words: str) -> Band:
    """A stretch of time as a shading, never thinner than can be seen."""
    return Band(x.at(since), percentage(max(x.share(until) - x.share(since), THINNEST)), kind, words)
