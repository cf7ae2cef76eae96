"""How the desk stands: what each source says by itself, and one sentence that lets no good sign hide a bad one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from webapp.domain.desk import SNAPSHOT_SECONDS
from webapp.queries.overview import Desk
from webapp.queries.pulse import Pulse
from webapp.queries.system import SILENT_AFTER
from webapp.services import self_checks
from webapp.web import filters

OK, HALTED, STALE, DEAD, NONE = "ok", "halted", "stale", "dead", "none"
"""Each has a sign of its own: halted is alive and held, stale is old, dead gives no sign of life or is broken."""
SLOW_SECONDS: Final = 0.5
NAMED: Final = 4
CHECKED_WORDS: Final = {"books": ("reconciled", "fills,"), "audit": ("whole", "rows,")}


@dataclass(frozen=True, slots=True)
class Source:
    """One source of what the page shows: when it last spoke, what that means, and whether nothing trades for it.

    `note` is read with the age after it, where there is one.
    """

    name: str
    sign: str
    word: str
    note: str
    at: datetime | None = None
    stops: bool = False
    symbols: Sequence[Pulse] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether the desk trades, in one sentence; then what to do about it, where there is something to do."""

    sign: str
    said: str
    step: str = ""
    command: str = ""
    link: tuple[str, str] | None = None


def sources(desk: Desk, quotes: Sequence[Pulse], cycle_seconds: int, took: float) -> list[Source]:
    """Age and state of everything the page rests on: one fresh source must not vouch for another.

    A symbol has a cycle every `cycle_seconds`; `took` is how many seconds the database needed for its first answer.
    """
    return [
        _quotes(desk, quotes),
        _judged("Strategy", desk.cycle_at, desk.now, 3 * cycle_seconds, "last cycle"),
        _engine(desk),
        _judged("Snapshots", desk.snapshot_at, desk.now, 3 * SNAPSHOT_SECONDS, "NAV taken"),
        _database(took),
        *(_check(name, desk) for name in CHECKED_WORDS),
    ]


def is_stale(desk: Desk, quote: Pulse) -> bool:
    """No order passes on such a quote; without a policy none passes on any."""
    limit = timedelta(seconds=desk.policy.stale_after_seconds if desk.policy else 0)
    return quote.age is None or quote.age > limit


def _quotes(desk: Desk, quotes: Sequence[Pulse]) -> Source:
    """The oldest first; those that nobody watches count only where there is nothing else."""
    watched = [quote for quote in quotes if quote.watched and quote.at is not None] or list(quotes)
    known = [quote for quote in watched if quote.at is not None]
    if not known:
        return Source("Quotes", NONE, "none yet", "nothing trades without one", stops=True)
    shown = sorted(quotes, key=lambda quote: quote.age or timedelta.max, reverse=True)
    parts = {"symbols": shown[:NAMED], "more": max(len(shown) - NAMED, 0), "at": desk.quote_at}
    stale = [quote for quote in watched if is_stale(desk, quote)]
    silent = [quote for quote in quotes if quote.watched and quote.at is None]
    if len(stale) == len(watched):
        return Source("Quotes", STALE, "stale", "nothing trades on them", stops=True, **parts)  # type: ignore[arg-type]
    if stale or silent:
        names = ", ".join(quote.symbol for quote in (stale + silent)[:NAMED])
        return Source("Quotes", STALE, f"{len(stale) + len(silent)} stale", names, **parts)  # type: ignore[arg-type]
    return Source("Quotes", OK, "fresh", f"{len(watched)} symbols", **parts)  # type: ignore[arg-type]


def _engine(desk: Desk) -> Source:
    """Halted is not dead: a halted engine beats, and says so."""
    if desk.engine_at is None:
        return Source("Engine", DEAD, "not running", "nothing trades by itself", stops=True)
    if desk.now - desk.engine_at > SILENT_AFTER:
        return Source("Engine", DEAD, "silent", "last beat", desk.engine_at, stops=True)
    if desk.halted:
        return Source("Engine", HALTED, "halted, alive", "beat", desk.engine_at)
    return Source("Engine", OK, "beating", "beat", desk.engine_at)


def _judged(name: str, at: datetime | None, now: datetime, late_after: int, note: str) -> Source:
    if at is None:
        return Source(name, NONE, "none yet", "the engine makes them")
    if now - at > timedelta(seconds=late_after):
        return Source(name, STALE, "late", f"due each {filters.duration(late_after // 3)}, last", at)
    return Source(name, OK, "on time", note, at)


def _database(took: float) -> Source:
    if took >= SLOW_SECONDS:
        return Source("Database", STALE, "slow", f"took {took:.1f} s to answer")
    return Source("Database", OK, "answering", f"in {took * 1000:.0f} ms")


def _check(name: str, desk: Desk) -> Source:
    title, (word, counted) = name.capitalize(), CHECKED_WORDS[name]
    found = desk.checks.get(name)
    if found is None:
        return Source(title, NONE, "not checked", "the engine does it")
    if not found.ok:
        return Source(title, DEAD, "BROKEN", found.detail, found.at, stops=True)
    if desk.now - found.at > self_checks.OVERDUE:
        return Source(title, STALE, f"{word} then", "last checked", found.at)
    return Source(title, OK, word, f"{filters.number(found.rows, 0)} {counted}", found.at)


def standing(desk: Desk, spoken: Sequence[Source]) -> Standing:
    """The one sentence at the top, and the next step."""
    stopped = [source for source in spoken if source.stops]
    if desk.halted:
        return _halted(stopped)
    if desk.policy is None:
        step = ("Set one", "/risk/policy")
        return Standing(DEAD, "No policy is in force, so the gate blocks every order.", link=step)
    if desk.untouched:
        return _new(desk)
    return _stopped(stopped) if stopped else _trading(spoken)


def _new(desk: Desk) -> Standing:
    said = "A new desk: the switch is off and nothing has happened yet."
    if desk.engine_at is None:
        return Standing(NONE, said, "Start what trades:", "make engine")
    return Standing(NONE, said, "The engine runs; its first quotes and cycles are on their way.")


def _trading(spoken: Sequence[Source]) -> Standing:
    odd = [source for source in spoken if source.sign != OK]
    if odd:
        return Standing(STALE, f"Trading, but look at {_listed(odd)}.", link=("System", "/system/"))
    return Standing(OK, "Trading: quotes are fresh, the engine beats, books and audit are whole.")


def _halted(stopped: Sequence[Source]) -> Standing:
    """A halted desk says whether it is otherwise well, so that nobody takes it for dead."""
    if stopped:
        return replace(_stopped(stopped), sign=HALTED, said=f"Halted, and not well besides: {_listed(stopped)}.")
    return Standing(HALTED, "Halted, and alive: quotes come and the engine beats; no order passes until the release.")


def _stopped(stopped: Sequence[Source]) -> Standing:
    said = f"The switch is off, yet nothing trades by itself: {_listed(stopped)}."
    names = {source.name: source for source in stopped}
    if "Books" in names:
        return Standing(DEAD, said, "Refold them from the fills:", "flask --app wsgi books rebuild")
    if "Audit" in names:
        return Standing(DEAD, said, "Find the row:", "flask --app wsgi audit verify")
    if "Engine" in names:
        step = "Start it:" if names["Engine"].at is None else "Look at its log, or start another:"
        return Standing(DEAD, said, step, "make engine")
    return Standing(STALE, said, "The engine beats, so look at its feed:", link=("Market", "/market/"))


def _listed(found: Sequence[Source]) -> str:
    return ", ".join(f"{source.name.lower()} {source.word}" for source in found)
