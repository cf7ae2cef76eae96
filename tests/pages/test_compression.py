"""Answers in gzip: for whoever takes it, the same content, and never where it would break something."""

import gzip
import re

import brotli
import pytest

from tests import builders

GZIP = {"Accept-Encoding": "gzip, deflate"}
BROTLI = {"Accept-Encoding": "gzip, deflate, br, zstd"}
UNPACK = {"gzip": gzip.decompress, "br": brotli.decompress, None: bytes}


def addresses(page):
    return re.findall(r'(?:href|src)="(/static/[^"]+)"', page)


@pytest.mark.parametrize(("headers", "coding"), [(GZIP, "gzip"), (BROTLI, "br")])
def test_page_style_and_script_arrive_compressed_and_whole(client, session, headers, coding):
    for _ in range(20):
        builders.order(session)
    for path in ("/orders.csv", "/orders.json", *addresses(client.get("/login").text)):
        if "woff2" in path:
            continue
        with client.get(path) as answer:
            whole = answer.data
        with client.get(path, headers=headers) as answer:
            sent, vary, given = answer.data, answer.vary, answer.headers.get("Content-Encoding")
        streamed = path.endswith(".csv")
        assert "Accept-Encoding" in vary, path
        assert given == (None if len(whole) < 600 else "gzip" if streamed else coding), path
        assert UNPACK[given](sent) == whole, path
        assert len(sent) <= len(whole), path


@pytest.mark.parametrize("taken", ["identity", "deflate", "gzip;q=0, br;q=0", ""])
def test_who_takes_neither_gets_plain_text(client, taken):
    answer = client.get("/login", headers={"Accept-Encoding": taken})

    assert "Content-Encoding" not in answer.headers
    assert "<html" in answer.text


def test_unchanged_chart_is_still_a_304_when_compressed(client, session):
    builders.snapshot(session)
    first = client.get("/portfolio/chart.json?range=all", headers=GZIP)
    again = client.get("/portfolio/chart.json?range=all", headers=GZIP | {"If-None-Match": first.headers["ETag"]})

    assert first.headers["ETag"].startswith("W/") == ("Content-Encoding" in first.headers)
    assert again.status_code == 304
