"""NAV over time: a chart, what it adds up to, and the snapshots behind it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from flask import Blueprint, Response, g, jsonify, make_response, request

from webapp.domain.analytics import Statistics, statistics
from webapp.domain.errors import BadInput
from webapp.domain.moments import floor
from webapp.extensions import db
from webapp.pages.lists import ListPage, address, context_of, install_twins
from webapp.queries import portfolio
from webapp.queries.portfolio import DEFAULT_RANGE, RANGES, Chart, Window
from webapp.web import filters
from webapp.web.htmx import answer, unchanged, version_of, wants_fragment
from webapp.web.params import ListParams, list_params
from webapp.web.svg import nav_picture

bp = Blueprint("portfolio", __name__)
TEMPLATES: Final = ("portfolio/index.html", "portfolio/_figures.html")
CHART_ARGS: Final = ("range", "from", "to")
ANNUAL_FROM: Final = timedelta(days=1)
RATIO_DIGITS: Final = Decimal("1e-8")


class SnapshotPage(ListPage):
    """The list of snapshots, which a named range bounds too."""

    def read(self) -> ListParams:
        params = list_params(request.args, self.listing, also=("range",))
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
    given = request.args.getlist("range")
    if given in ([], [""]):
        return None
    if len(given) > 1:
        raise BadInput("range", "is given more than once")
    if given[0] not in RANGES:
        raise BadInput("range", f"must be one of {', '.join(RANGES)}")
    if request.args.get("from") or request.args.get("to"):
        raise BadInput("range", "cannot stand beside `from` and `to`")
    return given[0]


def window(name: str | None, params: ListParams) -> Window | None:
    """The part of the history this request is about, read once."""
    if "portfolio_window" not in g:
        bounds = params.filters.get("from"), params.filters.get("to")
        g.portfolio_window = portfolio.window(db.session(), name or DEFAULT_RANGE, *bounds)
    found: Window | None = g.portfolio_window
    return found


@bp.get("/portfolio/")
def index() -> Response:
    """Chart, statistics and table; nothing but the window is read for a reader who has seen the last snapshot."""
    name = chosen_range()
    params = PAGE.read()
    view = window(name, params)
    version = version_of(view and (view.newest["snapshot_id"], view.closing, view.opening), request.args)
    if unchanged(version):
        return answer(*TEMPLATES, version=version)
    context = context_of(PAGE)
    if view is not None:
        context |= figures(view)
        context |= {} if wants_fragment() else picture(view)
    custom = name is None and bool(params.filters)
    chosen = "" if custom else name or DEFAULT_RANGE
    return answer(
        *TEMPLATES,
        **context | {"version": version},
        view=view,
        custom=custom,
        ranges=[(text, f"/portfolio/?range={text}", text == chosen) for text in RANGES],
        chart_url=address("/portfolio/chart.json", chart_args()),
    )


def figures(view: Window) -> dict[str, Any]:
    """What a window adds up to."""
    performance = portfolio.performance(db.session(), view)
    return {"performance": performance, "statistics": listed(view, performance.daily), "ratio": change_ratio(view)}


def picture(view: Window) -> dict[str, Any]:
    """The chart as the server draws it, and in one sentence."""
    drawn = portfolio.chart(db.session(), view)
    return {
        "picture": nav_picture(drawn.columns, drawn.gaps),
        "summary": summary(view),
        "column_width": timedelta(seconds=drawn.width),
        "gaps": len(drawn.gaps),
        "longest_gap": max((end - start for start, end in drawn.gaps), default=None),
    }


@bp.get("/portfolio/chart.json")
def chart() -> Response:
    """The points of the chart, thinned: [time, first, low, high, last NAV, drawdown]; times are UTC seconds."""
    for argument in request.args:
        if argument not in CHART_ARGS:
            raise BadInput(argument, "is not a parameter of the chart")
    name = chosen_range()
    params = PAGE.read()
    view = window(name, params)
    if view is None:
        return jsonify(range=name or DEFAULT_RANGE, columns=[], gaps=[])
    width = portfolio.column_width(view.end - view.start)
    tag = version_of(view.name, view.closing, view.opening[1], floor(view.start, width))
    if request.if_none_match.contains(tag):
        response = make_response("", 304)
    else:
        response = jsonify(document(view, portfolio.chart(db.session(), view)))
    response.set_etag(tag)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def document(view: Window, drawn: Chart) -> dict[str, Any]:
    """A chart as its script reads it; NAV as exact decimal strings, texts as the page words them."""
    return {
        "range": view.name,
        "unit": "USDC",
        "width": drawn.width,
        "columns": [
            [
                int(column.at.timestamp()),
                *(filters.exact(value) for value in (column.first, column.low, column.high, column.last)),
                filters.exact(column.drawdown.quantize(RATIO_DIGITS)),
            ]
            for column in drawn.columns
        ],
        "gaps": [[int(start.timestamp()), int(end.timestamp())] for start, end in drawn.gaps],
        "nav": filters.money(view.closing[1]),
        "exact": filters.exact(view.closing[1]),
        "change": filters.signed(view.change),
        "ratio": filters.percent(change_ratio(view), 2, plus=True),
        "tone": filters.tone(view.change),
    }


def change_ratio(view: Window) -> Decimal | None:
    """What NAV did inside the window, as a part of where it began."""
    return view.change / view.opening[1] if view.opening[1] > 0 else None


def summary(view: Window) -> str:
    """The chart in one sentence, for whoever cannot see it."""
    return (
        f"NAV from {filters.utc(view.start):%d %b %Y %H:%M} to {filters.utc(view.end):%d %b %Y %H:%M} UTC: "
        f"from {filters.money(view.opening[1])} to {filters.money(view.closing[1])} USDC. "
        "The table below has every snapshot."
    )


def listed(view: Window, daily: Statistics) -> list[tuple[str, str, Decimal | None, str]]:
    """Name, label, value and kind of every statistic from daily closes, in reading order.

    Less than a day has no annual figures: an hour stretched to a year is a number without a meaning.
    """
    total = ("total_return", "Total return", daily.total_return, "percent")
    if view.end - view.start < ANNUAL_FROM:
        daily = statistics([])
    return [
        total,
        ("cagr", "Annual growth (CAGR)", daily.cagr, "percent"),
        ("annual_volatility", "Volatility, annual", daily.annual_volatility, "size"),
        ("downside_deviation", "Downside deviation, annual", daily.downside_deviation, "size"),
        ("sharpe", "Sharpe ratio", daily.sharpe, "ratio"),
        ("sortino", "Sortino ratio", daily.sortino, "ratio"),
        ("mean_return", "Mean daily return", daily.mean_return, "percent"),
    ]


@bp.app_template_filter("digits")
def digits(value: Decimal | None) -> str:
    """A statistic as a machine reads it: 18 decimals, empty where it is undefined."""
    return "" if value is None else format(value, ".18f")


def chart_args() -> Any:
    """As much of this request's query as the chart takes."""
    kept = request.args.copy()
    for name in set(kept) - set(CHART_ARGS):
        kept.poplist(name)
    return kept
