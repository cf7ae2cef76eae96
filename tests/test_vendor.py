"""Files of other people are exactly the ones that were looked at: by version, licence and checksum, without node."""

import base64
import hashlib
import json
import re

import pytest

from webapp.config import ROOT

LOCK = json.loads((ROOT / "static/vendor/vendor.lock.json").read_text())
PINNED = {entry["package"]: entry for entry in LOCK}
NOTES = {"static/vendor/vendor.lock.json", "static/vendor/NOTICE"}


@pytest.mark.parametrize("entry", LOCK, ids=PINNED)
def test_vendored_file_is_the_locked_one(entry):
    for name, locked in entry["files"].items():
        digest = hashlib.sha384((ROOT / name).read_bytes()).digest()
        assert f"sha384-{base64.b64encode(digest).decode()}" == locked, f"{name} was changed"


def test_no_file_is_vendored_without_a_lock():
    there = {
        str(path.relative_to(ROOT))
        for folder in ("static/vendor", "tests/vendor")
        for path in (ROOT / folder).iterdir()
    }
    assert there - NOTES == {name for entry in LOCK for name in entry["files"]}


def test_locked_versions_are_those_of_package_json():
    package = json.loads((ROOT / "package.json").read_text())
    assert {name: entry["version"] for name, entry in PINNED.items()} == package["dependencies"] | package[
        "devDependencies"
    ]
    assert PINNED["htmx.org"]["version"] == "2.0.11", "htmx 4 speaks other headers than htmx-flask and our pages"


def test_every_vendored_script_comes_with_its_licence_text():
    for entry in LOCK:
        licence = next(name for name in entry["files"] if name.endswith(".LICENSE"))
        assert re.search("permission|licens", (ROOT / licence).read_text(), re.IGNORECASE)
