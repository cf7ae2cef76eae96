"""The reference page: the OpenAPI document printed as HTML on the server, without a script of its own."""

from __future__ import annotations

from flask import Response, current_app, make_response, render_template

from webapp.api import reference
from webapp.api.calls import call
from webapp.api.errors import CODES, NEXT
from webapp.api.openapi import document


@call("GET", "/docs", scopes=(), mimetype="text/html")
def get_docs() -> Response:
    """The reference page

    What `/v1/openapi.json` says, for people.
    """
    whole = document()
    config = current_app.config["PAPERDESK"]
    return make_response(
        render_template(
            "api/docs.html",
            info=whole["info"],
            groups=reference.groups(whole),
            schemas=reference.schemas(whole),
            codes=CODES,
            next=NEXT,
            reads=config.rate_limit_reads,
            writes=config.rate_limit_writes,
        )
    )
