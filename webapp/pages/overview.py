"""The desk at a glance: what it is worth, how near its limits it is, what it did last, and how fresh all of that is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from flask import Blueprint, Response, current_app

from webapp.domain.policy import Policy
from webapp.extensions import db
from webapp.pages import why
from webapp.pages.cycle_words import told_cycles
from webapp.pages.standing import is_stale, sources, standing
from webapp.queries import happenings, headroom, overview, recent
from webapp.queries.funnel import traffic
from webapp.queries.headroom import Limit
from webapp.queries.overview import Desk
from webapp.queries.pulse import Pulse, pulses
from webapp.web import filters
from webapp.web.htmx import answer, unchanged, version_of
from webapp.web.plot.spark import Spark, spark

bp = Blueprint("overview", __name__)
TEMPLATES: Final = ("overview/index.html", "overview/_glance.html")
REDRAW_SECONDS: Final = 15
"""Sources go stale without any new row, so the live block is drawn again at least this often."""
GAP: Final = timedelta(minutes=15)
"""Snapshots come each minute: a longer silence is a gap in the curve, not a straight line."""


@bp.get("/")
def index() -> Response:
    """One screen; the poll of a reader who has seen the newest quote costs one statement."""
    session = db.session()
    began = time.perf_counter()
    desk = overview.desk(session)
    took = time.perf_counter() - began
    version = version_of(desk.seen, int(desk.now.timestamp()) // REDRAW_SECONDS)
    if unchanged(version):
        return answer(*TEMPLATES, version=version)
    filters.measure_ages_at(desk.now)
    return answer(*TEMPLATES, version=version, **_glance(desk, took))


def _glance(desk: Desk, took: float) -> dict[str, Any]:
    session, config = db.session(), current_app.config["PAPERDESK"]
    held = overview.holdings(session)
    book = overview.book(desk, held)
    quotes = _quotes(desk, config.symbols)
    spoken = sources(desk, quotes, config.cycle_seconds, took)
    cycles = recent.last_cycles(session)
    counted = traffic(session, desk.now)
    rules: list[dict[str, Any]] = next((row["rules"] for row in cycles if row["rules"]), [])
    return {
        "desk": desk,
        "book": book,
        "held": held,
        "sources": spoken,
        "stale": {quote.symbol for quote in quotes if is_stale(desk, quote)},
        "standing": standing(desk, spoken),
        "limits": headroom.limits(desk, book, held, quotes, config.dead_man_seconds),
        "order_limits": headroom.order_limits(desk.policy, rules) if desk.policy else [],
        "last_order": next((row for row in cycles if row["order_id"] is not None), None),
        "cycles": told_cycles(cycles, desk.now),
        "traffic": counted,
        "funnel": why.rows(counted),
        "capped": why.capped(counted),
        "why": why.answer(desk, counted),
        "spark": _spark(desk),
    }


def _quotes(desk: Desk, configured: Sequence[str]) -> list[Pulse]:
    """What the engine says it is fed with is asked for; else what this process would feed it with."""
    policy = desk.policy or Policy.default()
    window = timedelta(seconds=policy.anomaly_window_seconds)
    return pulses(db.session(), desk.engine_symbols or configured, window, desk.now)


def _spark(desk: Desk) -> Spark | None:
    session, start = db.session(), desk.now - timedelta(hours=overview.SPARK_HOURS)
    halts = happenings.happenings(session, start, desk.now).halts
    level = desk.day_start_nav if desk.day_start_at else None
    curve = overview.day_curve(session, desk.now)
    return spark(curve, start, desk.now, GAP, level, _halt_bands(halts, start, desk.now))


def _halt_bands(
    halts: Sequence[happenings.Halt], start: datetime, now: datetime
) -> Iterator[tuple[datetime, datetime, str]]:
    for halt in halts:
        until = halt.until or now
        if until > start:
            lasted = filters.duration(until - halt.since)
            why_ = halt.reason or "no reason given"
            still = "" if halt.until else ", still"
            yield max(halt.since, start), until, f"halted for {lasted}{still}: {why_}"


@bp.app_template_filter("bound")
def bound(value: Decimal, unit: str) -> str:
    """A limit as it was set: whole amounts without cents."""
    if unit == "USDC" and value % 1:
        return filters.money(value)
    return filters.number(value, 0) if unit in ("USDC", "s") else filters.qty(round(value, 2))


@bp.app_template_filter("stands")
def stands(limit: Limit) -> str:
    """A limit in words: the value, the bound and their unit."""
    unit = "" if limit.unit == "ratio" else f"\u00a0{limit.unit}"
    relation = "at least" if limit.floor else "at most"
    most = f"{bound(limit.bound, limit.unit)}{unit}"
    if limit.value is None:
        return f"{relation} {most}"
    value = filters.money(limit.value) if limit.unit == "USDC" else bound(limit.value, limit.unit)
    return f"{value}, {relation} {most}" if limit.floor else f"{value} of {most}"
