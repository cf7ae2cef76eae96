"""The doors of the desk, as an admin keeps them: people, bots and their acts."""

import pytest

from tests.pages.test_session import is_in
from tests.support import PASSWORD
from webapp.domain.acts import ACTS
from webapp.queries import bots
from webapp.services import access, tokens

NEW = "four other words entirely"
PAGES = ("/admin/", "/admin/people/admin", "/admin/bots/my-bot", "/admin/acts/", "/admin/acts.csv", "/admin/acts.json")


@pytest.fixture
def admin(logged_in):
    return logged_in("admin")


@pytest.fixture
def bot(session):
    """A bot with a token; its secret."""
    return tokens.create_token(session, "my-bot", ["read", "trade"], "user:ada")[1]


def send(visit, client, path, form, status=303, **typed):
    """Fill a form of a page and send it, as a browser would."""
    page = visit(path, client=client)
    data, action = page.fill(form, **typed), page.form(form)["action"]
    if status == 303:
        answer = client.post(action, data=data)
        assert (answer.status_code, answer.location) == (303, path), answer.text[:2000]
        return visit(path, client=client)
    return visit(action, client=client, post=data, status=status)


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_for_admins_only(client, logged_in, bot, path):
    assert client.get(path).status_code == 303
    for role, status in (("viewer", 403), ("operator", 403), ("admin", 200)):
        who = logged_in(role)
        assert who.get(path).status_code == status, role
        assert ('href="/admin/"' in who.get("/orders/").text) is (role == "admin")


def test_first_page_shows_people_bots_links_and_acts(visit, admin, bot):
    page = visit("/admin/", client=admin, title="Admin", queries=8)

    (person,) = page.table("users")
    assert (person["name"], person["role"], person["status"], person["sessions"]) == ("admin", "admin", "active", "1")
    assert page.table("tokens")[0]["name"] == "my-bot"
    assert page.table("share_links") == []
    assert [row["act"] for row in page.table("acts")] == ["token_created", "login", "user_created"]
    assert bot not in page.response.text


def test_admin_finds_the_admin_page_and_others_do_not(admin, logged_in):
    assert admin.get("/find?q=admin").location == "/admin/"
    assert logged_in("operator").get("/find?q=admin").status_code == 404


class TestPeople:
    def test_somebody_new_may_log_in(self, visit, admin, session):
        page = send(visit, admin, "/admin/", "user-create", name="olga", password=NEW, role="operator")

        assert "olga may log in as operator." in page.text
        assert access.authenticate(session, "olga", NEW).role == "operator"

    @pytest.mark.parametrize(
        ("typed", "field"),
        [
            ({"name": "no spaces"}, "name"),
            ({"password": "short"}, "password"),
            ({"password": "olga-olga-1"}, "password"),
        ],
    )
    def test_what_makes_no_sense_is_told_at_its_field(self, visit, admin, typed, field):
        form = {"name": "olga", "password": NEW, "role": "operator", **typed}
        page = send(visit, admin, "/admin/", "user-create", 422, **form)

        assert page.dom.one(id=f"user-create-{field}")["aria-invalid"] == "true"
        assert page.dom.one(id="user-create-name")["value"] == form["name"]
        assert form["password"] not in page.response.text
        assert [row["name"] for row in page.table("users")] == ["admin"]

    def test_name_in_use_is_said(self, visit, admin):
        page = send(visit, admin, "/admin/", "user-create", name="admin", password=NEW, role="viewer")

        assert "Nothing was changed: a user named admin exists." in page.text

    def test_role_password_and_access_change_and_end_their_sessions(self, visit, admin, logged_in, session):
        path = "/admin/people/operator"
        for form, typed, told in (
            ("user-role", {"role": "viewer"}, "operator is viewer."),
            ("user-password", {"password": NEW}, "operator has the new password"),
            ("user-sessions-end", {}, "Browsers of operator logged out: 1."),
            ("user-disable", {}, "operator is out and may not log in."),
        ):
            theirs = logged_in("operator")
            assert is_in(theirs)
            assert told in send(visit, admin, path, form, **typed).text, form
            assert not is_in(theirs), form
        assert "operator may log in again." in send(visit, admin, path, "user-enable").text
        assert access.authenticate(session, "operator", PASSWORD) is not None

    def test_last_admin_is_not_locked_out(self, visit, admin):
        path = "/admin/people/admin"
        for form, typed in (("user-role", {"role": "viewer"}), ("user-disable", {})):
            assert "admin is the last admin" in send(visit, admin, path, form, **typed).text
        assert visit(path, client=admin).dom.one(id="user-role-role").one("option", selected=None)["value"] == "admin"

    def test_admin_who_takes_the_role_from_themself_stays_in_as_what_they_are_now(self, visit, admin, session):
        access.create_user(session, "ada", PASSWORD, "admin")
        data = visit("/admin/people/admin", client=admin).fill("user-role", role="operator")
        admin.post("/admin/people/admin/role", data=data)

        assert is_in(admin)
        assert admin.get("/admin/").status_code == 403

    def test_nobody_by_that_name_is_a_404(self, visit, admin):
        visit("/admin/people/nobody", client=admin, status=404)


class TestBots:
    def test_token_is_shown_once_and_works(self, visit, admin, session):
        page = visit("/admin/", client=admin)
        data = page.fill("token-create", name="bot-2", days="7", max_order_notional="250.5", cycles_per_minute="6")
        made = visit("/admin/bots", client=admin, post=data, status=201)
        secret = made.dom.one("code", data_secret=None).text

        token = tokens.token_for(session, secret)
        assert (token.name, token.scopes, token.created_by) == ("bot-2", ("read",), "user:admin")
        assert (str(token.max_order_notional), token.cycles_per_minute) == ("250.50000000", 6)
        assert (token.expires_at - token.created_at).days in (6, 7)
        for path in ("/admin/", "/admin/bots/bot-2", "/admin/acts/"):
            assert secret not in visit(path, client=admin).response.text

    @pytest.mark.parametrize(
        ("typed", "field", "status"),
        [
            ({"name": "my-bot"}, "name", 409),
            ({"name": ""}, "name", 422),
            ({"max_order_notional": "0"}, "max_order_notional", 422),
            ({"max_order_notional": "1e9"}, "max_order_notional", 422),
            ({"cycles_per_minute": "six"}, "cycles_per_minute", 422),
            ({"days": "3"}, "days", 422),
            ({"scopes": "fly"}, "scopes", 422),
        ],
    )
    def test_token_that_makes_no_sense_is_refused(self, visit, admin, bot, session, typed, field, status):
        data = visit("/admin/", client=admin).fill("token-create", **{"name": "bot-2", **typed})
        page = visit("/admin/bots", client=admin, post=data, status=status)

        assert page.form("token-create").all("strong", class_="error") or field == "days"
        session.rollback()
        assert [found.name for found in bots.scoreboard(session)] == ["my-bot"]

    def test_bot_is_paused_capped_resumed_and_revoked(self, visit, admin, bot, session):
        path = "/admin/bots/my-bot"
        page = send(visit, admin, path, "token-pause", reason="runs wild")
        assert "by user:admin: runs wild" in page.text
        assert "my-bot may go on." in send(visit, admin, path, "token-resume").text
        page = send(visit, admin, path, "token-caps", max_order_notional="50", cycles_per_minute="3")
        assert "50.00 USDC an order, 3 cycles a minute" in page.text
        page = send(visit, admin, path, "token-caps", max_order_notional="", cycles_per_minute="")
        assert "none of its own" in page.text
        assert tokens.token_for(session, bot) is not None
        refused = send(visit, admin, path, "token-revoke", 422, confirm="my-bt")
        assert refused.dom.one(id="token-revoke-confirm")["aria-invalid"] == "true"
        page = send(visit, admin, path, "token-revoke", confirm="my-bot")
        assert not page.has_form("token-pause")
        session.rollback()
        assert tokens.token_for(session, bot) is None
        told = visit("/admin/acts/?actor=user:admin", client=admin).table("acts")
        acts = ["token_revoked", "token_capped", "token_capped", "token_resumed", "token_paused", "login"]
        assert [row["act"] for row in told] == acts
        assert {row["subject"] for row in told if row["act"] != "login"} == {"token:my-bot"}

    def test_pause_without_a_reason_is_refused(self, visit, admin, bot):
        page = send(visit, admin, "/admin/bots/my-bot", "token-pause", 422, reason=" ")

        assert page.dom.one(id="token-pause-reason")["aria-invalid"] == "true"


class TestActs:
    def test_list_has_filters_pages_and_twins(self, visit, admin, bot):
        page = visit("/admin/acts/?act=token_created", client=admin, title="Acts")
        (row,) = page.table("acts")
        assert (row["actor"], row["subject"]) == ("user:ada", "token:my-bot")
        assert "scopes: read, trade" in page.shown("acts")[0]["details"]
        choices = [option["value"] for option in page.form("filters").one("select", name="act").all("option")]
        assert choices == ["", *ACTS]

        first = visit("/admin/acts/?limit=2", client=admin)
        older = visit(first.dom.one("a", rel="next")["href"], client=admin)
        assert [row["act"] for row in older.table("acts")] == ["user_created"]
        items = admin.get("/admin/acts.json?actor=user:ada").get_json()["items"]
        assert [item["details"]["scopes"] for item in items] == [["read", "trade"]]
        assert admin.get("/admin/acts.csv").text.count("\n") == 4

    @pytest.mark.parametrize("query", ["act=breathe", "actor=Robert'); --", "actor=%00", "status=x"])
    def test_filter_that_is_none_is_refused(self, visit, admin, query):
        visit(f"/admin/acts/?{query}", client=admin, status=422)


ACTING = (
    *("/admin/people", "/admin/people/admin/role", "/admin/people/admin/password", "/admin/people/admin/disable"),
    *("/admin/people/admin/enable", "/admin/people/admin/sessions/end", "/admin/bots", "/admin/bots/my-bot/pause"),
    *("/admin/bots/my-bot/resume", "/admin/bots/my-bot/caps", "/admin/bots/my-bot/revoke"),
)


def test_nothing_is_done_by_others_or_without_a_csrf_token(visit, admin, logged_in, bot, session):
    operator = logged_in("operator")
    token = {"csrf_token": visit("/account/", client=operator).fill("password-change")["csrf_token"]}
    typed = {"name": "eve", "password": NEW, "role": "admin", "reason": "x", "confirm": "my-bot", "scopes": "admin"}
    before = admin.get("/admin/acts.json").get_json()["items"]
    for path in ACTING:
        assert operator.post(path, data={**token, **typed}).status_code == 403, path
        assert admin.post(path, data=typed).status_code == 400, path

    assert admin.get("/admin/acts.json").get_json()["items"] == before
