"""NAV over time: a chart, what it adds up to by month, day and symbol, and the snapshots behind it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from flask import Blueprint, Response, g, jsonify, make_response, redirect, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from webapp.domain.errors import BadInput
from webapp.domain.moments import floor
from webapp.extensions import db
from webapp.pages import nav_chart, performance, pnl_calendar
from webapp.pages.filtering import address
from webapp.pages.lists import ListPage, context_of, install_twins
from webapp.queries import portfolio
from webapp.queries.portfolio import DEFAULT_RANGE, RANGES, Window
from webapp.queries.trades import traded
from webapp.web import choices, filters
from webapp.web.htmx import answer, unchanged, version_of, wants_fragment
from webapp.web.params import ListParams, list_params

bp = Blueprint("portfolio", __name__)
TEMPLATES: Final = ("portfolio/index.html", "portfolio/_figures.html")
CHART_TEMPLATES: Final = ("portfolio/index.html", "portfolio/_chart.html")
CHART_ARGS: Final = ("range", "from", "to", "hold")
OWN_ARGS: Final = ("range", "hold", "month", "pnl")
HOLD: Final = ("on", "off")
CHART_POLL: Final = 15


class SnapshotPage(ListPage):
    """The list of snapshots, which a named range bounds too."""

    def read(self) -> ListParams:
        params = list_params(request.args, self.listing, also=OWN_ARGS)
        holds(), pnl_calendar.chosen_month(), pnl_calendar.chosen_symbol()
        name = chosen_range()
        if name is None:
            return params
        view = window(name, params)
        bounds = {} if view is None else {"from": view.start, "to": view.end}
        return replace(params, filters={**params.filters, **bounds})


PAGE: Final = SnapshotPage("snapshots", "/portfolio", "portfolio")
install_twins(bp, PAGE)


def chosen_range() -> str | None:
    """The named range asked for; None when there is none. 422 for anything but one of RANGES, alone."""
    given = one_of("range", RANGES)
    if given is not None and (request.args.get("from") or request.args.get("to")):
        raise BadInput("range", "cannot stand beside `from` and `to`")
    return given


def one_of(name: str, allowed: Collection[str]) -> str | None:
    """An argument that is one of a few words; None when it is not given."""
    given = request.args.getlist(name)
    if given in ([], [""]):
        return None
    if len(given) > 1:
        raise BadInput(name, "is given more than once")
    if given[0] not in allowed:
        raise BadInput(name, f"must be one of {', '.join(allowed)}")
    return given[0]


def holds() -> bool:
    """Whether the benchmark is drawn; it is unless the reader put it away."""
    return one_of("hold", HOLD) != "off"


def window(name: str | None, params: ListParams) -> Window | None:
    """The part of the history this request is about, read once."""
    if "portfolio_window" not in g:
        bounds = params.filters.get("from"), params.filters.get("to")
        g.portfolio_window = portfolio.window(db.session(), name or DEFAULT_RANGE, *bounds)
    found: Window | None = g.portfolio_window
    return found


@bp.get("/portfolio/")
def index() -> Response:
    """Chart, statistics, calendar and table; only the window is read for a reader who has seen the last snapshot."""
    name = chosen_range()
    params = PAGE.read()
    view = window(name, params)
    version = version_of(view and (view.newest["snapshot_id"], view.closing, view.opening), request.args)
    if unchanged(version):
        return answer(*TEMPLATES, version=version)
    context = context_of(PAGE)
    if view is not None:
        traded_ = traded(db.session(), view.start, view.end)
        found = portfolio.performance(db.session(), view)
        context |= {"groups": performance.groups(view, found, traded_)}
        context |= pnl_calendar.context(view, traded_, request.args)
        context |= {} if wants_fragment() else picture(view, name)
    custom = name is None and bool(params.filters)
    chosen = "" if custom else name or DEFAULT_RANGE
    return answer(
        *TEMPLATES,
        **context | {"version": version},
        view=view,
        custom=custom,
        ranges=[(text, _at({"range": text}), text == chosen) for text in RANGES],
    )


@bp.get("/portfolio/chart")
def chart() -> AnyResponse:
    """The chart alone, for the live block; whoever asks for it as a page gets the page it is on."""
    _only_chart_args()
    name = chosen_range()
    view = window(name, PAGE.read())
    if not wants_fragment() or view is None:
        return redirect(address("/portfolio/", request.args))
    version = chart_version(view)
    if unchanged(version):
        return answer(*CHART_TEMPLATES, version=version)
    return answer(*CHART_TEMPLATES, version=version, view=view, **picture(view, name))


@bp.get("/portfolio/chart.json")
def points() -> Response:
    """What the crosshair reads, thinned as the picture is."""
    _only_chart_args()
    name = chosen_range()
    view = window(name, PAGE.read())
    if view is None:
        return jsonify(fields=[], unit="USDC", points=[])
    tag = version_of(chart_version(view), choices.chosen("clock"))
    if request.if_none_match.contains_weak(tag):
        response = make_response("", 304)
    else:
        response = jsonify(nav_chart.document(view, hold=holds()))
    response.set_etag(tag)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def picture(view: Window, name: str | None) -> dict[str, Any]:
    """The chart as the server draws it, with the addresses around it."""
    around = nav_chart.neighbours(view)
    links = {key: _at(_bounds(*ends)) for key, ends in around.items() if ends}
    links["hold"] = _at(_here(), hold="off" if holds() else "")
    links["whole"] = _at({"range": "all"})
    return {
        **nav_chart.context(view, links, hold=holds()),
        "chart_version": chart_version(view),
        "chart_url": address("/portfolio/chart", _chart_args()),
        "points_url": address("/portfolio/chart.json", _chart_args()),
        "zoom_url": _at({}),
        # A range that is over does not change any more.
        "chart_poll": CHART_POLL if view.end >= view.newest["captured_at"] else 0,
    }


def chart_version(view: Window) -> str:
    """What the picture depends on: the snapshots at both ends, and the column in which it begins."""
    begin = floor(view.start, portfolio.column_width(view.end - view.start))
    return version_of(view.name, view.closing, view.opening[1], begin, holds())


def _bounds(start: datetime, end: datetime) -> dict[str, str]:
    """A stretch of time as arguments, in whole seconds that hold all of it."""
    up = end if end.microsecond == 0 else end.replace(microsecond=0) + timedelta(seconds=1)
    return {"from": filters.iso(start.replace(microsecond=0)), "to": filters.iso(up)}


def _here() -> dict[str, str]:
    """The range of this request as arguments."""
    return {name: request.args[name] for name in ("range", "from", "to") if request.args.get(name)}


def _at(bounds: Mapping[str, str], **changed: str) -> str:
    """The page at another range, with what else the reader chose."""
    kept = {"hold": request.args.get("hold", "")} | changed
    return address("/portfolio/", MultiDict({**bounds, **kept}))


def _chart_args() -> MultiDict[str, str]:
    """As much of this request's query as the chart takes."""
    return MultiDict({name: request.args[name] for name in CHART_ARGS if name in request.args})


def _only_chart_args() -> None:
    for argument in request.args:
        if argument not in CHART_ARGS:
            raise BadInput(argument, "is not a parameter of the chart")


@bp.app_template_filter("digits")
def digits(value: Decimal | None) -> str:
    """A figure as a machine reads it: 18 decimals, empty where it is undefined."""
    return "" if value is None else format(value, ".18f")


bp.add_app_template_filter(pnl_calendar.compact, "compact")
