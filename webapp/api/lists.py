"""The lists: one page at a time, newest first, of every table a bot may read."""

from __future__ import annotations

from flask import Response, request

from webapp.api.calls import call
from webapp.api.wire import answer, stamped
from webapp.extensions import db
from webapp.queries.timeline import LISTINGS, Listing, page
from webapp.web.params import cursor_text, list_params

SUMMARIES = {
    "ticks": ("/market/ticks", "Quotes", "By the time of the quote; late ones are kept in their place."),
    "signals": ("/signals", "Signals", "What strategies and bots said, before risk and execution."),
    "orders": ("/orders", "Orders", "Every intent and the decision on it, rejected ones included."),
    "fills": ("/fills", "Fills", "Simulated executions, one or more an order."),
    "positions": ("/positions", "Positions", "Latest holdings, by symbol."),
    "snapshots": ("/portfolio/snapshots", "NAV over time", "After each fill and on a fixed time grid."),
    "risk_events": ("/risk/events", "Risk audit", "What the risk gate said of each order, with the rules' numbers."),
    "smoke_runs": ("/devnet/smoke-runs", "Devnet smoke runs", "Operational checks, apart from the paper books."),
}


def _declare(listing: Listing, path: str, summary: str, description: str) -> None:
    def view() -> Response:
        params = list_params(request.args, listing, blank_ok=False)
        found = page(db.session(), listing, params.filters, params.limit, params.after)
        return answer(stamped({"items": found.rows, "next_cursor": cursor_text(listing, found.next_key)}))

    view.__name__ = f"list_{listing.name}"
    view.__doc__ = f"{summary}\n{description}"
    call("GET", path, scopes=("read",), listing=listing, errors=(400,))(view)


for _name, _texts in SUMMARIES.items():
    _declare(LISTINGS[_name], *_texts)
