"""What every page shows around its content: the switch, and whether the visitor may use it."""

import logging
from dataclasses import dataclass
from datetime import datetime

from flask import Flask, g
from sqlalchemy.exc import SQLAlchemyError

from webapp.domain.halts import Cause, cause_of
from webapp.extensions import db
from webapp.services import kill_switch
from webapp.web.auth import has_role
from webapp.web.htmx import version_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Switch:
    """The kill switch as a page shows it. A state that cannot be read is drawn as on: trades are refused."""

    enabled: bool
    known: bool
    reason: str | None = None
    actor: str | None = None
    changed_at: datetime | None = None

    @property
    def cause(self) -> tuple[Cause, str] | None:
        """The desk's own cause with its evidence, when nobody but the desk halted it."""
        return cause_of(self.actor, self.reason)

    @property
    def version(self) -> str:
        """Changes whenever the header must be drawn again, also when what the visitor may do has changed."""
        return version_of(self.enabled, self.known, self.changed_at, may_halt())


def may_halt() -> bool:
    """Operators and admins."""
    return has_role("operator")


def switch_state() -> Switch:
    """The switch, read once for each page. After a database error it is unknown, without asking again."""
    if "switch" not in g:
        g.switch = Switch(enabled=True, known=False) if g.get("database_failed") else _read()
    found: Switch = g.switch
    return found


def _read() -> Switch:
    try:
        state = kill_switch.state(db.session())
    except SQLAlchemyError:
        log.exception("kill switch could not be read")
        db.session.rollback()
        return Switch(enabled=True, known=False)
    return Switch(state.enabled or not state.known, state.known, state.reason, state.actor, state.changed_at)


def install(app: Flask) -> None:
    """Put both where every template finds them."""
    app.jinja_env.globals.update(switch_state=switch_state, may_halt=may_halt)
