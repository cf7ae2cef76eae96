"""Which host a request may be for, and whose word counts for where it came from."""

import pytest
from flask import request

from tests.support import csrf_token
from webapp import create_app
from webapp.extensions import db
from webapp.web.headers import HEADERS
from webapp.web.hosts import is_allowed, names_for

EVIL = (
    *("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:8000", "localhost@evil"),
    *("evil.example/localhost", "localhost, evil.example", "", " ", "localhost:99999", "[::2]", "local host"),
    *("LOCALHOST.", "<script>", "localhost\tx", "localhost:8000:1", "169.254.169.254", "10.0.0.1"),
)
LOCAL = ("localhost", "LOCALHOST", "localhost:8000", "127.0.0.1", "127.0.0.1:1234", "[::1]", "[::1]:8000")


@pytest.fixture
def desk(settings):
    """`desk(allowed_hosts=("desk.example",))`: a client of a desk with other settings."""
    apps = []

    def make(**changes):
        apps.append(create_app(settings.model_copy(update=changes)))
        return apps[-1].test_client()

    yield make
    for app in apps:
        with app.app_context():
            db.engine.dispose()


def test_desk_of_this_machine_answers_to_this_machines_names_only(client):
    for host in LOCAL:
        assert client.get("/login", headers={"Host": host}).status_code == 200, host
    for host in EVIL:
        answer = client.get("/login", headers={"Host": host})
        assert answer.status_code == 400, host
        assert answer.mimetype == "text/plain"
        assert "ALLOWED_HOSTS" in answer.text
        assert host.strip() not in answer.text or not host.strip()
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_nothing_is_done_for_another_host(app, logged_in, client):
    acted = logged_in("admin").post("/logout", headers={"Host": "evil.example"})
    asked = client.get("/v1/orders", headers={"Host": "evil.example", "Authorization": "Bearer x"})

    assert acted.status_code == 400
    assert (asked.status_code, asked.json["error"]["code"]) == (400, "BAD_REQUEST")


def test_probes_are_reached_by_address(desk):
    client = desk(allowed_hosts=("desk.example",))
    for path in ("/healthz", "/readyz", "/metrics"):
        assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200
    assert client.get("/login", headers={"Host": "10.1.2.3:8000"}).status_code == 400


def test_names_are_those_of_the_setting_and_a_dot_means_every_name_under_it():
    names = names_for(("Desk.Example", ".paper.example"), "127.0.0.1")
    for host in ("desk.example", "DESK.example:443", "paper.example", "a.b.paper.example"):
        assert is_allowed(host, names), host
    for host in ("localhost", "www.desk.example", "evilpaper.example", "desk.example.evil.example"):
        assert not is_allowed(host, names), host


@pytest.mark.parametrize("bound", ["127.0.0.1", "127.9.9.9", "localhost", "::1"])
def test_unset_the_names_are_local_for_who_listens_locally(bound):
    assert is_allowed("localhost:1", names_for((), bound))
    assert not is_allowed("desk.example", names_for((), bound))


def test_unset_any_name_will_do_for_who_listens_for_others_and_leads_nowhere(desk):
    client = desk(host="0.0.0.0")
    for path in ("/orders", "/risk", "/kill-switch", "/static", "/orders/?status=rejected", "/login?next=/orders/"):
        answer = client.get(path, headers={"Host": "evil.example"})
        assert "evil.example" not in answer.text
        assert "evil.example" not in str(answer.headers), path
    assert client.get("/orders", headers={"Host": "evil.example"}).location == "/orders/"
    assert client.get("/login", headers={"Host": "<evil>"}).status_code == 400


FORWARDED = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil",
    "X-Real-IP": "203.0.113.7",
    "Forwarded": "for=203.0.113.7;proto=https;host=evil.example",
}


def seen(client, headers):
    """Address, scheme and host that the desk believes of a request."""
    with client.application.test_client() as asked:
        asked.get("/healthz", headers=headers)
        return request.remote_addr, request.scheme, request.host, request.script_root


def test_without_a_trusted_proxy_nobody_is_believed(client):
    assert seen(client, FORWARDED) == ("127.0.0.1", "http", "localhost", "")
    answer = client.get("/login", headers=FORWARDED)
    assert "Strict-Transport-Security" not in answer.headers
    assert "evil" not in answer.text + str(answer.headers)


def test_behind_one_proxy_its_own_word_counts_and_a_visitors_does_not(desk):
    client = desk(trusted_proxies=1)
    headers = FORWARDED | {"X-Forwarded-For": "127.0.0.1, 203.0.113.7"}
    assert seen(client, headers) == ("203.0.113.7", "https", "localhost", "")
    assert "Strict-Transport-Security" in client.get("/login", headers=headers).headers


def test_behind_two_proxies_the_outer_one_saw_the_visitor(desk):
    headers = {"X-Forwarded-For": "6.6.6.6, 203.0.113.7, 10.0.0.2", "X-Forwarded-Proto": "https"}
    assert seen(desk(trusted_proxies=2), headers)[0] == "203.0.113.7"


def test_log_names_the_address_the_proxy_saw(desk, caplog):
    caplog.set_level("INFO", "webapp")
    desk(trusted_proxies=1).get("/healthz", headers=FORWARDED)
    (line,) = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    assert (line["event"], line["address"]) == ("request", "203.0.113.7")


def test_throttle_counts_by_the_address_the_proxy_saw(desk, session):
    client = desk(trusted_proxies=1)

    def tries(address):
        token = csrf_token(client.get("/login").text)
        form = {"username": "olga", "password": "wrong", "csrf_token": token}
        return client.post("/login", data=form, headers={"X-Forwarded-For": address}).status_code

    assert [tries("203.0.113.7") for _ in range(6)] == [422] * 5 + [429]
    assert tries("203.0.113.8") == 422
