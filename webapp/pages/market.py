"""Quotes: the newest of each symbol with its age and last hour; one symbol with candles, gaps, quality, every tick."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from flask import Blueprint, Response, abort, jsonify, redirect, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from webapp.domain.errors import BadInput
from webapp.domain.market import check_symbol
from webapp.domain.policy import Policy
from webapp.extensions import db
from webapp.pages import market_view
from webapp.pages.filtering import address
from webapp.pages.lists import ListPage, context_of, install_twins
from webapp.pages.market_view import View
from webapp.queries import market, quality
from webapp.queries.market import LatestQuote
from webapp.services import policy
from webapp.web import choices, filters
from webapp.web.htmx import answer, unchanged, version_of, wants_fragment
from webapp.web.params import ListParams, list_params
from webapp.web.plot.candles import candle_points
from webapp.web.plot.spark import Spark, spark

bp = Blueprint("market", __name__)
INDEX: Final = ("market/index.html", "market/_quotes.html")
SYMBOL: Final = ("market/show.html", "market/_ticks.html")
QUOTE: Final = ("market/_quote.html", "market/_quote.html")
CHART: Final = ("market/_chart.html", "market/_chart.html")
REDRAW_SECONDS: Final = 15
"""A quote goes stale without any new row, so a live block is drawn again at least this often."""
TAPE: Final = timedelta(hours=1)
TAPE_GAP: Final = timedelta(minutes=2)


@dataclass(frozen=True)
class Tape:
    """The last hour of one symbol: its line, and how far the mid has come since the first minute in it, as a ratio."""

    spark: Spark | None
    change: Decimal | None


@dataclass(frozen=True)
class TickPage(ListPage):
    """The ticks of one symbol, on its own page; `range` belongs to the chart above them."""

    symbol: str = ""

    def read(self) -> ListParams:
        if "symbol" in request.args:
            raise BadInput("symbol", "is in the address already")
        params = list_params(request.args, self.listing, also=("range",))
        market_view.chosen_range()
        return replace(params, filters={**params.filters, "symbol": self.symbol})


PAGE: Final = ListPage("ticks", "/market", "market")
install_twins(bp, PAGE)


@bp.get("/market/")
def index() -> Response:
    """Without a filter one row a symbol; with one, every tick that passes it."""
    params = PAGE.read()
    session = db.session()
    now, newest = market.newest_tick(session)
    version = version_of(newest, int(now.timestamp()) // REDRAW_SECONDS, request.args)
    if unchanged(version):
        return answer(*INDEX, version=version)
    filters.measure_ages_at(now)
    in_force = policy.current(session).policy
    # A list of ticks as soon as anything narrows or pages it; else the newest of each symbol is the list.
    listing = bool(params.filters or params.after or request.args.get("limit"))
    quotes = [] if listing else market.newest_quotes(session, stale_after(in_force), now)
    return answer(
        *INDEX,
        **context_of(PAGE) | {"version": version},
        quotes=quotes,
        tapes=tapes(quotes, now),
        cut=len(quotes) == market.MOST_SYMBOLS,
        listing=listing,
        symbol=params.filters.get("symbol"),
        in_force=in_force,
        replays=[] if wants_fragment() else quality.replays(session),
        engine=None if wants_fragment() else quality.engine(session),
    )


def stale_after(in_force: Policy) -> timedelta:
    """The age from which a quote is stale."""
    return timedelta(seconds=in_force.stale_after_seconds)


def tapes(quotes: list[LatestQuote], now: datetime) -> dict[str, Tape]:
    """The last hour of each symbol; the line ends where the quotes do."""
    symbols = [quote.tick["symbol"] for quote in quotes]
    minutes = quality.minutes(db.session(), symbols, now - TAPE, now)
    return {
        symbol: Tape(spark(found, now - TAPE, now, TAPE_GAP), found[-1].last / found[0].last - 1 if found else None)
        for symbol, found in minutes.items()
    }


def one_symbol(symbol: str) -> tuple[datetime, Policy, LatestQuote]:
    """The clock, the policy and the newest quote of a symbol; 404 for one that never had a quote."""
    session = db.session()
    in_force = policy.current(session).policy
    quote = market.newest_quote(session, known_shape(symbol), stale_after(in_force))
    if quote is None:
        abort(404, f"No quote of {symbol} has ever come in. The market page lists every symbol that is quoted.")
    now = quote.tick["now"]
    filters.measure_ages_at(now)
    return now, in_force, quote


def known_shape(symbol: str) -> str:
    """The symbol, if it could be one; what could not is not found rather than wrong."""
    try:
        return check_symbol(symbol)
    except BadInput as error:
        abort(404, f"This is no symbol: it {error.reason}.")


@bp.get("/market/<symbol>")
def show(symbol: str) -> Response:
    """One symbol: how fresh it is, its candles, what is wrong with its quotes, and every one of them."""
    now, in_force, quote = one_symbol(symbol)
    page = TickPage("ticks", "/market", "market", home=f"/market/{symbol}", symbol=symbol)
    context = context_of(page)
    if unchanged(context["version"]):
        return answer(*SYMBOL, version=context["version"])
    whole = {} if wants_fragment() else drawing(market_view.view(quote, now, page.read()))
    twin = MultiDict({"symbol": symbol, **{name: value for name, value in request.args.items() if name != "range"}})
    context |= {
        "filter_fields": [field for field in context["filter_fields"] if field[0] != "symbol"],
        "filtered": bool(set(page.read().filters) - {"symbol"}),
        "twins": [(kind.upper(), address(f"/market.{kind}", twin)) for kind in ("csv", "json")],
    }
    return answer(*SYMBOL, **context | whole | quoted(now, in_force, quote))


def quoted(now: datetime, in_force: Policy, quote: LatestQuote) -> dict[str, Any]:
    """What the block of the newest quote needs; drawn again in time, because a quote ages without any new row."""
    version = version_of(quote.tick["tick_id"], int(now.timestamp()) // REDRAW_SECONDS)
    return {"quote": quote, "in_force": in_force, "symbol": quote.tick["symbol"], "quote_version": version}


@bp.get("/market/<symbol>/quote")
def newest(symbol: str) -> AnyResponse:
    """The newest quote alone, for the live block."""
    if not wants_fragment():
        return redirect(f"/market/{known_shape(symbol)}")
    context = quoted(*one_symbol(symbol))
    return answer(*QUOTE, **context, version=context["quote_version"])


@bp.get("/market/<symbol>.<any(csv, json):kind>")
def twin(symbol: str, kind: str) -> AnyResponse:
    """The same list for programs: that of all quotes, under this symbol."""
    asked = MultiDict([("symbol", known_shape(symbol)), *request.args.items()])
    return redirect(address(f"/market.{kind}", asked))


@bp.get("/market/<symbol>/chart")
def chart(symbol: str) -> AnyResponse:
    """The chart alone, for the live block; whoever asks for it as a page gets the page it is on."""
    if not wants_fragment():
        return redirect(address(f"/market/{known_shape(symbol)}", request.args))
    now, _, quote = one_symbol(symbol)
    context = drawing(market_view.view(quote, now, chart_params()))
    return answer(*CHART, **context, version=context["chart_version"])


@bp.get("/market/<symbol>/candles.json")
def points(symbol: str) -> Response:
    """What the crosshair reads of the candles; mid prices in USDC."""
    now, _, quote = one_symbol(symbol)
    found = market_view.view(quote, now, chart_params())
    bars = market_view.bars(found)
    response = jsonify(candle_points(bars, found.width))
    response.set_etag(version_of(bars, choices.chosen("clock")))
    response.headers["Cache-Control"] = "private, no-cache"
    response.make_conditional(request)
    return response


def chart_params() -> ListParams:
    """The chart's own parameters, and no others."""
    for argument in request.args:
        if argument not in ("range", "from", "to"):
            raise BadInput(argument, "is not a parameter of the chart")
    return TickPage("ticks", "/market", "market", symbol="").read()


def drawing(found: View) -> dict[str, Any]:
    """Everything the chart's block needs."""
    drawn = market_view.draw(found)
    kept = MultiDict((name, value) for name, value in request.args.items() if name in ("range", "from", "to"))
    return {
        "view": found,
        "drawn": drawn,
        "stretch": market_view.words(found),
        "ranges": market_view.ranges(found),
        "links": market_view.links(found),
        "chart_url": address(f"/market/{found.symbol}/chart", kept),
        "points_url": address(f"/market/{found.symbol}/candles.json", kept),
        "chart_version": version_of(drawn.chart and drawn.chart.figure, drawn.gaps, drawn.quality),
        "chart_poll": 0 if found.name == "custom" else REDRAW_SECONDS,
    }
