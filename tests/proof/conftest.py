"""The proofs read the log of their server, so it must lie on this machine and be of our programs' version."""

from collections.abc import Iterator

import pytest
from sqlalchemy.engine import URL

from tests.conftest import template_on


@pytest.fixture(scope="session")
def postgres_url(embedded_url: URL) -> URL:
    """The embedded server, also where the other tests have another one."""
    return embedded_url


@pytest.fixture(scope="session")
def template_database(postgres_url: URL, testrun_uid: str) -> Iterator[str]:
    """The template on that server."""
    yield from template_on(postgres_url, testrun_uid)
