"""What every test may ask for: a database of its own, the app on it, a client, a browser.

`database_url` is a fresh, migrated PostgreSQL database (about 30 ms: copied from a template made once a run).
`TEST_DATABASE_URL` takes another server than the embedded one; its user must be allowed to create databases.
"""

import os
import shutil
import signal
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from werkzeug.serving import make_server

from tests.figures import figure, pytest_runtest_makereport, pytest_terminal_summary  # noqa: F401  # for pytest
from tests.support import PASSWORD, CompiledTemplates, chromium, csrf_token
from tests.trader import Trader
from webapp import create_app, embedded, migrating
from webapp.config import Config
from webapp.extensions import ENGINE_LIMITS, connect_args, db
from webapp.services import access, tokens

# Helpers that assert: what they compared is shown when it differs, as in a test.
pytest.register_assert_rewrite("tests.services.twins", "tests.attack.desk")
TEMPLATES = CompiledTemplates()
NO_CHROMIUM = """\
The browser tests need Chromium and found none. Install it (Debian: apt install chromium; anywhere:
.venv/bin/playwright install --with-deps chromium), or leave these tests out: pytest -m 'not browser and not soak'"""
TEMPLATE_LOCK = 5_093_001
"""An advisory lock of the test server, so that parallel workers make the template once."""

ROOM = 4 * 2**30
"""Bytes that a run's servers never need all of."""

# A test server may forget everything when the machine dies; nothing else about it differs.
SERVER_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs a browser, and say what is missing before the first test rather than after the last."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser") and chromium() is None:
        pytest.exit(NO_CHROMIUM, returncode=3)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Chromium as containers and root can run it."""
    return {**browser_type_launch_args, **(chromium() or {}), "args": ["--no-sandbox", "--disable-dev-shm-usage"]}


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> Iterator[URL]:
    """A server for this run: the one that `TEST_DATABASE_URL` says, or else the project's own."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        url = make_url(given).set(drivername="postgresql+psycopg2")
        yield url
        run_on_server(url, *_drops(url))
    else:
        yield request.getfixturevalue("embedded_url")


def scratch() -> Path:
    """Where servers of tests keep their files: in memory if there is room, where a copied database costs a tenth."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM
    return memory if roomy else Path(tempfile.gettempdir())


@pytest.fixture(scope="session")
def embedded_url(testrun_uid: str) -> Iterator[URL]:
    """The project's own server, shared by parallel workers and gone with the last of them."""
    home = scratch() / f"paperdesk-test-{testrun_uid[:12]}"
    handle = embedded.acquire(home, SERVER_SETTINGS, temporary=True)
    yield make_url(handle.url)
    handle.release()


def run_on_server(url: URL, *statements: str) -> None:
    """Statements that cannot run inside a transaction, such as CREATE DATABASE."""
    connection = psycopg2.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()


@pytest.fixture(scope="session")
def template_database(postgres_url: URL, testrun_uid: str) -> Iterator[str]:
    """The name of a migrated, empty database that is only ever copied."""
    yield from template_on(postgres_url, testrun_uid)


def template_on(postgres_url: URL, testrun_uid: str) -> Iterator[str]:
    """The template, made by whichever worker comes first."""
    name = f"paperdesk_template_{testrun_uid[:12]}"
    guard = psycopg2.connect(postgres_url.set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        with guard, guard.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (TEMPLATE_LOCK,))
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if cursor.fetchone() is None:
                run_on_server(postgres_url, f'CREATE DATABASE "{name}_new"')
                url = postgres_url.set(database=f"{name}_new")
                migrating.upgrade(url.render_as_string(hide_password=False))
                run_on_server(postgres_url, f'ALTER DATABASE "{name}_new" RENAME TO "{name}"')
    finally:
        guard.close()
    yield name
    if "PYTEST_XDIST_WORKER" not in os.environ:  # another worker may still copy it
        run_on_server(postgres_url, f'DROP DATABASE IF EXISTS "{name}"')


@pytest.fixture
def empty_database_url(postgres_url: URL) -> Iterator[URL]:
    """A database without a table, for tests of the migrations."""
    yield from _database(postgres_url, "")


@pytest.fixture
def database_url(postgres_url: URL, template_database: str) -> Iterator[URL]:
    """A fresh, migrated database of this test alone."""
    yield from _database(postgres_url, f'TEMPLATE "{template_database}"')


_left: defaultdict[URL, list[str]] = defaultdict(list)
"""Databases that tests are done with, by server. Each goes with the next test: by then nobody is still leaving it,
which to wait for takes the server a tenth of a second."""


def _database(server: URL, how: str) -> Iterator[URL]:
    name = f"paperdesk_test_{uuid4().hex}"
    run_on_server(server, *_drops(server), f'CREATE DATABASE "{name}" {how}')
    yield server.set(database=name)
    _left[server].append(name)


def _drops(server: URL) -> list[str]:
    return [f'DROP DATABASE "{name}" WITH (FORCE)' for name in _left.pop(server, [])]


@pytest.fixture
def engine(database_url: URL) -> Iterator[Engine]:
    """An engine without a pool on the test's database, with the limits of the trading engine except for time."""
    arguments = connect_args(ENGINE_LIMITS, "test") | {"options": "-c TimeZone=UTC -c lock_timeout=20000"}
    engine = create_engine(database_url, poolclass=NullPool, connect_args=arguments)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A plain session; what it commits is there for everybody, as in life."""
    with Session(engine) as session:
        yield session


@pytest.fixture
def trader(session: Session) -> Trader:
    """Somebody who trades on this test's desk."""
    return Trader(session)


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for an embedded server: a short path, because of its socket, that the server's account can reach."""
    folder = Path(tempfile.mkdtemp(prefix="pd-", dir=scratch()))
    yield folder
    with suppress(OSError):
        os.kill(int((folder / "postgres/postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def settings(database_url: URL, tmp_path: Path) -> Config:
    """The settings the app of this test has; override the fixture, or use `with_changes`, for others."""
    return Config(
        _env_file=None,
        database_url=database_url.render_as_string(hide_password=False),
        instance_path=tmp_path,
        secret_key="a key for tests",
        testing=True,
        web_threads=4,
    )


@pytest.fixture
def app(settings: Config) -> Iterator[APIFlask]:
    """The whole application on the test's database."""
    app = create_app(settings)
    app.jinja_env.bytecode_cache = TEMPLATES
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def client(app: APIFlask) -> FlaskClient:
    """A visitor who is not logged in."""
    return app.test_client()


@pytest.fixture
def logged_in(app: APIFlask, session: Session) -> Callable[[str], FlaskClient]:
    """`logged_in("operator")`: a client of a person with that role and that name, logged in through the login form."""

    def log_in(role: str) -> FlaskClient:
        access.ensure_user(session, role, PASSWORD, role)
        client = app.test_client()
        page = client.get("/login").get_data(as_text=True)
        form = {"username": role, "password": PASSWORD, "csrf_token": csrf_token(page)}
        answer = client.post("/login", data=form)
        assert answer.status_code in (302, 303), f"login as {role} was answered {answer.status_code}"
        return client

    return log_in


@pytest.fixture
def bearer(session: Session) -> Callable[..., dict[str, str]]:
    """`bearer("read", "trade")`: the headers of a bot with a token of those scopes."""

    def headers(*scopes: str) -> dict[str, str]:
        _, secret = tokens.create_token(session, f"bot-{uuid4().hex[:8]}", scopes, "test")
        return {"Authorization": f"Bearer {secret}"}

    return headers


@pytest.fixture
def live_server(app: APIFlask) -> Iterator[str]:
    """The address of the app behind a real, threaded HTTP server; `/` not at its end."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
