"""The Flask extensions, unbound, and how their database connections behave."""

from dataclasses import dataclass
from typing import Any, Final

from flask import Flask
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from htmx_flask import Htmx
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from webapp import embedded
from webapp.config import ROOT, Config
from webapp.models import Base

db = SQLAlchemy(metadata=Base.metadata)
migrate = Migrate()
htmx = Htmx()
csrf = CSRFProtect()
login = LoginManager()


@dataclass(frozen=True)
class Limits:
    """How long the database lets a connection work, wait for a lock, or idle in a transaction: ms, 0 is for ever."""

    statement_ms: int
    lock_ms: int
    idle_ms: int


WEB_LIMITS = Limits(statement_ms=5_000, lock_ms=2_000, idle_ms=10_000)
"""A visitor has gone away before these pass."""
COMMAND_LIMITS = Limits(statement_ms=0, lock_ms=30_000, idle_ms=0)
"""Rebuilding the books of a large desk is one long statement."""
ENGINE_LIMITS = Limits(statement_ms=1_000, lock_ms=1_000, idle_ms=1_000)
"""RELIABILITY: a stuck engine must let go of the trading gate within about a second."""


KEEPALIVE: Final[dict[str, int]] = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A server or a network that went away without a word is noticed within some ten seconds: s, s, times, ms."""


def connect_args(limits: Limits, name: str) -> dict[str, Any]:
    """Arguments of a PostgreSQL connection that lives in UTC and within `limits`; `name` shows in pg_stat_activity."""
    settings = {
        "TimeZone": "UTC",
        "statement_timeout": limits.statement_ms,
        "lock_timeout": limits.lock_ms,
        "idle_in_transaction_session_timeout": limits.idle_ms,
    }
    return {
        "options": " ".join(f"-c {key}={value}" for key, value in settings.items()),
        "connect_timeout": 3,
        **KEEPALIVE,
        "application_name": f"paperdesk-{name}",
    }


def pool_options(limits: Limits, name: str, size: int) -> dict[str, Any]:
    """Engine options: a caller waits at most 3 s for a connection, and a connection that died is never handed out."""
    return {
        "poolclass": QueuePool,
        "pool_size": size,
        "max_overflow": 2,
        "pool_timeout": 3,
        "pool_pre_ping": True,
        "connect_args": connect_args(limits, name),
    }


def database_url(config: Config) -> str:
    """The address to connect to: the one that is set, or that of the embedded server (see :func:`_start_embedded`)."""
    if config.database_url is not None:
        return config.database_url
    cluster = embedded.Cluster(config.instance_path)
    _embedded[str(cluster.socket_folder)] = cluster
    return cluster.url


def make_engine(config: Config, limits: Limits, name: str, size: int = 2) -> Engine:
    """An engine of its own, for a process or a thread that must not depend on the web's pool."""
    return create_engine(database_url(config), **pool_options(limits, name, size))


def install(app: Flask) -> None:
    """Bind every extension. htmx first: it replaces the request class."""
    config: Config = app.config["PAPERDESK"]
    htmx.init_app(app)
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url(config)
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = pool_options(
        COMMAND_LIMITS if config.command else WEB_LIMITS, "command" if config.command else "web", config.web_threads
    )
    db.init_app(app)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"), render_as_batch=False)
    csrf.init_app(app)
    login.init_app(app)


_embedded: dict[str, embedded.Cluster] = {}


@event.listens_for(Engine, "do_connect")
def _start_embedded(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
    """Start an embedded server at the first connection to it, so that a command that needs no database starts none."""
    cluster = _embedded.get(str(parameters.get("host")))
    if cluster is not None:
        embedded.acquire(cluster.home)
