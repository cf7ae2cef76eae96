"""`visit`: fetch a page as anybody and inspect it; every page any test fetches goes through the same eyes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.test import TestResponse

from tests.pages.dom import Node, parse
from tests.pages.inspect_page import problems
from webapp.config import Config
from webapp.extensions import db
from webapp.web.headers import HEADERS

QUERY_BUDGET = 14
"""Statements a page may send. Raise it for one page by `visit(..., queries=20)`, and say why."""


@pytest.fixture
def settings(settings: Config) -> Config:
    """A desk that everybody may read, as the demo is."""
    return settings.model_copy(update={"public_read": True})


@dataclass
class Visited:
    """A fetched and inspected page."""

    response: TestResponse
    dom: Node

    @property
    def text(self) -> str:
        return self.dom.text

    def table(self, name: str) -> list[dict[str, str]]:
        """The rows of `data-table=name` as {column: exact value}; `id` is the row's data-id."""
        return [
            {"id": row["data-id"]} | {cell["data-col"]: cell.get("data-value") for cell in row.all("td")}
            for body in self.dom.one("table", data_table=name).all("tbody")
            for row in body.all("tr")
        ]

    def shown(self, name: str) -> list[dict[str, str]]:
        """The same rows as they read."""
        return [
            {cell["data-col"]: cell.text for cell in row.all("td")}
            for body in self.dom.one("table", data_table=name).all("tbody")
            for row in body.all("tr")
        ]

    def form(self, name: str) -> Node:
        return self.dom.one("form", data_form=name)

    def has_form(self, name: str) -> bool:
        return bool(self.dom.all("form", data_form=name))

    def fill(self, name: str, /, **typed: str) -> dict[str, str]:
        """What a browser would send of a form, with some fields typed over."""
        data: dict[str, str] = {}
        for node in self.form(name).walk():
            if (
                node.tag == "input"
                and node.get("name")
                and (node.get("type") not in ("checkbox", "radio") or "checked" in node.attrs)
            ):
                data[node["name"]] = node.get("value")
            if node.tag == "select":
                chosen = [option for option in node.all("option") if "selected" in option.attrs]
                data[node["name"]] = chosen[0]["value"] if chosen else node.all("option")[0]["value"]
        return data | typed


class Visitor:
    """Fetches pages and remembers how many statements the last one cost."""

    def __init__(self, app: Flask, client: FlaskClient) -> None:
        self.app = app
        self.client = client
        self.statements: list[str] = []

    def __call__(
        self,
        path: str,
        client: FlaskClient | None = None,
        status: int = 200,
        title: str | None = None,
        queries: int = QUERY_BUDGET,
        post: dict[str, str] | None = None,
        follow: bool = False,
    ) -> Visited:
        self.statements.clear()
        who = client or self.client
        response = (
            who.get(path, follow_redirects=follow)
            if post is None
            else who.post(path, data=post, follow_redirects=follow)
        )
        assert response.status_code == status, f"{path} was answered {response.status_code}: {response.text[:2000]}"
        assert response.mimetype == "text/html"
        assert {name: response.headers.get(name) for name in HEADERS} == HEADERS
        assert "HX-Request" in response.vary or status >= 400 or path.startswith(("/log", "/find", "/offline"))
        dom = parse(response.text)
        assert problems(dom, self.app) == []
        if title is not None:
            assert dom.one("head").one("title").text == f"{title} · Paperdesk"
            assert dom.one("h1").text == title
        assert len(self.statements) <= queries, "\n".join(self.statements)
        return Visited(response, dom)


@pytest.fixture
def visit(app: Flask, client: FlaskClient) -> Iterator[Visitor]:
    """`visit("/orders/")` fetches, inspects and returns a page; `client=logged_in("operator")` as somebody."""
    visitor = Visitor(app, client)
    with app.app_context():
        engine = db.engine

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        visitor.statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield visitor
    event.remove(engine, "before_cursor_execute", note)
