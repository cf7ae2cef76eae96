"""Static files under addresses that change with their content, so that browsers may keep them for ever."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Final

from flask import Flask, Response, request

from webapp.web import bundles

FOREVER: Final = "public, max-age=31536000, immutable"


@lru_cache(maxsize=256)
def _digest(path: str, modified: float) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


def install(app: Flask) -> None:
    """`asset(name)` for templates, for a file as for a bundle, and the caching headers that go with it."""
    folder = Path(app.static_folder or "static")

    def address(name: str) -> str:
        file = folder / name
        mark = f"?v={_digest(str(file), file.stat().st_mtime)}" if file.is_file() else ""
        return f"{app.static_url_path}/{name}{mark}"

    joined = bundles.install(app, address)
    app.jinja_env.globals["asset"] = lambda name: joined.get(name) or address(name)
    app.after_request(_cache)


def _cache(response: Response) -> Response:
    static = request.endpoint in ("static", "bundle")
    if static and "v" in request.args and response.status_code == 200:
        response.headers["Cache-Control"] = FOREVER
    elif not static and "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    if request.path.endswith("/sw.js"):
        # Otherwise a worker may look after no page outside its own folder.
        response.headers["Service-Worker-Allowed"] = "/"
    return response
