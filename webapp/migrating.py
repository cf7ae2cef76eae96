"""Alembic without Flask: for readiness, the demo and the tests. `flask db` is the way for people."""

from functools import lru_cache

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from webapp.config import ROOT


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    return config


@lru_cache(maxsize=1)
def newest() -> str | None:
    """The revision this code was written for."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database at `url` to `revision`; safe to run twice at once (see migrations/env.py)."""
    config = _config()
    config.attributes["url"] = url
    command.upgrade(config, revision)
