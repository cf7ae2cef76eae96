"""Copy the browser files from node_modules to where they are served, and lock them by checksum.

For the developer who changes a version, after `npm ci --ignore-scripts`; `make vendor` does both. Everybody else needs
no node: the files are in the repository, and tests/test_vendor.py holds them to vendor.lock.json.
"""

import base64
import hashlib
import json
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "static/vendor/vendor.lock.json"
SERVED, TESTS = Path("static/vendor"), Path("tests/vendor")
FILES = {
    "@fontsource-variable/figtree": (SERVED, "files/figtree-latin-wght-normal.woff2"),
    "htmx.org": (SERVED, "dist/htmx.min.js"),
    "idiomorph": (SERVED, "dist/idiomorph-ext.min.js"),
    "axe-core": (TESTS, "axe.min.js"),
}


def sha384(path: Path) -> str:
    """As browsers write it in `integrity=`."""
    return "sha384-" + base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()


def copy(package: str) -> dict[str, object]:
    """One package's file and its licence, and the entry that locks both."""
    folder, name = FILES[package]
    source = ROOT / "node_modules" / package
    about = json.loads((source / "package.json").read_text())
    licence = f"{package.rpartition('/')[2]}.LICENSE"
    copies = {folder / Path(name).name: source / name, folder / licence: source / "LICENSE"}
    for target, origin in copies.items():
        (ROOT / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin, ROOT / target)
    files = {str(target): sha384(ROOT / target) for target in copies}
    return {"package": package, "version": about["version"], "licence": about["license"], "files": files}


if __name__ == "__main__":
    LOCK.write_text(json.dumps([copy(package) for package in FILES], indent=2) + "\n")
