"""Who may import whom. Read from the syntax trees, so that an import inside a function counts, too."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from webapp.config import ROOT

FILES = sorted((ROOT / "webapp").rglob("*.py"))

# What a layer may import of this project; itself it always may. Layers not named here (cli, demo, the files at the top
# of the package) may import anything.
MAY_IMPORT = {
    "domain": set(),
    "models": {"domain"},
    "queries": {"models", "domain"},
    # A smoke run is a use case too: its checks are handed their node and know nothing of the desk.
    "services": {"queries", "models", "domain", "smoke"},
    "feeds": {"domain"},
    "smoke": {"domain"},
    "engine": {"services", "queries", "feeds", "smoke", "domain"},
    "web": {"domain"},
    "pages": {"services", "queries", "domain", "web"},
    "api": {"services", "queries", "domain", "web"},
    # A program of its own, made to be copied out of here.
    "client": set(),
}
# Frameworks by the layers that may know them.
FLASK = {
    "flask",
    "apiflask",
    "flask_login",
    "flask_wtf",
    "flask_migrate",
    "flask_sqlalchemy",
    "htmx_flask",
    "werkzeug",
    "wtforms",
    "authlib",
}
FLASK_FREE = {"domain", "models", "queries", "services", "feeds", "smoke", "engine"}
WITH_NOTHING_ELSE = {"domain", "client"}
WITHOUT_SQL = {"domain", "feeds", "smoke", "web", "pages", "api"}
# Views hand `db.session` to services and queries: this door is open to them.
DOORS = {"pages": {"extensions"}, "api": {"extensions"}}
ANYBODY = {"version"}
# Exceptions of SQLAlchemy a view must catch to say that the database is away. Nothing else of it.
SQL_ERRORS = {"sqlalchemy.exc"}
# The engine opens connections for the services; what is said on them is theirs.
STATEMENTS = {"text", "select", "insert", "update", "delete", "func"}
WITHOUT_STATEMENTS = {"engine"}


def layer_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "webapp").parts
    return parts[0] if len(parts) > 1 else path.stem


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that `path` imports, with the line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports by a relative name"
            module = node.module or ""
            yield module, node.lineno
            if module == "webapp":
                yield from ((f"webapp.{alias.name}", node.lineno) for alias in node.names)


def violations(path: Path) -> Iterator[str]:
    layer = layer_of(path)
    for module, line in imported(path):
        package, _, rest = module.partition(".")
        if package == "webapp" and rest and layer in MAY_IMPORT:
            target = rest.partition(".")[0]
            if target not in MAY_IMPORT[layer] | ANYBODY | DOORS.get(layer, set()) | {layer}:
                yield f"{path.relative_to(ROOT)}:{line} {layer} must not import {module}"
        elif package in FLASK and layer in FLASK_FREE:
            yield f"{path.relative_to(ROOT)}:{line} {layer} must not know {package}"
        elif package in {"sqlalchemy", "psycopg2"} and layer in WITHOUT_SQL and module not in SQL_ERRORS:
            yield f"{path.relative_to(ROOT)}:{line} {layer} must not know {module}"
        elif layer in WITH_NOTHING_ELSE and package != "webapp" and package not in sys.stdlib_module_names:
            yield f"{path.relative_to(ROOT)}:{line} {layer} imports {package}, which is not of the standard library"


@pytest.mark.parametrize("layer", sorted({layer_of(path) for path in FILES}))
def test_layer_imports_only_what_it_may(layer):
    assert [told for path in FILES if layer_of(path) == layer for told in violations(path)] == []


@pytest.mark.parametrize("layer", sorted(WITHOUT_STATEMENTS))
def test_layer_has_no_sql_of_its_own(layer):
    told = [
        f"{path.relative_to(ROOT)}:{node.lineno} imports {alias.name}"
        for path in FILES
        if layer_of(path) == layer
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy")
        for alias in node.names
        if alias.name in STATEMENTS
    ]
    assert told == []


def test_only_config_reads_the_environment():
    readers = {
        path.relative_to(ROOT / "webapp").as_posix()
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if (
            isinstance(node, ast.Attribute)
            and node.attr in {"environ", "environb", "getenv"}
            and isinstance(node.value, ast.Name)
        )
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {a.name for a in node.names} & {"environ", "getenv"}
        )
    }
    assert readers - {"config.py", "client.py"} == set()


FORBIDDEN_IN_DOMAIN = {
    "now": "the clock",
    "utcnow": "the clock",
    "today": "the clock",
    "time": "the clock",
    "monotonic": "the clock",
    "random": "chance",
    "urandom": "chance",
    "uuid4": "chance",
}


def test_domain_reads_no_clock_and_tosses_no_coin():
    told = [
        f"{path.relative_to(ROOT)}:{node.lineno} reads {FORBIDDEN_IN_DOMAIN[name]} by {name}()"
        for path in FILES
        if layer_of(path) == "domain"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and (name := getattr(node.func, "attr", getattr(node.func, "id", ""))) in FORBIDDEN_IN_DOMAIN
        and isinstance(getattr(node.func, "value", None), ast.Name)
        and node.func.value.id in {"datetime", "time", "random", "os", "uuid", "date", "secrets"}
    ]
    assert told == []


def test_domain_has_no_float():
    told = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        if layer_of(path) == "domain"
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float")
    ]
    assert told == []


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        ("domain", "import requests"),
        ("client", "import requests"),
        ("domain", "from webapp.models import Order"),
        ("services", "from flask import g"),
        ("engine", "import flask_login"),
        ("pages", "from webapp.models import Order"),
        ("pages", "from webapp.api import tokens"),
        ("api", "from sqlalchemy import select"),
        ("queries", "from webapp.services import trading"),
        ("web", "def f():\n    from webapp import services"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path, monkeypatch, layer, line):
    file = tmp_path / "webapp" / layer / "new.py"
    file.parent.mkdir(parents=True)
    file.write_text(line + "\n")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert len(list(violations(file))) == 1
