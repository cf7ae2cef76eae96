"""The theme and the clock, chosen with one press, also without a script."""

import pytest

from tests.support import csrf_token


def choose(client, **form):
    token = csrf_token(client.get("/login").text)
    return client.post("/choices", data={"csrf_token": token, "next": "/orders/?status=rejected", **form})


def pressed(page, name):
    return [node["value"] for node in page.dom.all("button", name=name) if node["aria-pressed"] == "true"]


def test_nobody_has_chosen_anything_yet(visit):
    page = visit("/orders/")

    assert page.dom.one("html")["data-theme"] == "system"
    assert (pressed(page, "theme"), pressed(page, "clock")) == (["system"], ["utc"])


def test_choice_is_kept_and_leads_back(visit, client, session):
    answer = choose(client, theme="dark")

    assert (answer.status_code, answer.location) == (303, "/orders/?status=rejected")
    page = visit("/orders/")
    assert page.dom.one("html")["data-theme"] == "dark"
    assert pressed(page, "theme") == ["dark"]


def test_times_of_every_page_follow_the_chosen_clock(visit, client, session):
    from tests import builders

    builders.order(session, at=builders.NOON)
    client.set_cookie("zone", "Asia/Tokyo")
    choose(client, clock="local")
    page = visit("/orders/")

    assert "Time, JST" in page.text
    assert page.shown("orders")[0]["created_at"] == f"{builders.NOON.astimezone():%d %b} 21:00:00"
    assert page.table("orders")[0]["created_at"] == "2026-03-02T12:00:00Z", "machines read UTC whatever people chose"


@pytest.mark.parametrize("form", [{"theme": "pink"}, {"clock": "sundial"}, {"theme": ""}])
def test_choice_there_is_not_is_refused(client, form):
    assert choose(client, **form).status_code == 422


def test_choosing_never_leads_out_of_the_house_and_needs_the_pages_own_token(client):
    assert choose(client, theme="dark", next="//evil.example").location == "/"
    assert client.post("/choices", data={"theme": "dark"}).status_code == 400


class TestClosedDesk:
    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"public_read": False})

    def test_stranger_chooses_the_theme_of_the_login_page(self, client):
        assert choose(client, theme="light").status_code == 303
        assert 'data-theme="light"' in client.get("/login").text
