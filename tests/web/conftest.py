"""What the tests of the edge share: a desk that everybody may read."""

import pytest

from webapp.config import Config


@pytest.fixture
def settings(settings: Config) -> Config:
    """A desk that everybody may read, as the demo is."""
    return settings.model_copy(update={"public_read": True})
