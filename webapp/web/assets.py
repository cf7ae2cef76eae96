"""Static files under URLs that change with their content, so that browsers may keep them for ever."""

import hashlib
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, request, url_for

FOREVER = "public, max-age=31536000, immutable"


@lru_cache(maxsize=256)
def _digest(path: str, modified: float) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


def install(app: Flask) -> None:
    """`asset(name)` for templates, and the caching headers that go with it."""

    def asset(name: str) -> str:
        file = Path(app.static_folder or "static") / name
        if not file.is_file():
            return url_for("static", filename=name)
        return url_for("static", filename=name, v=_digest(str(file), file.stat().st_mtime))

    def cache(response: Response) -> Response:
        if request.endpoint == "static" and "v" in request.args and response.status_code == 200:
            response.headers["Cache-Control"] = FOREVER
        elif request.endpoint != "static" and "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response

    app.jinja_env.globals["asset"] = asset
    app.after_request(cache)
