"""Devnet smoke checks, beside the paper books."""

from __future__ import annotations

from flask import Response, current_app, g

from webapp.api.calls import call
from webapp.api.schemas import NothingIn
from webapp.api.wire import answer
from webapp.extensions import db
from webapp.queries.timeline import LISTINGS
from webapp.services import smoke


@call(
    "POST",
    "/devnet/smoke-runs",
    scopes=("admin",),
    body=NothingIn,
    body_optional=True,
    listing=LISTINGS["smoke_runs"],
    status=201,
    errors=(400,),
)
def post_smoke_run(body: NothingIn) -> Response:
    """Run a devnet smoke check now

    The run is recorded whatever happens; a node that cannot be reached is a `failed` run with its reason.
    """
    config = current_app.config["PAPERDESK"]
    return answer(smoke.run(db.session(), config.solana_rpc_url, by=g.actor, wallet_file=config.smoke_wallet), 201)
