"""The rules of MDN's HTTP Observatory, as its score table had them in 2026, for one answer over https.

It begins at 100. What can be had on top without a place in browsers' preload lists or hashes of one's own scripts is
35: 10 for a policy that begins at nothing, 10 for CORP, 5 each for frame-ancestors, the referrer, and cookies if any
are set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.cookies import SimpleCookie

from werkzeug.test import TestResponse

BEST, BEST_WITH_COOKIES = 130, 135
BROAD = {"ftp:", "http:", "https:", "*", "http://*", "http://*.*", "https://*", "https://*.*"}
INLINE = {"'unsafe-inline'", "data:"}
PRIVATE = {"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"}
SIX_MONTHS = 15_768_000


def directives(policy: str) -> dict[str, set[str]]:
    """A content policy by directive; one that stands twice fails."""
    found: dict[str, set[str]] = {}
    for part in filter(None, (part.split() for part in policy.split(";"))):
        assert part[0].lower() not in found, f"{part[0]} stands twice"
        found[part[0].lower()] = set(part[1:])
    return found


def of_policy(policy: str | None) -> int:
    if not policy:
        return -25
    rules = directives(policy)
    default = rules.get("default-src", {"*"})
    script, style, objects = (rules.get(name, default) for name in ("script-src", "style-src", "object-src"))
    anything = set().union(*rules.values())
    if script & (BROAD | INLINE) or objects & BROAD:
        return -20
    if any(source.startswith(("http:", "ftp:")) for source in anything):
        return -20
    if "'unsafe-eval'" in script | style:
        return -10
    if style & (BROAD | INLINE):
        return 0
    return 10 if default == {"'none'"} else 5


def of_frames(answer: TestResponse) -> int:
    ancestors = directives(answer.headers.get("Content-Security-Policy", "")).get("frame-ancestors", {"*"})
    if not ancestors & BROAD:
        return 5
    return 0 if answer.headers.get("X-Frame-Options", "").upper() in ("DENY", "SAMEORIGIN") else -20


def of_cookies(answer: TestResponse) -> int:
    lines = answer.headers.getlist("Set-Cookie")
    if not lines:
        return 0
    worst = 5
    for line in lines:
        (cookie,) = SimpleCookie(line).values()
        kept = any(word in cookie.key.lower() for word in ("sess", "login"))
        if not cookie["secure"]:
            worst = min(worst, -10 if kept else -5)
        if kept and not cookie["httponly"]:
            worst = min(worst, -30)
        if cookie["samesite"].lower() not in ("lax", "strict"):
            worst = min(worst, -20 if cookie["samesite"] else 0)
    return worst


def of_transport(value: str | None) -> int:
    age = re.search(r"max-age=(\d+)", value or "")
    return -20 if age is None else 0 if int(age[1]) >= SIX_MONTHS else -10


def of_scripts(answer: TestResponse) -> int:
    """Own scripts need no hash; others would."""
    if answer.mimetype != "text/html":
        return 0
    sources = re.findall(r"<script[^>]*\bsrc=[\"']([^\"']+)", answer.get_data(as_text=True))
    return 0 if all(re.match(r"/(?!/)", source) for source in sources) else -50


def of_sharing(answer: TestResponse) -> int:
    return -50 if "Access-Control-Allow-Origin" in answer.headers else 0


def of_redirect(answer: TestResponse) -> int:
    """From https an answer leads to https on the same host, which a path does."""
    return 0 if re.match(r"/(?!/)", answer.headers.get("Location", "/")) else -20


def modifiers(answer: TestResponse) -> Iterator[tuple[str, int]]:
    headers = answer.headers
    yield "content-security-policy", of_policy(headers.get("Content-Security-Policy"))
    yield "cookies", of_cookies(answer)
    yield "cross-origin-resource-sharing", of_sharing(answer)
    yield "redirection", of_redirect(answer)
    referrer = headers.get("Referrer-Policy", "").lower()
    yield "referrer-policy", 5 if referrer in PRIVATE else -5 if referrer else 0
    yield "strict-transport-security", of_transport(headers.get("Strict-Transport-Security"))
    yield "subresource-integrity", of_scripts(answer)
    yield "x-content-type-options", 0 if headers.get("X-Content-Type-Options") == "nosniff" else -5
    yield "x-frame-options", of_frames(answer)
    corp = headers.get("Cross-Origin-Resource-Policy")
    yield "cross-origin-resource-policy", 10 if corp in ("same-origin", "same-site") else 0 if corp is None else -5


def score(answer: TestResponse) -> tuple[int, list[tuple[str, int]]]:
    """The score, and what it is made of."""
    made = list(modifiers(answer))
    return 100 + sum(points for _, points in made), made
