"""Answers in gzip for whoever takes it: text shrinks to a fifth, and a phone waits for bytes rather than for us.

The standard library's own: a page costs some 0.5 ms at this level, and a proxy in front may compress better. A form's
token is signed anew every second and cookies are SameSite, so that guessing it by the size of answers leads nowhere.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from flask import Flask, Response, request

LEVEL: Final = 4
LEAST: Final = 600
"""Bytes below which the header costs more than it saves."""
TEXT: Final = frozenset(
    {
        *("text/html", "text/css", "text/csv", "text/plain", "text/javascript"),
        *("application/json", "application/javascript", "image/svg+xml"),
    }
)


def install(app: Flask) -> None:
    """Compress every answer that is worth it."""
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    if (
        response.mimetype not in TEXT
        or response.status_code in (204, 206, 304)
        or "Content-Encoding" in response.headers
    ):
        return response
    response.vary.add("Accept-Encoding")
    size = response.content_length
    if not request.accept_encodings.quality("gzip") or (size is not None and size < LEAST):
        return response
    if response.is_streamed and not response.direct_passthrough:
        if close := getattr(response.response, "close", None):
            response.call_on_close(close)
        response.response = _streamed(response.iter_encoded())
        response.headers.pop("Content-Length", None)
    else:
        response.direct_passthrough = False
        response.set_data(gzip.compress(response.get_data(), LEVEL, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    etag, weak = response.get_etag()
    if etag is not None and not weak:
        # The same content in other bytes: that is what a weak tag says.
        response.set_etag(etag, weak=True)
    return response


def _streamed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    squeeze = zlib.compressobj(LEVEL, wbits=zlib.MAX_WBITS | 16)
    for chunk in chunks:
        if squeezed := squeeze.compress(chunk):
            yield squeezed
    yield squeeze.flush()
