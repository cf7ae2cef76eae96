"""Static files under addresses that change with their content, so that browsers may keep them for ever.

Style and script are written as many small files, each with one idea, and sent as one: a first visit waits for two
answers instead of thirty, and nothing has to be built.
"""

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from flask import Flask, Response, abort, request, url_for

FOREVER: Final = "public, max-age=31536000, immutable"
TYPES: Final = {".css": "text/css", ".js": "text/javascript"}
BUNDLES: Final = {
    "desk.css": tuple(
        f"css/{name}.css"
        for name in ("tokens", "base", "layout", "card", "table", "badge", "button", "form", "flash", "pager", "story")
    ),
    "desk.js": ("js/desk.js",),
    "chart.css": ("css/chart.css", "css/plot.css"),
    "chart.js": ("js/chart.js", "js/chart-zoom.js"),
}


class Bundle(NamedTuple):
    """Some files as one answer."""

    plain: bytes
    squeezed: bytes
    digest: str


def bundle(folder: Path, names: tuple[str, ...]) -> Bundle:
    """The files one after the other. Each script keeps its names to itself: braces make its `const`s its own."""
    parts = [(name, (folder / name).read_text()) for name in names]
    if names[0].endswith(".js"):
        text = '"use strict";\n' + "".join(f"/* {name} */ {{\n{source}}}\n" for name, source in parts)
    else:
        text = "".join(source for _, source in parts)
    plain = text.encode()
    return Bundle(plain, gzip.compress(plain, 9, mtime=0), hashlib.sha256(plain).hexdigest()[:12])


@lru_cache(maxsize=256)
def _digest(path: str, modified: float) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


def install(app: Flask) -> None:
    """`asset(name)` for templates, for a file as for a bundle, and the caching headers that go with it."""
    folder = Path(app.static_folder or "static")
    bundles = {name: bundle(folder, names) for name, names in BUNDLES.items()}

    def asset(name: str) -> str:
        if name in bundles:
            return url_for("bundle", name=name, v=bundles[name].digest)
        file = folder / name
        if not file.is_file():
            return url_for("static", filename=name)
        return url_for("static", filename=name, v=_digest(str(file), file.stat().st_mtime))

    def send_bundle(name: str) -> Response:
        if name not in bundles:
            abort(404)
        found = bundles[name]
        squeezed = bool(request.accept_encodings.quality("gzip"))
        response = Response(found.squeezed if squeezed else found.plain, mimetype=TYPES[Path(name).suffix])
        response.vary.add("Accept-Encoding")
        if squeezed:
            response.headers["Content-Encoding"] = "gzip"
        return response

    def cache(response: Response) -> Response:
        static = request.endpoint in ("static", "bundle")
        if static and "v" in request.args and response.status_code == 200:
            response.headers["Cache-Control"] = FOREVER
        elif not static and "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response

    app.add_url_rule("/static/bundle/<name>", "bundle", send_bundle)
    app.jinja_env.globals["asset"] = asset
    app.after_request(cache)
