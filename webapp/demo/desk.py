"""The demo's desk, before anything runs on it: migrated, with its logins and its token."""

from sqlalchemy.orm import Session

from webapp import migrating
from webapp.config import Config
from webapp.demo.kept import Kept
from webapp.domain.people import ROLES, SCOPES
from webapp.extensions import COMMAND_LIMITS, database_url, make_engine
from webapp.services import access, history, tokens

BY = "demo"


def prepare(config: Config, kept: Kept) -> bool:
    """Migrate, make the logins and the token what they should be; True when the desk has never seen a quote."""
    migrating.upgrade(database_url(config))
    engine = make_engine(config, COMMAND_LIMITS, "demo")
    with Session(engine) as session:
        for role in ROLES:
            access.ensure_user(session, role, kept.password, role)
        tokens.ensure_token(session, "demo", SCOPES, BY, secret=kept.token)
        new = history.is_empty(session)
    engine.dispose()
    return new
