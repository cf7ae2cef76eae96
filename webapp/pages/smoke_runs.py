"""Devnet smoke runs: does the chain answer, is the wallet there, does a transaction simulate."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, current_app, flash

from webapp.extensions import db
from webapp.pages.lists import ListPage, install
from webapp.pages.sparkline import line
from webapp.queries import system
from webapp.services import smoke
from webapp.web.auth import current_actor, role
from webapp.web.htmx import see_other

bp = Blueprint("smoke_runs", __name__)
HOME = "/smoke-runs/"
PASSED = (
    "The smoke run passed: the node answers, the wallet is there, a transaction simulates. Its row is marked below."
)
FAILED = "The smoke run failed; its row, marked below, says why. Paper trading is not affected."


def around(_rows: list[Any]) -> Mapping[str, Any]:
    """The latency over the latest runs, and which node is asked."""
    runs = system.smoke_latencies(db.session())
    return {
        "latency": line([(run["ran_at"], run["rpc_latency_ms"]) for run in runs]),
        "runs_drawn": len(runs),
        "failed_runs": sum(1 for run in runs if run["status"] == "failed"),
        "node_text": node_text(current_app.config["PAPERDESK"].solana_rpc_url),
    }


def node_text(url: str | None) -> str:
    """Which node is asked, without whatever key its address may carry."""
    if url is None:
        return "Node: the public Solana devnet."
    host = urlsplit(url).hostname or "unknown"
    local = host in ("127.0.0.1", "localhost", "::1")
    return f"Node: the local test chain of this demo ({host})." if local else f"Node: {host}."


install(bp, ListPage("smoke_runs", "/smoke-runs", "smoke_runs", around))


@bp.post(HOME)
@role("operator")
def create() -> Any:
    """Run the checks now; whatever comes of it is recorded."""
    config = current_app.config["PAPERDESK"]
    row = smoke.run(db.session(), config.solana_rpc_url, by=current_actor(), wallet_file=config.smoke_wallet)
    passed = row["status"] == "passed"
    flash(PASSED if passed else FAILED, "good" if passed else "bad")
    return see_other(f"{HOME}#row-{row['run_id']}")
