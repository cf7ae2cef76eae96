"""One way to make a list: a listing and a folder of templates give a page, its live fragment and its twins.

`/orders/` with `orders/index.html` and `orders/_table.html` also answers `/orders.csv` and `/orders.json`, under the
same filters.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from flask import Blueprint, Response, jsonify, request, stream_with_context

from webapp.extensions import db
from webapp.pages.filtering import address, curl_of, form_of, remember
from webapp.pages.looks import LOOKS, Look
from webapp.queries import timeline
from webapp.queries.timeline import LISTINGS, Listing
from webapp.web.auth import role
from webapp.web.htmx import answer, version_of
from webapp.web.params import ListParams, cursor_text, list_params
from webapp.web.wire import csv_lines, item

POLL_SECONDS: Final = 4
Around = Callable[[list[Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class ListPage:
    """Where a list lives. `path` has no slash at its end: `/orders`. `home` is the page, when that differs."""

    name: str
    path: str
    folder: str
    around: Around | None = None
    home: str | None = None
    role: str | None = None
    """Who may see it, where that is not everybody who may look."""

    @property
    def listing(self) -> Listing:
        """The query behind it."""
        return LISTINGS[self.name]

    @property
    def url(self) -> str:
        """The address of the page itself."""
        return self.home or f"{self.path}/"

    @property
    def block(self) -> str:
        """The id of its live block."""
        return self.name.replace("_", "-")

    @property
    def look(self) -> Look:
        """How it is drawn; for those that `layouts/table.html` draws."""
        return LOOKS[self.name]

    def read(self) -> ListParams:
        """This request's parameters, checked; 422 names the field at fault."""
        return list_params(request.args, self.listing)


def install(bp: Blueprint, page: ListPage) -> None:
    """Give the blueprint the page and both twins."""

    def index() -> Response:
        context = context_of(page)
        return answer(f"{page.folder}/index.html", f"{page.folder}/_table.html", **context)

    bp.add_url_rule(page.url, "index", _for(page, index))
    install_twins(bp, page)


def install_twins(bp: Blueprint, page: ListPage) -> None:
    """Only `.csv` and `.json`, for a page that draws itself."""
    remember(page.url, page.name)
    bp.add_url_rule(f"{page.path}.csv", f"{page.name}_csv", _for(page, lambda: as_csv(page)))
    bp.add_url_rule(f"{page.path}.json", f"{page.name}_json", _for(page, lambda: as_json(page)))


def _for(page: ListPage, view: Callable[[], Response]) -> Callable[[], Response]:
    return role(page.role)(view) if page.role else view


def context_of(page: ListPage) -> dict[str, Any]:
    """All a list's templates need, its version included."""
    params = page.read()
    found = timeline.page(db.session(), page.listing, params.filters, params.limit, params.after)
    around = dict(page.around(found.rows)) if page.around else {}
    first = params.after is None
    return {
        "list": page,
        "rows": found.rows,
        "more": found.next_key is not None,
        "live_url": address(page.url, request.args),
        "poll": POLL_SECONDS if first else 0,
        "newest_url": None if first else address(page.url, request.args),
        "older_url": _older(page, found.next_key),
        "twins": [(kind.upper(), address(f"{page.path}.{kind}", request.args)) for kind in ("csv", "json")],
        "curl": curl_of(page.listing),
        **form_of(page.listing, page.url),
        "filtered": bool(params.filters),
        "version": version_of(found.rows, found.next_key, *around.values()),
        **around,
    }


def as_csv(page: ListPage) -> Response:
    """The whole list under its filters, streamed; one page of it when a limit or a cursor asks for that."""
    params = page.read()
    columns = [*page.listing.table.c.keys(), *page.listing.borrowed]
    lines = csv_lines(columns, _rows(page, params))
    # The first lines are made before the headers are sent: a database that is away is a 503, not a cut file.
    response = Response(stream_with_context(chain([next(lines)], lines)), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{page.path.strip("/").replace("/", "-")}.csv"'
    return response


def as_json(page: ListPage) -> Response:
    """One page of the list, with the cursor of the next."""
    params = page.read()
    found = timeline.page(db.session(), page.listing, params.filters, params.limit, params.after)
    return jsonify(items=[item(row) for row in found.rows], next_cursor=cursor_text(page.listing, found.next_key))


def _rows(page: ListPage, params: ListParams) -> Iterator[Any]:
    session = db.session()
    if "limit" in request.args or "cursor" in request.args:
        yield from timeline.page(session, page.listing, params.filters, params.limit, params.after).rows
        return
    for count, row in enumerate(timeline.stream(session, page.listing, params.filters), 1):
        yield row
        if count % timeline.EXPORT_CHUNK == 0:
            # A slow reader must hold neither a transaction nor a connection between two chunks.
            session.rollback()


def _older(page: ListPage, key: tuple[Any, ...] | None) -> str | None:
    return None if key is None else address(page.url, request.args, cursor_text(page.listing, key))
