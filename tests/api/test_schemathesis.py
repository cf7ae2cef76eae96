"""The whole document, made into requests by Schemathesis: what it promises is kept, with a token and without one.

Every check of Schemathesis is on: no 5xx, only documented statuses, types, headers and bodies, nothing taken that the
document forbids, nothing refused that it allows. What no schema can say is put right by `mend` in requests that are
meant to be good.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from apiflask import APIFlask
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from schemathesis import GenerationMode

from tests.api.conftest import ALL
from webapp.api.schemas import ABOUT
from webapp.config import Config
from webapp.domain.errors import Conflict
from webapp.domain.policy import FIELDS
from webapp.extensions import db
from webapp.queries.timeline import LISTINGS
from webapp.services import kill_switch

RUN = dict.fromkeys(LISTINGS["smoke_runs"].kinds()) | {
    "run_id": "00000000-0000-7000-8000-000000000000",
    "status": "failed",
    "ran_at": "2026-01-31T09:30:00Z",
}
"""A smoke run that is not made, because it would ask the network."""


@pytest.fixture
def settings(settings: Config) -> Config:
    """No pace: these are more requests than a bot sends in a minute."""
    return settings.model_copy(update={"rate_limit_reads": 0, "rate_limit_writes": 0})


def mend(case: Any) -> None:
    """Make a good request of one that is good as far as a schema can tell."""
    case.query.pop("cursor", None)  # signed by the desk: nobody else can make one
    if "from" in case.query:
        case.query.pop("to", None)
    if not isinstance(case.body, dict):
        return
    if case.path == "/v1/market/ticks":  # bid under ask, and not from the future
        for tick in case.body["ticks"]:
            tick |= {"ask_price": tick["bid_price"], "event_at": "2026-01-31T09:30:00Z"}
    if case.path == "/v1/risk/policy":  # limits against each other, and bounds of amounts that are text
        for name, limit in FIELDS.items():
            if isinstance(case.body[name], str):
                case.body[name] = str(limit.minimum) if name != "starting_cash" else "10000"
        for name in ABOUT:  # anything at all, but for numbers that no desk reads
            case.body.pop(name, None)
        case.body |= {"anomaly_warn_pct": 1, "anomaly_halt_pct": 2}
        case.body |= {"stale_after_seconds": 30, "auto_halt_stale_seconds": 60}


def attack(app: APIFlask, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch, examples: int) -> None:
    """Every operation of the document with so many requests, the same ones in every run."""
    monkeypatch.setattr("webapp.api.smoke_runs.smoke.run", lambda *_, **__: RUN)
    schema = schemathesis.openapi.from_wsgi("/v1/openapi.json", app)
    for found in schema.get_all_operations():

        @how(max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=HealthCheck)
        @given(case=found.ok().as_strategy())
        def ask(case: Any) -> None:
            if case.meta.generation.mode is GenerationMode.POSITIVE:
                mend(case)
            case.call_and_validate(headers=headers | {"Accept-Encoding": "identity"})

        with app.app_context(), suppress(Conflict):
            kill_switch.release(db.engine, "what was asked before may have halted the desk", "test")
        ask()


def test_with_every_scope_the_api_is_what_its_document_says(
    app: APIFlask, bearer: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    attack(app, bearer(*ALL), monkeypatch, 12)


def test_without_a_token_nothing_is_answered_but_what_is_open_to_all(
    app: APIFlask, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack(app, {}, monkeypatch, 3)
