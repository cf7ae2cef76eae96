"""Cycles: what was seen, said, judged and done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, Response, abort
from markupsafe import Markup

from webapp.domain.moments import seconds
from webapp.extensions import db
from webapp.pages import candle_chart, stages
from webapp.pages import story as stories
from webapp.pages.candle_chart import CandleChart
from webapp.pages.lists import POLL_SECONDS, ListPage, install
from webapp.pages.rulings import measured
from webapp.pages.stages import Stage
from webapp.queries import lineage, surroundings
from webapp.queries.lineage import CycleStory
from webapp.web import filters
from webapp.web.htmx import answer, version_of

bp = Blueprint("cycles", __name__)
install(bp, ListPage("cycles", "/cycles", "cycles"))
NO_SIGNAL: Final = "The strategy saw no reason to trade."


@dataclass(frozen=True)
class Quiet:
    """A cycle that led to no order: how far it came, and why no further."""

    outcome: Markup
    stages: list[Stage]
    chart: CandleChart | None
    halt: Any


@bp.get("/cycles/<uuid:cycle_id>")
def show(cycle_id: UUID) -> Response:
    """Everything that carries this cycle's id."""
    session = db.session()
    story = lineage.cycle_story(session, cycle_id)
    if story is None:
        abort(404, "No cycle has this id.")
    told = [stories.tell(order) for order in story.orders]
    return answer(
        "cycles/show.html",
        "cycles/_story.html",
        version=version_of(story, [one.version for one in told]),
        story=story,
        told=told,
        quiet=None if told else quiet(story),
        neighbours=None if story.cycle is None else surroundings.cycles_beside(session, story.cycle),
        poll=POLL_SECONDS if any(one.open for one in told) else 0,
    )


def quiet(story: CycleStory) -> Quiet | None:
    """A cycle without an order; None when another program left nothing but a signal."""
    cycle, tick = story.cycle, story.tick
    if cycle is None:
        return None
    halted = cycle["reason"] == "KILL_SWITCH_ACTIVE"
    halt = surroundings.halt_at(db.session(), cycle["created_at"]) if halted else None
    mid = None if tick is None else tick["mid_price"]
    return Quiet(
        outcome=why(story, halt),
        stages=stages.silent(cycle, tick),
        chart=candle_chart.moment(cycle["symbol"], cycle["created_at"], mid, filters.page_now()),
        halt=halt,
    )


def why(story: CycleStory, halt: Any) -> Markup:
    """In one sentence why nothing was done."""
    cycle = story.cycle
    if cycle is None:
        return Markup("")
    reason = cycle["reason"]
    if reason == "KILL_SWITCH_ACTIVE":
        return halted_by(halt)
    if reason == "STALE_MARKET_DATA":
        return too_old(story)
    if cycle["outcome"] == "no_signal":
        by = f" by {cycle['strategy']}" if cycle["strategy"] else ""
        return Markup("Nothing was proposed{}. {}").format(by, filters.in_words(reason) if reason else NO_SIGNAL)
    return Markup("{}").format(filters.in_words(reason) if reason else "What became of it was not recorded.")


def halted_by(halt: Any) -> Markup:
    """Who had halted the desk, and why."""
    if halt is None:
        return Markup("The desk was halted, so nobody was asked.")
    reason = f": “{halt['reason']}”" if halt["reason"] else ""
    return Markup("The desk was halted, so nobody was asked. It had been since {}, by {}{}.").format(
        filters.when(halt["created_at"]), halt["actor"] or "somebody unknown", reason
    )


def too_old(story: CycleStory) -> Markup:
    """How old the newest quote was, and how old it might have been."""
    cycle = story.cycle
    if cycle is None or story.tick is None:
        symbol = "" if cycle is None else f" of {cycle['symbol']}"
        return Markup("There was no quote{} yet, so nobody was asked.").format(symbol)
    rules = surroundings.rulebook(db.session(), cycle)
    old = measured(seconds(cycle["created_at"] - story.tick["event_at"]), "s")
    allowed = "" if rules.then is None else f"; the limit was {rules.then.stale_after_seconds} s"
    return Markup("The newest quote of {} was {} old{}, so nobody was asked.").format(cycle["symbol"], old, allowed)
