"""No fill is committed between a halt and its release: the log's own order of commits says so (figure K1)."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.proof import race
from tests.proof.wal import Commit, judge
from webapp.services import audit, books


def check(found: race.Race, session: Session, halts: int) -> None:
    assert (found.judgement.late, found.deadlocks) == (0, 0), found
    assert (found.judgement.halts, found.judgement.releases) == (halts, halts)
    assert found.judgement.fills >= halts, "there was hardly anything to halt"
    assert found.writers.halted > 0, "nobody ever met the switch"
    assert books.verify(session).drifts == []
    assert audit.verify(session).ok


def test_twenty_halts_against_four_writers_let_no_fill_through(engine: Engine, session: Session) -> None:
    check(race.run(engine, session, writers=4, halts=20), session, 20)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("writers", [1, 4, 8])
def test_thousand_halts_let_no_fill_through(
    engine: Engine, session: Session, writers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = race.run(engine, session, writers, halts=1000)
    with capsys.disabled():
        print(f"\nK1 {found}")
    check(found, session, 1000)
    assert found.percentile(99) <= 150, found


def test_judge_counts_what_lies_between_a_halt_and_its_release() -> None:
    story = [
        Commit(1, 2, None),
        Commit(2, 0, True),
        Commit(3, 1, None),
        Commit(4, 3, None),
        Commit(5, 0, False),
        Commit(6, 1, None),
        Commit(7, 0, True),
    ]
    found = judge(story)
    assert (found.halts, found.releases, found.fills, found.late) == (2, 1, 7, 4)
