"""One JSON line an event, a name for every request, and no secret in either."""

import io
import json
import logging

import pytest
from flask.testing import FlaskClient

from webapp import logs


@pytest.fixture
def lines():
    """The log lines written so far, as JSON."""
    root, written = logging.getLogger(), io.StringIO()
    before, level = root.handlers[:], root.level
    root.handlers.clear()  # pytest's own, which configuring would close
    logs.configure("info")
    root.handlers[0].setStream(written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)


@pytest.mark.parametrize("given", ["abc-123", "4bf92f3577b34da6a3ce929d0e0e4736", "a" * 128])
def test_request_id_is_echoed(client: FlaskClient, given: str):
    assert client.get("/healthz", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", [None, "", "a" * 129, "two words", "<script>", "naïve", 'x"y'])
def test_request_id_that_is_missing_or_odd_is_replaced(client: FlaskClient, given: str | None):
    headers = {} if given is None else {"X-Request-Id": given}
    answered = client.get("/healthz", headers=headers).headers["X-Request-Id"]
    assert answered != given
    assert len(answered) == 36


@pytest.mark.parametrize("path", ["/healthz", "/no/such/page", "/static/none.css", "/v1/none", "/orders/not-an-id"])
def test_every_answer_carries_a_request_id(client: FlaskClient, path: str):
    assert client.get(path, headers={"X-Request-Id": "r-1"}).headers["X-Request-Id"] == "r-1"


def test_request_is_one_json_line_with_its_id_and_without_its_query(client: FlaskClient, lines):
    client.get("/healthz?password=hunter2", headers={"X-Request-Id": "r-1", "Authorization": "Bearer hunter2"})
    (line,) = [line for line in lines() if line["event"] == "request"]
    assert (line["method"], line["path"], line["status"], line["request_id"]) == ("GET", "/healthz", 200, "r-1")
    assert "hunter2" not in json.dumps(line)


def test_libraries_log_in_the_same_lines(lines):
    logging.getLogger("some.library").warning("disk %s full", "nearly")
    (line,) = lines()
    assert (line["event"], line["logger"], line["level"]) == ("disk nearly full", "some.library", "warning")


def test_exception_is_one_line_with_its_stack(lines):
    try:
        raise ValueError("broken")
    except ValueError:
        logs.log.exception("failed")
    (line,) = lines()
    assert line["exception"].endswith("ValueError: broken")


def test_secrets_and_passwords_in_addresses_are_hidden(lines):
    logs.log.info("event", api_token="hunter2", password="hunter2", url="postgresql://desk:hunter2@db/desk")
    logging.getLogger("library").error("no connection to postgresql://desk:hunter2@db/desk")
    told = json.dumps(lines())
    assert "hunter2" not in told
    assert "desk:[hidden]@db" in told
