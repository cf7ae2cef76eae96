"""What the attacks share: a short folder for sockets, and a way through a proxy."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.pool import NullPool

from tests.attack.wire import Proxy, proxy_to


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A folder with a path short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="pd-wire-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def proxy(database_url: URL, sockets: Path) -> Iterator[Proxy]:
    """A way to the test's database that can be cut."""
    with proxy_to(database_url, sockets) as made:
        yield made


@pytest.fixture
def through(proxy: Proxy) -> Iterator[Engine]:
    """An engine whose every connection goes through the proxy."""
    made = create_engine(proxy.url, poolclass=NullPool, connect_args={"options": "-c TimeZone=UTC"})
    yield made
    made.dispose()
