"""Small tools of the tests that are no fixtures."""

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jinja2.bccache import Bucket, BytecodeCache

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUOTES = Path(__file__).parents[2] / "shared" / "data"
"""The recorded quotes: they lie beside the project, not in it."""
needs_quotes = pytest.mark.skipif(not QUOTES.is_dir(), reason=f"the recorded quotes are not at {QUOTES}")
PASSWORD = "correct horse battery staple"
"""Of everybody who logs in in a test."""


def eventually(true: Callable[[], bool], seconds: float = 15) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return true()


def chromium() -> dict[str, Any] | None:
    """Launch arguments for the system's Chromium, or else the one Playwright downloaded; None without any."""
    for name in CHROMIUM_NAMES:
        if path := shutil.which(name):
            return {"executable_path": path}
    downloads = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    return {} if any(downloads.glob("chromium*")) else None


def csrf_token(page: str) -> str:
    """The token hidden in a form of `page`."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found, "the page has no form with a CSRF token"
    return found[1]


class CompiledTemplates(BytecodeCache):
    """Templates compiled once for a run of the tests rather than once for the app of each."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if code := self._kept.get(bucket.key):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()
