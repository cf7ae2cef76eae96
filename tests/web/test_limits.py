"""How large a form or a query may be, and what its texts may hold: refused by name, and nothing done."""

import re
from io import BytesIO

import pytest
from werkzeug.datastructures import MultiDict

from tests.api.conftest import ALL
from tests.api.hostile import TEXTS
from tests.support import csrf_token
from tests.web.test_access import NOBODY, TABLE, own_token
from webapp.api.calls import CALLS
from webapp.services import kill_switch, policy
from webapp.web.limits import LONGEST_NAME, LONGEST_PARAMETER, LONGEST_TEXT, MOST_BYTES, MOST_FIELDS

JSON = {"Content-Type": "application/json"}
FORMS = tuple(
    re.sub(r"<(uuid:)?[^>]+>", lambda part: NOBODY if part[1] else "olga", line.split()[1])
    for line in TABLE
    if line.startswith("POST ")
)
"""Every form there is."""
SAY_IT_THEMSELVES = ("/kill-switch/on", "/kill-switch/off")
"""They cut or explain what is wrong with a text."""


@pytest.fixture
def admin(logged_in):
    return logged_in("admin")


@pytest.fixture
def nothing_happens(session):
    yield
    assert not kill_switch.state(session).enabled
    assert policy.current(session).version == 1


def send(client, path, fields, **more):
    return client.post(path, data=MultiDict([("csrf_token", own_token(client)), *fields]), **more)


TOO_MUCH = {
    "a body": ([(f"f{n}", "x" * 3_000) for n in range(MOST_BYTES // 3_000 + 1)], 413),
    "fields": ([(f"f{n}", "") for n in range(MOST_FIELDS)], 413),
    "a field many times": ([("reason", "x")] * MOST_FIELDS, 413),
    "a file": ([("reason", "reason.txt")], 422),
    "parts": ([(f"f{n}", "") for n in range(MOST_FIELDS)], 413),
}
BAD_TEXT = {
    "a long text": ("reason", "x" * (LONGEST_TEXT + 1)),
    "a long name": ("x" * (LONGEST_NAME + 1), ""),
    "NUL": ("reason", "a\x00b"),
    "escape": ("reason", "a\x1b[2Jb"),
    "delete": ("reason", "\x7f"),
    "C1": ("reason", "\x85"),
    "NUL in a name": ("rea\x00son", "x"),
}


def test_form_that_is_too_much_is_refused(admin, nothing_happens):
    for case, (fields, status) in TOO_MUCH.items():
        for path in FORMS:
            sent = [(name, (BytesIO(b"x"), text) if case == "a file" else text) for name, text in fields]
            more = {"content_type": "multipart/form-data"} if case == "parts" else {}
            assert send(admin, path, sent, **more).status_code == status, (case, path)


def test_text_no_field_can_mean_is_refused_by_name(admin, nothing_happens):
    for case, field in BAD_TEXT.items():
        for path in (path for path in FORMS if path not in SAY_IT_THEMSELVES):
            answer = send(admin, path, [field])
            assert answer.status_code == 422, (case, path)
            assert 'data-error="422"' in answer.text
            assert "\x00" not in answer.text


def test_lines_and_every_printable_script_are_ordinary_text(admin):
    text = "two\r\nlines\tand tabs, ünïcode 漢字 עברית 👩‍👩‍👧‍👦"
    answer = send(admin, "/risk/policy", [("reason", text), ("step", "review"), ("max_order_notional", "500")])
    assert answer.status_code == 200
    assert "ünïcode 漢字 עברית 👩‍👩‍👧‍👦" in answer.text


def test_form_without_a_length_is_refused_rather_than_cut(admin, nothing_happens):
    token = csrf_token(admin.get("/logout").text)
    answer = admin.post(
        "/risk/policy",
        input_stream=BytesIO(f"csrf_token={token}&reason=x".encode()),
        headers={"Transfer-Encoding": "chunked", "Content-Type": "application/x-www-form-urlencoded"},
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
    )
    assert answer.status_code == 411


def test_query_that_no_page_can_mean_is_refused_by_name(client):
    for path in ("/", "/orders/", "/find", "/login", "/kill-switch/", "/offline", "/market/SOL-USDC"):
        for query in ("q=a%00b", "q=%1b", "q=%0d%0aSet-Cookie:x=1", "a%00=1", f"q={'x' * (LONGEST_PARAMETER + 1)}"):
            answer = client.get(f"{path}?{query}")
            assert answer.status_code == 422, (path, query)
            assert "Set-Cookie:x" not in str(answer.headers)
        assert client.get(path, query_string=[(f"p{n}", "") for n in range(MOST_FIELDS + 1)]).status_code == 422, path


def test_nothing_about_its_query_keeps_a_halt_from_being_made(admin, session):
    assert send(admin, "/kill-switch/on?x=%00", [("reason", "x" * 5_000), ("more", "\x00")]).status_code == 303
    assert kill_switch.state(session).enabled


def test_hostile_text_in_every_field_and_parameter_of_the_pages_is_never_a_5xx(admin, monkeypatch):
    monkeypatch.setattr("webapp.services.smoke.run", lambda *_, **__: {"status": "passed", "run_id": NOBODY})
    names = ("reason", "next", "confirm", "theme", "version", "max_order_notional", "step")
    forms = [path for path in FORMS if path not in ("/login", "/logout")]
    pages = ("/find", "/portfolio/", "/orders/", "/market/", "/portfolio/chart")
    token = csrf_token(admin.get("/logout").text)
    for number, value in enumerate(TEXTS.values()):
        for path in forms[number % 9 :: 9]:
            fields = {"csrf_token": token, names[number % len(names)]: value, "reason": value}
            assert admin.post(path, data=fields).status_code < 500, (path, value)
        for query in ({("next", "q", "range", "cursor")[number % 4]: value}, {value: "1"}):
            path = pages[number % len(pages)]
            assert admin.get(path, query_string=query).status_code < 500, (path, query)
    for value in list(TEXTS.values())[::12]:
        assert admin.post("/login", data={"csrf_token": token, "username": value, "password": value}).status_code < 500


def nested(depth):
    return b'{"a":' * depth + b"1" + b"}" * depth


def test_every_call_that_takes_json_holds_the_same_limits(app, bearer, session):
    """Depth, repeated and hostile names, texts and numbers, size: whichever call it is, and nothing is written."""
    client, headers = app.test_client(), bearer(*ALL)
    broken = {
        nested(33): "nested deeper",
        nested(50_000): "nested deeper",
        b'{"a": 1, "a": 2}': "given twice",
        b'{"' + b"a" * 10_000 + b'": 1}': "",
        b'{"a\\u0000": "\\u0000"}': "NUL",
        b'{"a": "\\ud800"}': "surrogate",
        b'{"a": ' + b"9" * 41 + b"}": "more than 40 characters",
        b'{"a": NaN}': "not JSON",
        b"[]": "must be a JSON object",
        b"{" + b", ".join(b'"f%d": 1' % n for n in range(100)) + b"}": "",
    }
    taking = [call for call in CALLS.values() if call.body is not None]
    assert len(taking) >= 6
    assert len(FORMS) >= 20
    for call in taking:
        path = f"/v1{call.path.replace('<uuid:order_id>', NOBODY)}"
        for raw, said in broken.items():
            answer = client.open(path, method=call.method, data=raw, headers=headers | JSON)
            assert answer.status_code == 400, (raw[:40], path)
            assert said in answer.json["error"]["message"], (path, answer.text)
            assert answer.json["error"]["details"]["field"].isprintable()
            assert len(answer.text) < 10_000, (raw[:40], path)
        large = b'{"a": "' + b"x" * call.max_body + b'"}'
        assert client.open(path, method=call.method, data=large, headers=headers | JSON).status_code == 413, path
    assert not kill_switch.state(session).enabled
    assert policy.current(session).version == 1
