"""Share links: the desk to look at without a login, and nothing else."""

from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from tests.support import csrf_token
from webapp.services import kill_switch

WRITING = ("/kill-switch/on", "/kill-switch/off", "/risk/policy", "/smoke-runs/", "/shares/", "/admin/people",
           "/account/password")  # fmt: skip


@pytest.fixture
def settings(settings):
    """A desk that is closed to strangers."""
    return settings.model_copy(update={"public_read": False})


@pytest.fixture
def operator(logged_in):
    return logged_in("operator")


@pytest.fixture
def link(visit, operator):
    """A link's address, as its maker saw it once."""
    data = visit("/shares/", client=operator, title="Share links").fill("share-create", label="the judges", hours="8")
    made = visit("/shares/", client=operator, post=data, status=201)
    return urlsplit(made.dom.one("code", data_secret=None).text).path


@pytest.fixture
def guest(app, link):
    """A browser that came by the link."""
    browser = app.test_client()
    answer = browser.get(link)
    assert (answer.status_code, answer.location) == (303, "/")
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    return browser


def test_link_shows_the_desk_and_says_until_when(visit, client, guest, link):
    assert client.get("/orders/").status_code == 303
    for path in ("/", "/orders/", "/risk/policy", "/kill-switch/", "/system/"):
        page = visit(path, client=guest)
        assert "Shared view until" in page.dom.one("p", class_="shared-view").text
        assert page.response.headers["X-Robots-Tag"] == "noindex, nofollow"
        assert link.rpartition("/")[2] not in page.response.text
    assert guest.get("/orders.csv").status_code == 200
    assert guest.get("/kill-switch/state").status_code == 200


def test_guest_changes_nothing(visit, guest, session):
    form = {"csrf_token": csrf_token(guest.get("/").text), "reason": "x", "confirm": "RELEASE", "label": "more"}
    assert not visit("/kill-switch/", client=guest).has_form("kill-switch-on")
    for path in WRITING:
        answer = guest.post(path, data=form)
        assert (answer.status_code, answer.location[:6]) == (303, "/login"), path
    for path in ("/admin/", "/account/", "/shares/"):
        assert guest.get(path).location[:6] == "/login", path
    session.rollback()
    assert not kill_switch.state(session).enabled


def test_revoked_link_closes_for_those_inside_at_once(visit, operator, guest, link):
    assert visit("/shares/", client=operator).table("share_links")[0]["last_used_at"] != ""
    page = visit("/shares/", client=operator)
    answer = operator.post(page.form("share-revoke")["action"], data=page.fill("share-revoke"))

    assert answer.status_code == 303
    assert guest.get("/orders/").status_code == 303
    assert guest.get(link).status_code == 404
    assert [row["status"] for row in visit("/shares/", client=operator).table("share_links")] == ["revoked"]


def test_link_ends_by_itself(guest, session, link):
    session.execute(text("UPDATE share_links SET expires_at = now() - interval '1 second'"))
    session.commit()

    assert guest.get("/orders/").status_code == 303
    assert guest.get(link).status_code == 404


@pytest.mark.parametrize("wrong", ["/share/x", "/share/" + "x" * 500, "/share/%00", "/share/..%2f", "/share/é"])
def test_link_nobody_made_opens_nothing(client, wrong):
    answer = client.get(wrong)

    assert answer.status_code == 404
    assert client.get("/orders/").status_code == 303


def test_login_takes_the_place_of_a_shared_view_and_a_link_changes_nothing_for_members(visit, operator, link):
    assert operator.get(link).status_code == 303
    page = visit("/kill-switch/", client=operator)

    assert page.has_form("kill-switch-on")
    assert not page.dom.all("p", class_="shared-view")


def test_secret_of_a_link_is_not_logged(client, caplog, link):
    with caplog.at_level("INFO"):
        client.get(link)

    assert "/share/[hidden]" in caplog.text
    assert link not in caplog.text


def test_viewers_make_no_links_and_admins_see_all(visit, logged_in, link):
    assert logged_in("viewer").get("/shares/").status_code == 403
    admin = logged_in("admin")
    assert visit("/admin/", client=admin).table("share_links")[0]["created_by"] == "user:operator"
    acts = [(row["act"], row["subject"]) for row in visit("/admin/acts/", client=admin).table("acts")]
    assert ("share_created", "share:the judges") in acts


@pytest.mark.parametrize("typed", [{"label": ""}, {"label": "x" * 81}, {"hours": "9"}, {"hours": "1000"}])
def test_link_that_makes_no_sense_is_refused(visit, operator, typed):
    data = visit("/shares/", client=operator).fill("share-create", **{"label": "judges", "hours": "8", **typed})
    page = visit("/shares/", client=operator, post=data, status=422)

    assert page.form("share-create").all("strong", class_="error")
    assert page.table("share_links") == []
