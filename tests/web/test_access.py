"""Who may come where: every route and method there is, for everybody there can be, from one table."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.api.conftest import ALL
from tests.api.test_access import TABLE as API
from tests.support import csrf_token
from webapp import create_app
from webapp.config import Config
from webapp.domain.errors import Conflict
from webapp.extensions import db

NOBODY = "00000000-0000-7000-8000-000000000000"
VALUES = {"kind": "csv", "symbol": "SOL-USDC", "filename": "css/base.css", "name": "desk.css"}
PAGES = {
    "all": """
        GET /login · POST /login · GET /login/oidc · GET /login/oidc/callback
        GET /logout · POST /logout · POST /choices · GET /offline
        GET /healthz · GET /readyz · GET /metrics · GET /static/<path:filename> · GET /static/bundle/<name>
        GET /share/<secret>
        """,
    "reader": """
        GET / · GET /find · GET /system/
        GET /portfolio/ · GET /portfolio.csv · GET /portfolio.json · GET /portfolio/chart · GET /portfolio/chart.json
        GET /positions/ · GET /positions.csv · GET /positions.json
        GET /market/ · GET /market.csv · GET /market.json · GET /market/<symbol> · GET /market/<symbol>/chart
        GET /market/<symbol>.<any(csv, json):kind> · GET /market/<symbol>/candles.json · GET /market/<symbol>/quote
        GET /orders/ · GET /orders.csv · GET /orders.json
        GET /orders/<uuid:order_id> · GET /orders/<uuid:order_id>/fills
        GET /fills/ · GET /fills.csv · GET /fills.json
        GET /signals/ · GET /signals.csv · GET /signals.json
        GET /cycles/ · GET /cycles.csv · GET /cycles.json · GET /cycles/<uuid:cycle_id>
        GET /risk/ · GET /risk.csv · GET /risk.json
        GET /risk/policy · GET /risk/policy.csv · GET /risk/policy.json
        GET /kill-switch/ · GET /kill-switch.csv · GET /kill-switch.json · GET /kill-switch/now · GET /kill-switch/state
        GET /kill-switch/events/<uuid:event_id> · GET /kill-switch/events/<uuid:event_id>.json
        GET /smoke-runs/ · GET /smoke-runs.csv · GET /smoke-runs.json
        """,
    "viewer": """
        GET /account/ · POST /account/password · POST /account/sessions/<uuid:session_id>/end
        POST /account/sessions/end-others
        """,
    "operator": """
        GET /shares/ · POST /shares/ · POST /shares/<uuid:link_id>/revoke
        GET /positions/<symbol>/closing · POST /positions/<symbol>/closing
        POST /kill-switch/on · POST /kill-switch/off · POST /orders/<uuid:order_id>/cancellation · POST /smoke-runs/
        """,
    "admin": """
        GET /admin/ · GET /admin/acts/ · GET /admin/acts.csv · GET /admin/acts.json
        POST /admin/people · GET /admin/people/<name> · POST /admin/people/<name>/role
        POST /admin/people/<name>/password · POST /admin/people/<name>/disable · POST /admin/people/<name>/enable
        POST /admin/people/<name>/sessions/end
        POST /admin/bots · GET /admin/bots/<name> · POST /admin/bots/<name>/pause · POST /admin/bots/<name>/resume
        POST /admin/bots/<name>/caps · POST /admin/bots/<name>/revoke
        POST /risk/policy · POST /risk/policy/preview
        """,
}
"""Each page and act by who may come: everybody; whoever may look at the desk (a login, or anybody where PUBLIC_READ is
yes); people with that role or a higher one. The calls of /v1 by scope stand in `tests/api/test_access.py`."""
TABLE = {
    line.strip(): who
    for who, lines in PAGES.items()
    for row in lines.splitlines()
    for line in row.split("·")
    if line.strip()
}
PEOPLE = ("viewer", "operator", "admin")
KNOWN: WeakKeyDictionary[FlaskClient, str] = WeakKeyDictionary()
ALLOWED = {
    "all": {"nobody", "reader", *PEOPLE},
    "reader": {"reader", *PEOPLE},
    "viewer": {*PEOPLE},
    "operator": {"operator", "admin"},
    "admin": {"admin"},
}


def routes(app: APIFlask) -> dict[str, str]:
    """`METHOD rule` of every route of the pages, with an address it leads to."""
    found = {}
    for rule in app.url_map.iter_rules():
        built = rule.build({name: VALUES.get(name, NOBODY) for name in rule.arguments})
        assert built is not None
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            found[f"{method} {rule.rule}"] = built[1]
    return found


def came_in(answer: TestResponse) -> bool:
    """Whether whoever asked was let in, whatever came of it there."""
    if answer.status_code == 303 and (answer.location or "").startswith("/login?next="):
        return False
    assert answer.status_code < 500, answer.text[:500]
    return answer.status_code not in (401, 403)


def own_token(client: FlaskClient) -> str:
    """What a form of this client's session carries; fetched once."""
    if client not in KNOWN:
        with client.get("/logout") as page:
            KNOWN[client] = csrf_token(page.text)
    return KNOWN[client]


def ask(client: FlaskClient, line: str, path: str, headers: dict[str, str] | None = None) -> TestResponse:
    """One request, with a token of the asker's own session if it is a form."""
    method = line.split(maxsplit=1)[0]
    form = None
    if method != "GET":
        form = {"csrf_token": own_token(client)}
    return client.open(path, method=method, data=form, headers=headers)


@pytest.fixture
def open_desk(settings: Config) -> APIFlask:
    app = create_app(settings)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def app(settings: Config) -> APIFlask:
    """The desk that people log in to, which is closed to everybody else."""
    app = create_app(settings.model_copy(update={"public_read": False}))
    yield app
    with app.app_context():
        db.engine.dispose()


def test_every_route_is_in_the_table(app: APIFlask) -> None:
    below = {f"{line.split()[0]} {line.split()[1]}" for line in API}
    found = routes(app)
    undeclared = [line for line in found if line not in TABLE and f"{line.split()[0]} {found[line]}" not in below]
    assert undeclared == []
    assert [line for line in TABLE if line not in found] == []


def test_everybody_gets_in_where_the_table_says_and_nowhere_else(
    app: APIFlask,
    open_desk: APIFlask,
    logged_in: Callable[[str], FlaskClient],
    bearer: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def not_now(*_: object, **__: object) -> None:
        raise Conflict("not in a test")

    monkeypatch.setattr("webapp.services.smoke.run", not_now)
    askers = {"nobody": app.test_client(), "reader": open_desk.test_client()} | {who: logged_in(who) for who in PEOPLE}
    token = bearer(*ALL)
    wrong = []
    paths = routes(app)
    last = [line for line in TABLE if line.endswith("/logout")]
    for line in [*(line for line in TABLE if line not in last), *last]:
        for who, client in askers.items():
            with ask(client, line, paths[line]) as answer:
                if came_in(answer) != (who in ALLOWED[TABLE[line]]):
                    wrong.append(f"{who}: {line} -> {answer.status_code}")
                if who in PEOPLE and not came_in(answer):
                    assert answer.status_code == 403
        # A bot's token opens no page, whatever its scopes.
        with ask(askers["nobody"], line, paths[line], token) as answer:
            if came_in(answer) != (TABLE[line] == "all"):
                wrong.append(f"a token: {line} -> {answer.status_code}")
    assert wrong == []


def test_a_login_opens_no_call_of_the_api(logged_in: Callable[[str], FlaskClient]) -> None:
    client = logged_in("admin")
    for line, scope in API.items():
        method, path, *_ = line.split()
        assert (client.open(path, method=method, json={}).status_code == 401) == (scope is not None), line


def test_release_needs_the_role_that_was_set(
    settings: Config, logged_in: Callable[[str], FlaskClient], app: APIFlask
) -> None:
    app.config["PAPERDESK"] = settings.model_copy(update={"release_role": "admin"})
    assert ask(logged_in("operator"), "POST", "/kill-switch/off").status_code == 403
    assert ask(logged_in("admin"), "POST", "/kill-switch/off").status_code == 422


@pytest.mark.parametrize(
    ("endpoint", "method"), [("undeclared", "GET"), ("undeclared", "POST"), ("orders.new", "POST")]
)
def test_where_nobody_said_who_may_come_nobody_may(
    app: APIFlask, open_desk: APIFlask, logged_in: Callable[[str], FlaskClient], endpoint: str, method: str
) -> None:
    """Also among pages that everybody may read: what is done there needs a role."""
    for one in (app, open_desk):
        one.add_url_rule("/undeclared", endpoint, lambda: "in", methods=[method])
    assert ask(logged_in("admin"), method, "/undeclared").status_code == 403
    assert ask(app.test_client(), method, "/undeclared").status_code == 303
    assert ask(open_desk.test_client(), method, "/undeclared").status_code == (403 if method == "GET" else 303)
