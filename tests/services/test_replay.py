"""A replay is a function of its quotes: the same rows each time, whole, in pieces, or cut off and resumed."""

import pytest
from sqlalchemy.orm import Session

from tests.services.desks import counts, grown, one, quote, rows
from tests.services.replays import (
    Cut,
    Idle,
    Turns,
    differences,
    of_files,
    picture,
    plan,
    play,
    play_until_the_halt,
    roomy,
    taken,
    walk,
)
from tests.support import needs_quotes
from webapp.domain.strategies import get_strategy
from webapp.services import audit, books
from webapp.services import replay as service
from webapp.services.replay_entries import Entry

BTCUSD = "quotes_1m_coinbase_BTCUSD_20180404-0405.csv.gz"
FOUR = "quotes_tick_binance-usdm_4symbols_20210722.csv.gz"


@needs_quotes
@pytest.mark.parametrize(
    ("files", "strategy"),
    [((BTCUSD,), "momentum"), ((BTCUSD,), "mean_reversion"), ((FOUR,), "turns")],
    ids=["two days, momentum", "two days, mean reversion", "four symbols, turns"],
)
def test_recorded_quotes_replayed_on_two_desks_leave_the_same_rows(
    session: Session, other_session: Session, files: tuple[str, ...], strategy: str
) -> None:
    quotes = of_files(*files)
    how = plan("recorded", Turns() if strategy == "turns" else get_strategy(strategy), cycle_seconds=20)
    first, second = (play(own, quotes, how) for own in (session, other_session))
    assert first == second
    assert first.taken == len(quotes)
    assert first.cycles > 0
    assert first.fills > 0 or strategy != "turns"
    assert differences(picture(session), picture(other_session)) == {}
    assert books.verify(session).drifts == []
    assert audit.verify(session).ok


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    ("jump_at", "more"),
    [(None, {}), (None, {"max_fill_notional": "150"}), (300, {})],
    ids=["calm", "in parts", "with a halt"],
)
def test_replay_cut_off_after_every_chunk_and_resumed_leaves_the_rows_of_one_that_was_not(
    session: Session,
    other_session: Session,
    monkeypatch: pytest.MonkeyPatch,
    jump_at: int | None,
    more: dict[str, str],
) -> None:
    for own in (session, other_session):
        roomy(own, **more)
    quotes = list(walk(600, jump_at=jump_at))
    whole = play(session, quotes)
    assert whole.fills > 20
    assert (whole.halted is not None) is (jump_at is not None)
    resumed = 1 + _cut_off_again_and_again(other_session, quotes, monkeypatch)
    assert resumed >= 9
    assert differences(picture(session), picture(other_session)) == {}
    assert books.verify(other_session).drifts == []


def _cut_off_again_and_again(session: Session, quotes: list[Entry], monkeypatch: pytest.MonkeyPatch) -> int:
    """Let the process die after each committed chunk (halts it calls for included); how often it died."""
    whole, died = service._play, 0

    def play_one_chunk(own: Session, run: object, chunk: object) -> object:
        nonlocal fresh
        if not fresh:
            raise Cut
        done, breach = whole(own, run, chunk)  # type: ignore[arg-type]
        fresh = False
        return done, breach

    monkeypatch.setattr(service, "_play", play_one_chunk)
    while True:
        fresh = True
        try:
            play(session, quotes)
        except Cut:
            died += 1
            session.rollback()
            continue
        return died


@pytest.mark.usefixtures("small_chunks")
def test_replay_cut_off_in_the_middle_of_a_chunk_leaves_nothing_of_it_and_resumes_to_the_same_rows(
    session: Session, other_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for own in (session, other_session):
        roomy(own)
    quotes = list(walk(300))
    play(session, quotes)
    checkpoint = service._checkpoint

    def die(own: Session, run: service._Run) -> None:
        checkpoint(own, run)
        if run.report.rows > 150:
            raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(service, "_checkpoint", die)
        with pytest.raises(Cut):
            play(other_session, quotes)
    read = one(other_session, "SELECT rows_read FROM replay_runs")
    assert 60 <= read <= 150
    assert one(other_session, "SELECT rows_taken FROM replay_runs") == one(
        other_session, "SELECT count(*) FROM market_ticks"
    )
    play(other_session, quotes)
    assert differences(picture(session), picture(other_session)) == {}


@pytest.mark.usefixtures("small_chunks")
def test_replay_that_dies_between_a_chunk_and_the_halt_it_calls_for_halts_at_the_same_moment_when_resumed(
    session: Session, other_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for own in (session, other_session):
        roomy(own)
    quotes = list(walk(600, jump_at=300))
    play(session, quotes)
    play_until_the_halt(other_session, quotes, monkeypatch)
    play(other_session, quotes)
    assert differences(picture(session), picture(other_session)) == {}


def test_replay_in_small_transactions_leaves_the_rows_of_one_in_large_ones(
    session: Session, other_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for own in (session, other_session):
        roomy(own)
    quotes = list(walk(400))
    play(session, quotes)
    monkeypatch.setattr(service, "CHUNK_ROWS", 30)
    play(other_session, quotes)
    different = differences(picture(session), picture(other_session))
    assert set(different) <= {"positions"}, different  # when a row was last written is not part of the story
    assert rows(session, "SELECT symbol, qty, avg_entry_price, mark_price FROM positions ORDER BY 1") == rows(
        other_session, "SELECT symbol, qty, avg_entry_price, mark_price FROM positions ORDER BY 1"
    )


def test_finished_replay_is_not_repeated(session: Session) -> None:
    quotes = list(walk(100))
    first = play(session, quotes)
    before = counts(session)
    again = play(session, quotes)
    assert again.already
    assert (again.taken, again.refused) == (first.taken, first.refused)
    assert grown(session, before) == {}


def test_other_strategy_or_pace_is_another_replay_with_ids_of_its_own(session: Session) -> None:
    quotes = taken(quote(100, at=second) for second in range(0, 300, 10))
    for how in (plan("same", Idle()), plan("same", Idle(), 30), plan("same|other", Idle())):
        assert not play(session, quotes, how).already
    assert one(session, "SELECT count(*) FROM market_ticks") == 90
