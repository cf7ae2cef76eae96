"""gunicorn's thread worker, with two things of our own: what it answers by itself, and how long it listens.

gunicorn answers requests that it cannot read without asking the application, as HTML that repeats what was sent. And a
client that sends a request byte by byte holds a thread for as long as it likes; a few of those hold all of them.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker
from werkzeug.exceptions import BadRequest

from webapp.web.headers import HEADERS

HEAD_SECONDS: Final = 10.0
"""Until a request's head has arrived; the first five of them gunicorn itself waits for its first byte."""
BODY_SECONDS: Final = 20.0
"""Until its body has; 4 MB of quotes, the largest there is, need 1.7 Mbit/s."""
TOO_LONG: Final = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}
OURS: Final = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)
"""Headers that the application tried to send."""


def status_of(error: BaseException) -> HTTPStatus:
    """What gunicorn could not do with a request. Whatever a visitor can cause is a 4xx."""
    if isinstance(error, OURS) or not isinstance(error, errors.ParseException):
        return HTTPStatus.INTERNAL_SERVER_ERROR
    return next((status for kind, status in TOO_LONG.items() if isinstance(error, kind)), HTTPStatus.BAD_REQUEST)


def answer_of(status: HTTPStatus, request_id: str) -> bytes:
    """A whole answer: our headers, no word of what was sent, and the end of the connection."""
    body = f"{status.value} {status.phrase}\n"
    headers = HEADERS | {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "Connection": "close",
        "X-Request-Id": request_id,
    }
    lines = (f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items()))
    return "\r\n".join((*lines, "", body)).encode("ascii")


class Body:
    """A request's body for the application, to which chunks that nobody can read are the visitor's mistake."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def read(self, size: int | None = None) -> bytes:
        """As a stream does."""
        try:
            found: bytes = self._raw.read(size)
        except errors.ParseException as error:
            raise BadRequest("The body's chunks could not be read.") from error
        return found


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """What `worker_class` names."""

    wsgi: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._until: dict[Any, float] = {}

    def load_wsgi(self) -> None:
        """Put :class:`Body` between gunicorn and the application."""
        super().load_wsgi()
        application = self.wsgi

        def with_body(environ: dict[str, Any], start_response: Any) -> Any:
            environ["wsgi.input"] = Body(environ["wsgi.input"])
            return application(environ, start_response)

        self.wsgi = with_body

    def handle(self, conn: Any) -> Any:
        """One request, in a thread of its own."""
        self._until[conn] = time.monotonic() + HEAD_SECONDS
        try:
            return super().handle(conn)
        finally:
            self._until.pop(conn, None)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """The rest of it, once its head was read."""
        self._until[conn] = time.monotonic() + BODY_SECONDS
        return super().handle_request(req, conn)

    def notify(self) -> None:
        """Called about once a second by the loop: hang up on whoever is still sending.

        Only the reading end is closed, so an answer that is being made still arrives.
        """
        super().notify()
        now = time.monotonic()
        for conn, until in self._until.copy().items():
            if until < now:
                self._until.pop(conn, None)
                with suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RD)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what never reached the application, or came out of it broken."""
        status, request_id = status_of(exc), str(uuid4())
        said = f"{status.value} to {addr[0] if addr else 'a socket'}, request {request_id}: {type(exc).__name__}: {exc}"
        if status >= 500:
            self.log.error("%s", said, exc_info=exc)
        else:
            self.log.warning("%s", said)
        with suppress(OSError):
            client.settimeout(1)
            client.sendall(answer_of(status, request_id))
