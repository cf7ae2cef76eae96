"""Why the desk trades or does not: the funnel as rows that lead to the lists, and its answer in a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from typing import Final
from urllib.parse import urlencode

from webapp.queries.funnel import MOST_ACTED, MOST_SILENT, Funnel, Traffic
from webapp.queries.overview import Desk
from webapp.web import filters

MOST_RULES: Final = 4
UNFILTERED: Final = "/market/"
"""The one list here that takes no time."""
CLOSED: Final = {"KILL_SWITCH_ACTIVE": "halted: nobody asked", "STALE_MARKET_DATA": "no fresh quote: nobody asked"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line: how many came this far, or were dropped here, in the last hour and in the last 24.

    `share` is the part of the stage before that came through in the last 24 hours; only stages after the first have it.
    """

    name: str
    hour: int
    day: int
    hour_link: str
    day_link: str
    drop: bool = False
    share: Decimal | None = None


def rows(traffic: Traffic) -> list[Row]:
    """The stages from quotes to fills, and beneath each what left there."""
    both = (traffic.hour, traffic.day)
    return [
        _stage("Quotes", both, lambda f: f.quotes, UNFILTERED, None),
        _stage("Cycles", both, lambda f: f.cycles, "/cycles/", None),
        *_closed(both),
        *_drop("no signal", both, lambda f: f.silent, "/cycles/", status="no_signal"),
        _stage("Proposals", both, lambda f: f.proposals, "/signals/", lambda f: f.cycles),
        *_blocked(both),
        _stage("Allowed", both, lambda f: f.allowed, "/risk/", lambda f: f.proposals, action="allowed"),
        *_drop("canceled unfilled", both, lambda f: f.canceled, "/orders/", status="canceled"),
        *_drop("waiting for their price", both, lambda f: f.resting, "/orders/", status="approved"),
        _stage("Filled", both, lambda f: f.filled, "/orders/", lambda f: f.allowed, status="executed"),
    ]


Both = tuple[Funnel, Funnel]
Number = Callable[[Funnel], int]


def _stage(name: str, both: Both, number: Number, path: str, before: Number | None, **query: str) -> Row:
    hour, day = both
    came = before(day) if before else 0
    share = Decimal(number(day)) / came if came else None
    return Row(name, number(hour), number(day), _link(path, hour, query), _link(path, day, query), share=share)


def _drop(name: str, both: Both, number: Number, path: str, **query: str) -> Iterator[Row]:
    """A line only where something was dropped."""
    hour, day = both
    if number(day):
        yield Row(name, number(hour), number(day), _link(path, hour, query), _link(path, day, query), drop=True)


def _closed(both: Both) -> Iterator[Row]:
    for code in both[1].closed:
        name = CLOSED.get(code, filters.words(code).lower())
        yield from _drop(name, both, lambda f, code=code: f.closed[code], "/cycles/", status="blocked")  # type: ignore[misc]


def _blocked(both: Both) -> Iterator[Row]:
    """The rules that blocked most, each with its list; the rest together."""
    ranked = [code for code, _ in both[1].blocked.most_common()]
    shown = ranked if len(ranked) <= MOST_RULES + 1 else ranked[:MOST_RULES]
    for code in shown:
        name = filters.words(code).lower()
        yield from _drop(name, both, lambda f, code=code: f.blocked[code], "/orders/", status="rejected", rule=code)  # type: ignore[misc]
    others = ranked[len(shown) :]
    if others:
        rest: Number = lambda f: sum(f.blocked[code] for code in others)  # noqa: E731  (it is handed on)
        yield from _drop(f"{len(others)} other rules", both, rest, "/orders/", status="rejected")


def _link(path: str, funnel: Funnel, query: dict[str, str]) -> str:
    if path == UNFILTERED:
        return path
    moment = funnel.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{path}?{urlencode({**query, 'from': moment}, safe=':')}"


def capped(traffic: Traffic) -> str:
    """What the reader must know when counting was cut short; empty otherwise."""
    if not traffic.day.at_least:
        return ""
    return (
        f"A busy day: cycles without a signal are counted to {MOST_SILENT:,}, "
        f"each other outcome to {MOST_ACTED:,}, newest first."
    )


def answer(desk: Desk, traffic: Traffic) -> str:
    """Why it trades or does not, in one sentence: the last hour's reason."""
    hour = traffic.hour
    held = f"Halted{_refused(hour)}. " if desk.halted else ""
    return held + (_filled(hour) if hour.filled else f"No fill in the last hour: {_unfilled(hour)}.")


def _unfilled(hour: Funnel) -> str:
    """The stage at which everything ended."""
    if not hour.cycles:
        return "quotes came, but no cycle ran; the engine runs them" if hour.quotes else "no quote came, nobody looked"
    if not hour.proposals:
        return _looked(hour)
    if not hour.allowed:
        return f"all {_several(hour.proposals, 'proposal')} were blocked{_most(hour.blocked)}"
    parts = [f"{hour.resting} wait for their price"] if hour.resting else []
    parts += [f"{hour.canceled} were canceled unfilled"] if hour.canceled else []
    return f"of {_several(hour.allowed, 'allowed order')} {' and '.join(parts)}"


def _filled(hour: Funnel) -> str:
    said = f"{hour.filled} of {_several(hour.proposals, 'proposal')} filled in the last hour"
    return f"{said}; {hour.blocked.total()} blocked{_most(hour.blocked)}." if hour.blocked else f"{said}."


def _looked(hour: Funnel) -> str:
    if hour.closed:
        code, count = hour.closed.most_common(1)[0]
        why = {"KILL_SWITCH_ACTIVE": "the desk was halted", "STALE_MARKET_DATA": "quotes were stale"}
        return f"in {count:,} of {hour.cycles:,} cycles {why.get(code, filters.words(code).lower() + ' blocked')}"
    return f"{hour.cycles:,} cycles looked, and the strategies saw no trade worth its costs in any"


def _refused(hour: Funnel) -> str:
    refused = hour.closed["KILL_SWITCH_ACTIVE"] + hour.blocked["KILL_SWITCH_ACTIVE"]
    return f": {_several(refused, 'cycle')} of the last hour ran into it" if refused else ""


def _most(blocked: Counter[str]) -> str:
    code, count = blocked.most_common(1)[0]
    name = filters.words(code).lower()
    return f" by {name}" if count == blocked.total() else f", most by {name} ({count})"


def _several(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
