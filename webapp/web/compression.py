"""Answers in brotli or gzip, whatever the browser takes: text shrinks to a tenth, and a phone waits for bytes.

A page costs some 1.5 ms at this quality, once for each time it changes. A form's token is signed anew every second and
cookies are SameSite, so that guessing it by the size of answers leads nowhere.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

import brotli
from flask import Flask, Response, request

QUALITY: Final = {"br": 5, "gzip": 6}
BEST: Final = {"br": 11, "gzip": 9}
"""For what is compressed once and sent for as long as the process lives."""
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


def wanted() -> str | None:
    """The coding to answer in: the best of ours that the browser takes, or none."""
    taken = request.accept_encodings
    return next((coding for coding in QUALITY if taken.quality(coding) > 0), None)


def squeeze(data: bytes, coding: str, quality: dict[str, int] = QUALITY) -> bytes:
    """`data` in this coding."""
    if coding == "br":
        squeezed: bytes = brotli.compress(data, mode=brotli.MODE_TEXT, quality=quality["br"])
        return squeezed
    return gzip.compress(data, quality["gzip"], mtime=0)


def _compress(response: Response) -> Response:
    done = "Content-Encoding" in response.headers or response.status_code in (204, 206, 304)
    if done or response.mimetype not in TEXT:
        return response
    response.vary.add("Accept-Encoding")
    size = response.content_length
    coding = wanted()
    if coding is None or (size is not None and size < LEAST):
        return response
    if response.is_streamed and not response.direct_passthrough:
        if not request.accept_encodings.quality("gzip"):
            return response
        coding = "gzip"
        if close := getattr(response.response, "close", None):
            response.call_on_close(close)
        response.response = _streamed(response.iter_encoded())
        response.headers.pop("Content-Length", None)
    else:
        response.direct_passthrough = False
        response.set_data(squeeze(response.get_data(), coding))
    response.headers["Content-Encoding"] = coding
    etag, weak = response.get_etag()
    if etag is not None and not weak:
        # The same content in other bytes: that is what a weak tag says.
        response.set_etag(etag, weak=True)
    return response


def _streamed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    squeezer = zlib.compressobj(QUALITY["gzip"], wbits=zlib.MAX_WBITS | 16)
    for chunk in chunks:
        if squeezed := squeezer.compress(chunk):
            yield squeezed
    yield squeezer.flush()
