"""One's own account: another password, and logging other browsers out."""

import pytest

from tests.pages.test_session import is_in
from tests.support import PASSWORD
from webapp.services import access

NEW = "four other words entirely"


def change(visit, client, status=303, **typed):
    form = {"old_password": PASSWORD, "new_password": NEW, "again": NEW, **typed}
    data = visit("/account/", client=client).fill("password-change", **form)
    if status == 303:
        assert client.post("/account/password", data=data).status_code == 303
        return None
    return visit("/account/password", client=client, post=data, status=status)


def test_page_says_who_one_is_and_where_one_is_logged_in(visit, logged_in):
    first, second = logged_in("operator"), logged_in("operator")
    page = visit("/account/", client=second, title="Your account", queries=4)

    assert "You are operator , operator." in page.text
    rows = page.shown("sessions")
    assert [("this one" in row["browser"]) for row in rows].count(True) == 1
    assert {row["address"] for row in rows} == {"127.0.0.1"}
    assert is_in(first)


def test_password_change_lets_in_with_the_new_one_only_and_logs_others_out(visit, logged_in, session):
    other, mine = logged_in("operator"), logged_in("operator")
    change(visit, mine)

    assert "Your password is changed. Other browsers logged out: 1." in visit("/account/", client=mine).text
    assert (is_in(mine), is_in(other)) == (True, False)
    assert access.authenticate(session, "operator", NEW) is not None
    assert access.authenticate(session, "operator", PASSWORD) is None


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"old_password": "wrong"}, "old_password"),
        ({"again": "something else"}, "again"),
        ({"new_password": "short", "again": "short"}, "new_password"),
        ({"new_password": "operator-2026", "again": "operator-2026"}, "new_password"),
    ],
)
def test_password_that_cannot_be_changed_is_told_at_its_field_and_not_shown(visit, logged_in, session, typed, field):
    page = change(visit, logged_in("operator"), 422, **typed)

    assert page.dom.one("input", name=field)["aria-invalid"] == "true"
    assert {node.get("value") for node in page.form("password-change").all("input", type="password")} == {""}
    assert access.authenticate(session, "operator", PASSWORD) is not None


def test_old_password_cannot_be_guessed_at_a_browser_left_open(visit, logged_in, session):
    client = logged_in("operator")
    for _ in range(5):
        change(visit, client, 422, old_password="a guess")

    assert "was wrong too often" in change(visit, client, 422).text.lower()
    assert access.authenticate(session, "operator", PASSWORD) is not None


def test_one_other_browser_is_logged_out_and_then_all(visit, logged_in):
    gone, other, mine = (logged_in("operator") for _ in range(3))
    page = visit("/account/", client=mine)
    oldest = page.dom.one("table", data_table="sessions").all("tr", data_id=None)[-1]
    form = oldest.one("form", data_form="session-end")
    token = {"csrf_token": form.one("input", name="csrf_token")["value"]}
    assert mine.post(form["action"], data=token).status_code == 303
    assert [is_in(client) for client in (gone, other, mine)] == [False, True, True]

    assert mine.post("/account/sessions/end-others", data=token).status_code == 303
    assert [is_in(client) for client in (gone, other, mine)] == [False, False, True]
    assert not visit("/account/", client=mine).has_form("sessions-end-others")


def test_session_of_somebody_else_is_not_ended(visit, logged_in):
    theirs, mine = logged_in("admin"), logged_in("viewer")
    session_id = visit("/account/", client=theirs).table("sessions")[0]["id"]
    token = {"csrf_token": visit("/account/", client=mine).fill("password-change")["csrf_token"]}

    assert mine.post(f"/account/sessions/{session_id}/end", data=token).status_code == 404
    assert visit("/account/", client=theirs).table("sessions")[0]["id"] == session_id


def test_stranger_has_no_account(client):
    assert client.get("/account/").location == "/login?next=%2Faccount%2F"
