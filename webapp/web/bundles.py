"""Style and script are written as many small files, each with one idea, and sent as one.

A first visit waits for two answers instead of thirty, and nothing has to be built.
"""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from flask import Flask, Response, abort

from webapp.web.compression import BEST, squeeze, wanted

TYPES: Final = {".css": "text/css", ".js": "text/javascript"}
OWN_ADDRESS: Final = re.compile(r'url\("\.\./([^"]+)"\)')
BUNDLES: Final = {
    "desk.css": tuple(
        f"css/{name}.css"
        for name in (
            *("tokens", "base", "layout", "nav", "card", "table", "badge", "button", "form", "filters", "flash"),
            *("pager", "story", "overlay", "print"),
        )
    ),
    "desk.js": tuple(
        f"js/{name}.js"
        for name in ("desk", "times", "live", "away", "fresh", "forms", "choices", "copy", "keys", "palette", "offline")
    ),
    "chart.css": ("css/chart.css", "css/plot.css"),
    "chart.js": ("js/chart.js", "js/chart-zoom.js"),
}


class Bundle:
    """Some files as one text, and that in each coding once somebody has asked for it."""

    def __init__(self, text: str) -> None:
        self.plain = text.encode()
        self.digest = hashlib.sha256(self.plain).hexdigest()[:12]
        self._squeezed: dict[str, bytes] = {}

    def squeezed(self, coding: str) -> bytes:
        """The text in this coding."""
        if coding not in self._squeezed:
            self._squeezed[coding] = squeeze(self.plain, coding, BEST)
        return self._squeezed[coding]


def joined(folder: Path, names: tuple[str, ...], address: Callable[[str], str]) -> str:
    """The files one after the other. Each script keeps its names to itself: braces make its `const`s its own.

    What a stylesheet refers to gets the address that changes with its content, too.
    """
    parts = [(name, (folder / name).read_text()) for name in names]
    if names[0].endswith(".js"):
        return '"use strict";\n' + "".join(f"/* {name} */ {{\n{source}}}\n" for name, source in parts)
    return OWN_ADDRESS.sub(lambda match: f'url("{address(match[1])}")', "".join(source for _, source in parts))


def install(app: Flask, address: Callable[[str], str]) -> dict[str, str]:
    """Serve the bundles below /static/bundle/; gives the address of each."""
    folder = Path(app.static_folder or "static")
    bundles = {name: Bundle(joined(folder, names, address)) for name, names in BUNDLES.items()}

    def send(name: str) -> Response:
        if name not in bundles:
            abort(404)
        found, coding = bundles[name], wanted()
        response = Response(found.squeezed(coding) if coding else found.plain, mimetype=TYPES[Path(name).suffix])
        response.vary.add("Accept-Encoding")
        if coding:
            response.headers["Content-Encoding"] = coding
        return response

    root = f"{app.static_url_path}/bundle"
    app.add_url_rule(f"{root}/<name>", "bundle", send)
    return {name: f"{root}/{name}?v={found.digest}" for name, found in bundles.items()}
