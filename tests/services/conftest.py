"""What the tests of services share."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from tests.conftest import _database
from webapp.services import replay


@pytest.fixture
def other_session(postgres_url: URL, template_database: str) -> Iterator[Session]:
    """A second, equally new desk."""
    for url in _database(postgres_url, f'TEMPLATE "{template_database}"'):
        engine = create_engine(url, poolclass=NullPool, connect_args={"options": "-c TimeZone=UTC"})
        with Session(engine) as session:
            yield session
        engine.dispose()


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction of a replay every sixty rows or seven cycles, so that short stories have many."""
    monkeypatch.setattr(replay, "CHUNK_ROWS", 60)
    monkeypatch.setattr(replay, "CHUNK_CYCLES", 7)
