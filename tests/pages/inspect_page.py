"""What must be true of every page, whoever wrote it. Each check returns what it found wrong."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import RequestRedirect

from tests.pages.dom import Node

LABELABLE = ("input", "select", "textarea")
# Tables that are drawn for the eye only and carry no hooks of the contract.
LEVELS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4}


def exactly_one_switch(page: Node) -> Iterator[str]:
    found = [node["data-kill-switch"] for node in page.all(data_kill_switch=None)]
    if len(found) != 1 or found[0] not in ("on", "off"):
        yield f"data-kill-switch must stand once and be on or off, found {found}"


def unique_ids(page: Node) -> Iterator[str]:
    counts = Counter(node["id"] for node in page.all(id=None))
    yield from (f"id {name!r} stands {count} times" for name, count in counts.items() if count > 1)


def references_exist(page: Node) -> Iterator[str]:
    ids = {node["id"] for node in page.all(id=None)}
    for attribute in ("for", "aria-describedby", "aria-labelledby", "popovertarget"):
        for node in page.all(**{attribute.replace("-", "_"): None}):
            yield from (f"{attribute}={name!r} names nothing" for name in node[attribute].split() if name not in ids)
    for link in page.all("a", href=None):
        if link["href"].startswith("#") and link["href"][1:] not in ids:
            yield f"link to {link['href']}, which is not on the page"


def headings_in_order(page: Node) -> Iterator[str]:
    levels = [(LEVELS[node.tag], node.text) for node in page.walk() if node.tag in LEVELS]
    if [level for level, _ in levels].count(1) != 1:
        yield f"there must be one h1: {levels}"
    for (before, _), (after, text) in itertools.pairwise(levels):
        if after > before + 1:
            yield f"heading {text!r} skips a level"
    yield from (f"an empty heading of level {level}" for level, text in levels if not text)


def inputs_are_labelled(page: Node) -> Iterator[str]:
    labels = {node["for"] for node in page.all("label", for_=None)}
    for node in page.walk():
        if node.tag not in LABELABLE or node.get("type") in ("hidden", "submit"):
            continue
        if not (node.get("id") in labels or node.get("aria-label") or node.inside("label")):
            yield f"<{node.tag} name={node.get('name')!r}> has no label"
    for node in page.walk():
        if node.tag in ("button", "a") and not (node.text or node.get("aria-label") or node.get("title")):
            yield f"<{node.tag}> says nothing: {node.attrs}"
    for node in page.all("svg", role="img"):
        if not (node.get("aria-label") or node.get("aria-labelledby")):
            yield "a picture without a name"


def nothing_inline(page: Node) -> Iterator[str]:
    for node in page.walk():
        if "style" in node.attrs or node.tag == "style":
            yield f"inline style on <{node.tag}>"
        if node.tag == "script" and not node.get("src"):
            yield "inline script"
        yield from (f"{name} on <{node.tag}>" for name in node.attrs if re.match(r"on[a-z]+$|hx-on", name))


def forms_are_sound(page: Node) -> Iterator[str]:
    for form in page.all("form"):
        method = form.get("method", "get").lower()
        if not form.get("action"):
            yield "a form without an action"
        if method == "post" and not [node for node in form.all("input", name="csrf_token") if node.get("value")]:
            yield f"the form to {form.get('action')} has no CSRF token"
        if not [node for node in form.all("button") if node.get("type", "submit") == "submit"]:
            yield f"the form to {form.get('action')} has no button"
        if "data-form" not in form.attrs and form.get("action") != "/logout":
            yield f"the form to {form.get('action')} has no data-form"


def tables_have_hooks(page: Node) -> Iterator[str]:
    for table in page.all("table", data_table=None):
        name = table["data-table"]
        for row in [row for body in table.all("tbody") for row in body.all("tr")]:
            if not row.get("data-id"):
                yield f"a row of {name} has no data-id"
            for cell in row.all("td"):
                if not cell.get("data-col"):
                    yield f"a cell of {name} has no data-col: {cell.text!r}"
                if cell.text in ("", "None", "Undefined"):
                    yield f"cell {cell.get('data-col')} of {name} reads {cell.text!r}"
        if not table.all("caption"):
            yield f"table {name} has no caption"


CHECKS: tuple[Callable[[Node], Iterator[str]], ...] = (
    exactly_one_switch,
    unique_ids,
    references_exist,
    headings_in_order,
    inputs_are_labelled,
    nothing_inline,
    forms_are_sound,
    tables_have_hooks,
)


def links(page: Node) -> Iterator[tuple[str, str]]:
    """Every address on the page with the method it is asked with."""
    attributes = (("href", "GET"), ("src", "GET"), ("hx-get", "GET"), ("hx-post", "POST"), ("action", ""))
    for node in page.walk():
        for attribute, method in attributes:
            if attribute in node.attrs and not node[attribute].startswith("#"):
                yield node[attribute], method or node.get("method", "get").upper()


def unresolved(page: Node, app: Flask) -> Iterator[str]:
    """Addresses that lead nowhere in this house, or out of it."""
    adapter = app.url_map.bind("localhost")
    for address, method in set(links(page)):
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            yield f"{address} leaves the house"
            continue
        try:
            adapter.match(parts.path, method=method)
        except RequestRedirect as redirect:
            yield f"{address} is answered by a redirect to {redirect.new_url}"
        except (MethodNotAllowed, HTTPException) as error:
            yield f"{method} {address}: {type(error).__name__}"


def problems(page: Node, app: Flask) -> list[str]:
    """All that is wrong with a page."""
    return [told for check in CHECKS for told in check(page)] + list(unresolved(page, app))
