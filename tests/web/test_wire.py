"""Requests that proxies and servers read differently, sent as bytes to the real server: one answer each, no more."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker
from sqlalchemy.engine import URL

from tests.attack.processes import Web, kept_from_surviving, web_program
from tests.conftest import run_on_server
from tests.support import eventually
from webapp import serving
from webapp.web.headers import HEADERS

HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""What a smuggler wants to be taken for a request of its own."""


def post(headers: bytes, body: bytes = b"", path: bytes = b"/choices", version: bytes = b"1.1") -> bytes:
    """A request with the one line of headers under test, and something hidden behind it."""
    return b"POST " + path + b" HTTP/" + version + b"\r\nHost: localhost\r\n" + headers + b"\r\n\r\n" + body + HIDDEN


def chunked(body: bytes) -> bytes:
    return post(b"Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked", body)


def get(line: bytes = b"GET /login HTTP/1.1", headers: bytes = b"Host: localhost") -> bytes:
    return line + b"\r\n" + headers + b"\r\n\r\n"


CL, TE = b"Content-Length: ", b"Transfer-Encoding: "
REFUSED = {
    "length and coding": post(CL + b"6\r\n" + TE + b"chunked", b"0\r\n\r\n"),
    "coding and length": post(TE + b"chunked\r\n" + CL + b"6", b"0\r\n\r\n"),
    "two lengths": post(CL + b"0\r\n" + CL + b"44"),
    "the same length twice": post(CL + b"0\r\n" + CL + b"0"),
    "a list of lengths": post(CL + b"0, 44"),
    "a length with a plus": post(CL + b"+0"),
    "a length below zero": post(CL + b"-1"),
    "a length in hex": post(CL + b"0x2c"),
    "a length with a separator": post(CL + b"4_4"),
    "a length with superscript digits": post(CL + b"\xb2"),
    "an empty length": post(CL),
    "a folded line": post(CL + b"0\r\nX-Folded: a\r\n b"),
    "a folded coding": post(b"Transfer-Encoding:\r\n chunked"),
    "a space before the colon": post(b"Content-Length : 0"),
    "a coding with a space before the colon": post(b"Transfer-Encoding : chunked", b"0\r\n\r\n"),
    "a first line that is folded": get(headers=b" Host: localhost"),
    "bare line feeds": HIDDEN.replace(b"\r\n", b"\n"),
    "one bare line feed": get(headers=b"X-One: 1\nHost: localhost"),
    "a bare carriage return": get(headers=b"Host: localhost\r\nX-One: 1\rX-Two: 2"),
    "NUL in a name": get(headers=b"Host: localhost\r\nX-\x00: 1"),
    "NUL in a value": get(headers=b"Host: localhost\r\nX-One: \x00"),
    "an unknown coding": post(TE + b"xchunked", b"0\r\n\r\n"),
    "a coding that is none": post(TE + b"identity", b"0\r\n\r\n"),
    "chunked, then something": post(TE + b"chunked, identity", b"0\r\n\r\n"),
    "chunked twice": post(TE + b"chunked, chunked", b"0\r\n\r\n"),
    "two codings": post(TE + b"chunked\r\n" + TE + b"identity", b"0\r\n\r\n"),
    "a coding after a control character": post(TE + b"\x0bchunked", b"0\r\n\r\n"),
    "a quoted coding": post(TE + b'"chunked"', b"0\r\n\r\n"),
    "a coding in HTTP/1.0": post(TE + b"chunked", b"0\r\n\r\n", version=b"1.0"),
    "two hosts": get(headers=b"Host: localhost\r\nHost: evil.example"),
    "no host": get(headers=b"X-One: 1"),
    "another host": get(headers=b"Host: evil.example"),
    "an unknown expectation": post(b"Expect: <script>\r\n" + CL + b"0"),
    "no version": b"GET /login\r\n\r\n",
    "an unknown version": get(b"GET /login HTTP/9.9"),
    "a word too many": get(b"GET /login HTTP/1.1 <script>alert(1)</script>"),
    "a small method": get(b"get /login HTTP/1.1"),
    "a method that is markup": get(b"<script>alert(1)</script> / HTTP/1.1"),
    "raw UTF-8 in the path": get("GET /é HTTP/1.1".encode()),
    "a tunnel to nowhere": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an address too long": get(b"GET /login?next=/" + b"a" * 9_000 + b" HTTP/1.1"),
    "a header too long": get(headers=b"Host: localhost\r\nX-One: " + b"a" * 9_000),
    "headers too many": get(headers=b"Host: localhost\r\n" + b"\r\n".join(b"X-%d: 1" % n for n in range(100))),
    "a chunk size in C": chunked(b"0x0\r\n\r\n"),
    "a chunk size below zero": chunked(b"-1\r\n\r\n"),
    "a chunk size with a NUL": chunked(b"0\x00\r\n\r\n"),
    "no chunk size": chunked(b"\r\n\r\n"),
    "a chunk size beyond any memory": chunked(b"FFFFFFFFFFFFFFFFF\r\na=b"),
    "a chunk longer than it says": chunked(b"1\r\na=b\r\n0\r\n\r\n"),
    "a chunk without its end": chunked(b"3\r\na=b0\r\n\r\n"),
    "chunks between bare line feeds": chunked(b"3\na=b\n0\n\n"),
    "a chunk extension with a carriage return": chunked(b"3;a\rb\r\na=b\r\n0\r\n\r\n"),
    "a chunk extension that is none": chunked(b"3;a=\x01\r\na=b\r\n0\r\n\r\n"),
    "a length in a trailer": chunked(b"0\r\nContent-Length: 44\r\n\r\n"),
}  # fmt: skip
STATUSES = {
    "an unknown expectation": 417,
    "an address too long": 414,
    "a header too long": 431,
    "headers too many": 431,
}


@pytest.fixture(scope="module")
def server(postgres_url: URL, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """gunicorn as `make web` starts it, for all tests of this file."""
    name = f"paperdesk_test_{uuid4().hex}"
    run_on_server(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE "{template_database}"')
    with kept_from_surviving() as start:
        web = web_program(postgres_url.set(database=name), tmp_path_factory.mktemp("web"))
        start(web)
        assert eventually(web.ready)
        yield web
    run_on_server(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def answers(web: Web, raw: bytes) -> list[str]:
    """Everything the server says to these bytes until it hangs up, answer by answer."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=15) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        try:
            while part := connection.recv(65_536):
                said += part
        except ConnectionResetError:
            pass  # it hung up with bytes of ours unread; what it said before came through
    return [f"HTTP/1.1 {one}" for one in said.decode("latin-1").split("HTTP/1.1 ")[1:]]


def test_what_can_be_read_in_two_ways_is_refused_once(server: Web) -> None:
    for case, raw in REFUSED.items():
        said = answers(server, raw)
        assert len(said) == 1, (case, said)
        assert int(said[0].split()[1]) == STATUSES.get(case, 400), (case, said)
        assert "alert(1)" not in said[0], case
        for name, value in HEADERS.items():
            assert f"\r\n{name}: {value}\r\n" in said[0], (case, name)
        assert "\r\nX-Request-Id: " in said[0], case


def test_answers_of_the_server_itself_are_plain_and_repeat_nothing(server: Web) -> None:
    for case in ("a word too many", "NUL in a value", "an address too long", "a header too long", "a folded line"):
        head, _, body = answers(server, REFUSED[case])[0].partition("\r\n\r\n")
        assert "\r\nContent-Type: text/plain; charset=utf-8\r\n" in head, case
        assert body == f"{head.partition(chr(13))[0].removeprefix('HTTP/1.1 ')}\n", case


def test_what_can_be_read_in_one_way_only_is_answered_each(server: Web) -> None:
    """The other half of the proof: good requests in a row on one connection are all answered."""
    said = answers(server, HIDDEN * 2 + chunked(b"3;name=value\r\na=b\r\n0\r\nX-Trailer: 1\r\n\r\n"))
    assert [int(one.split()[1]) for one in said] == [200, 200, 400, 200]


def test_proxies_are_not_believed_by_the_server_either(server: Web) -> None:
    headers = b"Host: localhost\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Ssl: on\r\nX-Forwarded-For: 203.0.113.7"
    (said,) = answers(server, get(headers=headers))
    assert "Strict-Transport-Security" not in said


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidHeader("x"), 400),
        (errors.UnsupportedTransferCoding("x"), 400),
        (errors.LimitRequestLine(9_000, 8_190), 414),
        (errors.InvalidResponseHeader("x"), 500),
        (ZeroDivisionError("secret detail"), 500),
    ],
)
def test_only_our_own_mistakes_are_5xx(error: Exception, status: int) -> None:
    answer = serving.answer_of(serving.status_of(error), "an-id")
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"secret" not in answer


class Connection:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock


@pytest.mark.parametrize("part", ["head", "body"])
def test_request_that_never_ends_gives_its_thread_back(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    monkeypatch.setattr(serving, f"{part.upper()}_SECONDS", -1.0)
    monkeypatch.setattr(ThreadWorker, "__init__", lambda _self: None)
    monkeypatch.setattr(ThreadWorker, "notify", lambda _self: None)
    monkeypatch.setattr(ThreadWorker, "handle_request", lambda _self, _req, conn: conn.sock.recv(1))
    if part == "head":
        monkeypatch.setattr(ThreadWorker, "handle", lambda _self, conn: conn.sock.recv(1))
    else:
        monkeypatch.setattr(ThreadWorker, "handle", lambda self, conn: self.handle_request(None, conn))
    worker = serving.Worker()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = threading.Thread(target=worker.handle, args=(Connection(ours),), daemon=True)
        thread.start()

        def gone() -> bool:
            worker.notify()
            return not thread.is_alive()

        assert eventually(gone)
        ours.sendall(b"an answer still arrives")
        assert theirs.recv(100) == b"an answer still arrives"
        assert worker._until == {}
