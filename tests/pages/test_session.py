"""Logging in and out."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tests.support import PASSWORD, csrf_token
from webapp.extensions import db
from webapp.models import Act, User
from webapp.pages.session import tell_guesses
from webapp.services import access, kill_switch

WRONG = {"username": "olga", "password": "wrong"}


@pytest.fixture
def olga(session):
    return access.create_user(session, "olga", PASSWORD, "operator")


def log_in(client, target="", **typed):
    page = client.get(f"/login?next={target}" if target else "/login").text
    form = {"username": "olga", "password": PASSWORD, "next": target or "/", "csrf_token": csrf_token(page), **typed}
    return client.post("/login", data=form)


def test_login_page_has_the_form_and_the_state_of_the_switch(visit):
    page = visit("/login", title="Log in")

    assert {node["name"] for node in page.form("login").all("input")} == {"csrf_token", "next", "username", "password"}
    assert page.dom.one(data_kill_switch="off")


def test_right_password_leads_where_one_wanted_to_go(client, olga):
    answer = log_in(client, "/orders/?status=rejected")

    assert answer.status_code == 303
    assert answer.location == "/orders/?status=rejected"
    assert "olga" in client.get("/orders/").text


@pytest.mark.parametrize("typed", [{"password": "wrong"}, {"username": "nobody"}, {"password": ""}])
def test_every_wrong_login_reads_the_same(client, olga, typed):
    answer = log_in(client, **typed)

    assert answer.status_code == 422
    assert "That name and password do not belong together." in answer.text
    assert "session=" not in answer.headers.get("Set-Cookie", "") or client.get("/kill-switch/").text.count("Log in")


def test_typed_name_is_kept_and_the_password_is_not(client, olga):
    page = log_in(client, password="wrong-secret").text

    assert 'value="olga"' in page
    assert "wrong-secret" not in page


OUTSIDE = (
    *("//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)"),
    *("/\tevil", "/%09/evil.example\n", "///evil.example", "evil.example", "http:/evil.example"),
)


def test_next_never_leads_out_of_the_house(app, olga):
    for target in OUTSIDE:
        answer = log_in(app.test_client(), next=target)
        assert (answer.status_code, answer.location) == (303, "/"), target


def test_session_is_a_new_one_after_login(client, olga):
    client.get("/login")
    before = client.get_cookie("session").value
    with client.session_transaction() as planted:
        planted["planted"] = "by somebody else"
    log_in(client)

    with client.session_transaction() as session:
        assert "planted" not in session
    assert client.get_cookie("session").value != before


def cookie_of(client):
    return client.get_cookie("session").value


def with_cookie(app, value):
    """A browser that has somebody else's cookie."""
    thief = app.test_client()
    thief.set_cookie("session", value)
    return thief


def is_in(client):
    return client.get("/kill-switch/").text.count('data-form="kill-switch-on"') == 1


def test_stolen_cookie_is_dead_after_its_owner_logged_out(app, visit, logged_in, session):
    client = logged_in("operator")
    thief = with_cookie(app, cookie_of(client))
    assert is_in(thief)
    form = visit("/logout", client=client).fill("logout")
    halting = visit("/kill-switch/", client=thief).fill("kill-switch-on", reason="mischief")
    client.post("/logout", data=form)

    assert not is_in(thief)
    assert thief.post("/kill-switch/on", data=halting).location.startswith("/login")
    assert not kill_switch.state(session).enabled


def test_memory_of_who_was_seen_does_not_revive_an_ended_session(app, visit, logged_in, session, monkeypatch):
    """The pool is empty, the database is there: it is asked beside the pool, and its word counts."""
    client = logged_in("operator")
    form = visit("/kill-switch/", client=client).fill("kill-switch-on", reason="now")
    session.execute(text("UPDATE sessions SET ended_at = now()"))
    session.commit()
    with app.app_context():
        monkeypatch.setattr(db.engine.pool, "connect", pool_is_empty)
    answer = client.post("/kill-switch/on", data=form)

    assert (answer.status_code, answer.location[:6]) == (303, "/login")
    monkeypatch.undo()
    assert not kill_switch.state(session).enabled


def test_halt_works_beside_an_empty_pool(app, visit, logged_in, session, monkeypatch):
    client = logged_in("operator")
    form = visit("/kill-switch/", client=client).fill("kill-switch-on", reason="now")
    with app.app_context():
        monkeypatch.setattr(db.engine.pool, "connect", pool_is_empty)
    assert client.post("/kill-switch/on", data=form).status_code == 303

    monkeypatch.undo()
    assert kill_switch.state(session).enabled


def pool_is_empty():
    raise PoolTimeout("QueuePool limit reached")


def acts(session, act):
    session.rollback()
    return session.execute(select(Act).where(Act.act == act).order_by(Act.created_at)).scalars().all()


def test_guesses_are_written_down_without_what_was_typed_and_many_as_a_count(app, client, olga, session):
    for _ in range(7):
        log_in(client, password="a secret guess")
    log_in(client, username="correct horse battery")

    failed, throttled = acts(session, "login_failed"), acts(session, "login_throttled")
    assert [(act.actor, act.subject, act.details, act.address) for act in failed] == [
        ("nobody", "user:olga", {"times": 1}, "127.0.0.1")
    ] * 5
    assert throttled == [], "five rows a minute from one address"
    with app.app_context():
        tell_guesses()
    (rest,) = acts(session, "login_throttled")
    assert (rest.subject, rest.details) == (None, {"times": 3})


def test_fifth_wrong_try_closes_the_door_for_this_name_from_here_only(app, client, olga, session):
    access.create_user(session, "ada", PASSWORD, "admin")
    for _ in range(5):
        assert log_in(client, password="wrong").status_code == 422

    assert log_in(client).status_code == 429
    assert log_in(client, username="ada").status_code == 303
    elsewhere = app.test_client()
    token = csrf_token(elsewhere.get("/login").text)
    form = {"username": "olga", "password": PASSWORD, "csrf_token": token}
    answer = elsewhere.post("/login", data=form, environ_base={"REMOTE_ADDR": "10.0.0.9"})
    assert answer.status_code == 303


def test_login_without_csrf_token_is_refused(client, olga):
    answer = client.post("/login", data={"username": "olga", "password": PASSWORD})

    assert answer.status_code == 400
    assert "nothing was done" in answer.text


def test_disabling_somebody_ends_their_session(logged_in, session):
    client = logged_in("operator")
    assert 'data-form="kill-switch-on"' in client.get("/kill-switch/").text
    session.query(User).filter(User.name == "operator").update({"disabled_at": "2026-01-01T00:00:00Z"})
    session.commit()

    assert 'data-form="kill-switch-on"' not in client.get("/kill-switch/").text


def test_logout_asks_first_and_then_ends_the_session(visit, logged_in):
    client = logged_in("viewer")
    page = visit("/logout", client=client, title="Log out")
    assert "viewer" in client.get("/orders/").text

    answer = client.post("/logout", data=page.fill("logout"))

    assert answer.status_code == 303
    assert "Log out" not in client.get("/orders/").text


def test_logout_without_csrf_token_is_refused(logged_in):
    client = logged_in("viewer")

    assert client.post("/logout").status_code == 400
    assert "Log out" in client.get("/orders/").text


NOBODY = "00000000-0000-0000-0000-000000000000"
VALUES = {"kind": "csv"}


class TestClosedDesk:
    """PUBLIC_READ=no: nothing but the door is open."""

    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"public_read": False})

    @pytest.mark.parametrize("path", ["/orders/", "/orders.csv", "/risk/policy", "/kill-switch/", "/system/", "/nope"])
    def test_stranger_is_sent_to_the_login_page_and_back(self, client, path):
        answer = client.get(path)

        assert answer.status_code == 303
        assert answer.location == f"/login?next={path.replace('/', '%2F')}"

    def test_live_block_of_an_ended_session_is_sent_there_as_a_whole_page(self, client):
        answer = client.get("/orders/", headers={"HX-Request": "true"})

        assert answer.status_code == 204
        assert answer.headers["HX-Redirect"].startswith("/login")

    @pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/login", "/static/css/base.css"])
    def test_what_must_stay_public_does(self, client, path):
        with client.get(path) as answer:
            assert answer.status_code == 200

    def test_every_other_route_asks_for_a_login(self, app, client):
        """Default deny: also for pages nobody has thought of yet."""
        open_to_all = set()
        for rule in app.url_map.iter_rules():
            path = rule.build({name: VALUES.get(name, NOBODY) for name in rule.arguments})
            address = path[1] if path else rule.rule
            if "GET" in (rule.methods or ()) and not address.startswith(("/static/", "/v1/")):
                with client.get(address) as answer:
                    if answer.status_code != 303:
                        open_to_all.add(address)
        link = f"/share/{NOBODY}"  # answers that it opens nothing
        single_sign_on = {"/login/oidc", "/login/oidc/callback"}  # not here, where none is set
        doors = {"/login", "/logout", *single_sign_on, link}
        assert open_to_all == {"/healthz", "/readyz", "/metrics", "/offline", "/v1", *doors}

    def test_viewer_reads_everything(self, logged_in):
        client = logged_in("viewer")

        assert client.get("/orders/").status_code == 200
        assert client.get("/orders.csv").status_code == 200


ACTS = ("/kill-switch/on", "/kill-switch/off", "/risk/policy", "/smoke-runs/",
        "/orders/00000000-0000-0000-0000-000000000000/cancellation")  # fmt: skip


@pytest.mark.parametrize("path", ACTS)
def test_stranger_may_act_on_nothing(client, path):
    token = csrf_token(client.get("/login").text)
    answer = client.post(path, data={"csrf_token": token, "reason": "x", "confirm": "RELEASE"})

    assert answer.status_code == 303
    assert answer.location.startswith("/login")


@pytest.mark.parametrize("path", ACTS)
def test_viewer_may_act_on_nothing_and_is_told_why(visit, logged_in, path):
    client = logged_in("viewer")
    token = csrf_token(client.get("/logout").text)
    page = visit(path, client=client, post={"csrf_token": token, "reason": "x", "confirm": "RELEASE"}, status=403)

    assert "viewer" in page.text


@pytest.mark.parametrize("path", ACTS)
def test_nothing_is_done_without_a_csrf_token(logged_in, path):
    assert logged_in("admin").post(path, data={"reason": "x", "confirm": "RELEASE"}).status_code == 400
