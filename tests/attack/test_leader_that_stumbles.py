"""A leader whose statement the database refuses lets go of the lead whole: no lock stays behind in its pool."""

from collections.abc import Iterator
from threading import Thread

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.services.desks import one
from tests.support import eventually
from webapp.config import Config
from webapp.engine import runner as running
from webapp.engine.desk_hand import DeskHand
from webapp.engine.runner import Runner
from webapp.engine.schedule import Every
from webapp.extensions import ENGINE_LIMITS, make_engine
from webapp.feeds.simulated import SimulatedFeed
from webapp.models.locks import ENGINE_LEADER

SLOW = 60
HOLDERS = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = :lock AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.fixture
def runner(settings: Config) -> Iterator[Runner]:
    """An engine on a pool like a real one's, which outlives the engine's stumbles and its end."""
    pool = make_engine(settings, ENGINE_LIMITS, "engine", size=3)
    made = Runner(pool, DeskHand(SimulatedFeed(["SOL-USDC"]), {}, {}, Every(0.05)))
    yield made
    made.stopping.set()
    pool.dispose()


def holders(session: Session) -> int:
    return int(one(session, HOLDERS, lock=ENGINE_LEADER))


def test_leader_whose_statement_times_out_leaves_no_lock_behind(
    session: Session, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "STANDBY_SECONDS", 3600)  # it does not come back by itself while this looks
    thread = Thread(target=runner.run, daemon=True)
    thread.start()
    assert eventually(runner.leading.is_set, SLOW)
    session.execute(text("SELECT FROM account FOR UPDATE"))
    assert eventually(lambda: not runner.leading.is_set(), SLOW), "it never gave up waiting for the account"
    session.rollback()
    assert eventually(lambda: holders(session) == 0, 8), "nobody leads, and nobody can"
    runner.stopping.set()
    thread.join(SLOW)
