"""Quotes: the newest of each symbol with its age, and, for one symbol or under filters, candles and every tick."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request

from webapp.domain.errors import BadInput
from webapp.domain.market import check_symbol
from webapp.extensions import db
from webapp.pages.lists import ListPage, address, context_of, install_twins
from webapp.queries import market
from webapp.queries.market import DEFAULT_INTERVAL, INTERVALS, Candle
from webapp.services import policy
from webapp.web import filters
from webapp.web.htmx import answer, unchanged, version_of, wants_fragment
from webapp.web.params import ListParams, list_params
from webapp.web.svg import candle_picture

bp = Blueprint("market", __name__)
TEMPLATES: Final = ("market/index.html", "market/_quotes.html")
CHART_ARGS: Final = ("symbol", "interval")
REDRAW_SECONDS: Final = 15
"""A quote goes stale without any new row, so a live block is drawn again at least this often."""


class TickPage(ListPage):
    """The list of ticks; `interval` belongs to the candles above it."""

    def read(self) -> ListParams:
        interval()
        return list_params(request.args, self.listing, also=("interval",))


PAGE: Final = TickPage("ticks", "/market", "market")
install_twins(bp, PAGE)


def interval() -> str:
    """How much time a candle covers; 422 for anything but one of INTERVALS."""
    given = request.args.getlist("interval") or [DEFAULT_INTERVAL]
    if len(given) > 1:
        raise BadInput("interval", "is given more than once")
    if given[0] not in INTERVALS:
        raise BadInput("interval", f"must be one of {', '.join(INTERVALS)}")
    return given[0]


@bp.get("/market/")
def index() -> Response:
    """Without a filter one row a symbol; with one, every tick that passes it."""
    params = PAGE.read()
    session = db.session()
    now, newest = market.newest_tick(session)
    version = version_of(newest, int(now.timestamp()) // REDRAW_SECONDS, request.args)
    if unchanged(version):
        return answer(*TEMPLATES, version=version)
    filters.measure_ages_at(now)
    in_force = policy.current(session).policy
    quotes = market.newest_quotes(session, timedelta(seconds=in_force.stale_after_seconds), now)
    symbol = params.filters.get("symbol")
    return answer(
        *TEMPLATES,
        **context_of(PAGE) | candle_context(symbol) | {"version": version},
        quotes=[quote for quote in quotes if symbol in (None, quote.tick["symbol"])],
        # A list of ticks as soon as anything narrows or pages it; else the newest of each symbol is the list.
        listing=bool(params.filters or params.after or request.args.get("limit")),
        symbol=symbol,
        stale_after=in_force.stale_after_seconds,
    )


def candle_context(symbol: str | None) -> dict[str, Any]:
    """The candles of one symbol as the server draws them; only the whole page shows them."""
    if symbol is None or wants_fragment():
        return {}
    chosen = interval()
    bars = market.candles(db.session(), symbol, chosen)
    kept = request.args.copy()
    kept.poplist("interval")
    return {
        "picture": candle_picture(bars, INTERVALS[chosen]),
        "summary": summary(symbol, chosen, bars),
        "intervals": [(text, address("/market/", kept | {"interval": text}), text == chosen) for text in INTERVALS],
        "interval": chosen,
        "chart_url": f"/market/candles.json?{urlencode({'symbol': symbol, 'interval': chosen})}",
    }


def summary(symbol: str, chosen: str, bars: Sequence[Candle]) -> str:
    """The candles in one sentence, for whoever cannot see them."""
    if not bars:
        return f"No quote of {symbol} yet."
    low, high = min(bar.low for bar in bars), max(bar.high for bar in bars)
    return (
        f"{symbol} in {len(bars)} candles of {chosen} from {bars[0].at:%d %b %Y %H:%M} to {bars[-1].at:%d %b %Y %H:%M} "
        f"UTC: from {filters.price(bars[0].open)} to {filters.price(bars[-1].close)} USDC, "
        f"lowest {filters.price(low)}, highest {filters.price(high)}."
    )


@bp.get("/market/candles.json")
def chart() -> Response:
    """The candles of a symbol: [time, open, high, low, close, quotes]; mid prices in USDC, times in UTC seconds."""
    for argument in request.args:
        if argument not in CHART_ARGS:
            raise BadInput(argument, "is not a parameter of the chart")
    chosen = interval()
    symbols = request.args.getlist("symbol")
    if len(symbols) != 1:
        raise BadInput("symbol", "must be given, once")
    bars = market.candles(db.session(), check_symbol(symbols[0]), chosen)
    response = jsonify(
        unit="USDC",
        width=INTERVALS[chosen],
        places=places(bars),
        columns=[
            [
                int(bar.at.timestamp()),
                *(trimmed(value) for value in (bar.open, bar.high, bar.low, bar.close)),
                bar.ticks,
            ]
            for bar in bars
        ],
    )
    response.set_etag(version_of(bars))
    response.headers["Cache-Control"] = "private, no-cache"
    response.make_conditional(request)
    return response


def trimmed(value: Decimal) -> str:
    """A price without the zeros that only fill the column's scale."""
    text = filters.exact(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def places(bars: Sequence[Candle]) -> int:
    """Decimals of the price scale, as many as prices of this size are shown with."""
    shown = filters.price(bars[-1].close) if bars else "0.00"
    return len(shown.partition(".")[2])
