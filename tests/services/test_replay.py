"""A replay is a function of its quotes: the same rows each time, cut off or not, with market time as its clock."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from tests.conftest import _database
from tests.services.desks import BTC, CALM, SOL, after, counts, cycle, grown, limits, one, quote, rows, take
from tests.services.replays import (
    Idle,
    Turns,
    differences,
    needs_data,
    of_files,
    picture,
    plan,
    play,
    taken,
    walk,
)
from webapp.domain.strategies import get_strategy
from webapp.services import audit, books, kill_switch, policy
from webapp.services import replay as service
from webapp.services.replay import Entry, Plan, Report

BTCUSD = "quotes_1m_coinbase_BTCUSD_20180404-0405.csv.gz"
FOUR = "quotes_tick_binance-usdm_4symbols_20210722.csv.gz"


class Cut(Exception):
    """The process dies here."""


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
    """A transaction every sixty rows, so that short stories have many."""
    monkeypatch.setattr(service, "CHUNK_ROWS", 60)


def roomy(session: Session, **more: object) -> None:
    """Let the strategy trade as often as it likes; the same version in every database, whenever it was made."""
    document = policy.current(session).policy.to_document()
    changes = {"cooldown_seconds": 0, "max_trades_per_hour": 10_000, "max_trades_per_day": 10_000, **more}
    policy.change(session, {**document, **changes}, "user:ada", "for the test", after(-1))


# --- the same rows every time ---------------------------------------------------------------------------------------
@needs_data
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

    def die(*_: object) -> None:
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(kill_switch, "halt", die)
        with pytest.raises(Cut):
            play(other_session, quotes)
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


# --- market time is the clock ---------------------------------------------------------------------------------------
def test_every_row_of_a_replay_carries_market_time(session: Session) -> None:
    roomy(session)
    play(session, walk(200))
    end = after(3 * 3600)
    for table, column in (
        ("market_ticks", "created_at"),
        ("signals", "created_at"),
        ("orders", "created_at"),
        ("order_transitions", "created_at"),
        ("fills", "filled_at"),
        ("risk_events", "created_at"),
        ("portfolio_snapshots", "captured_at"),
        ("cycles", "created_at"),
        ("positions", "updated_at"),
    ):
        newest, oldest = (one(session, f"SELECT {f}({column}) FROM {table}") for f in ("max", "min"))
        assert after(-3600) <= oldest <= newest <= end, table


def test_cycles_of_a_symbol_keep_their_distance_in_market_time(session: Session) -> None:
    quotes = taken(quote(100, at=second) for second in range(0, 200, 7))
    assert play(session, quotes, plan("steady", Idle(), 60)).cycles == 4
    times = [row["created_at"] for row in rows(session, "SELECT created_at FROM cycles ORDER BY 1")]
    assert times == [after(0), after(63), after(126), after(189)]


def test_cooldown_and_age_of_a_replay_count_in_market_time(session: Session) -> None:
    limits(session, cooldown_seconds=100)
    report = play(session, taken(quote(100, at=second) for second in range(0, 601, 10)), plan("cool", Turns(), 30))
    assert report.fills > 2
    moments = [row["filled_at"] for row in rows(session, "SELECT filled_at FROM fills WHERE side = 'buy' ORDER BY 1")]
    blocked = one(session, "SELECT count(*) FROM orders WHERE risk_reason = 'COOLDOWN_SECONDS'")
    assert blocked > 0
    assert all((later - earlier).total_seconds() >= 100 for earlier, later in pairwise(moments))


def test_snapshots_of_a_replay_lie_on_the_grid_of_market_time(session: Session) -> None:
    play(session, taken(quote(100, at=second) for second in range(0, 200, 7)), plan("grid", Idle()))
    times = [row["captured_at"] for row in rows(session, "SELECT captured_at FROM portfolio_snapshots ORDER BY 1")]
    assert times == [after(0), after(60), after(120), after(180)]


def test_resting_orders_of_a_replay_expire_in_market_time(session: Session) -> None:
    take(session, quote(100))
    cycle(session, "buy", 1, 99)
    play(session, taken(quote(100, at=second) for second in (100, 299, 301)), plan("expiring", Idle()))
    assert one(session, "SELECT created_at FROM order_transitions WHERE to_status = 'canceled'") == after(301)


def test_day_rolls_in_market_time(session: Session) -> None:
    limits(session, **CALM)
    take(session, quote(100))
    cycle(session, "buy", 9)
    quotes = taken(quote(price, at=at) for at, price in [(60, 95), (130, 95), (43_190, 95), (43_210, 90)])
    play(session, quotes, plan("overnight", Idle()))
    answer = cycle(session, "buy", 1, at=43_210)
    loss = next(entry for entry in answer.document["risk"] if entry["rule"] == "MAX_DAILY_LOSS")
    assert Decimal(loss["value"]) == 45


# --- rows that are refused, late, or too large ----------------------------------------------------------------------
def test_refused_rows_are_counted_by_reason_and_leave_nothing(session: Session) -> None:
    quotes = [*taken([quote(100)]), Entry(None, "crossed"), Entry(None, "bad_number"), Entry(None, "crossed")]
    report = play(session, quotes, plan("refused", Idle()))
    assert (report.rows, report.taken, report.refused) == (4, 1, {"crossed": 2, "bad_number": 1})
    assert one(session, "SELECT refused FROM replay_runs") == {"crossed": 2, "bad_number": 1}
    assert one(session, "SELECT finished_at IS NOT NULL FROM replay_runs")


def test_quote_from_the_real_future_is_refused(session: Session) -> None:
    report = play(session, taken([quote(100), quote(100, at=100 * 365 * 86_400)]), plan("ahead", Idle()))
    assert (report.taken, report.refused) == (1, {"future": 1})


def test_replay_of_nothing_but_refused_rows_takes_none(session: Session) -> None:
    report = play(session, [Entry(None, "crossed")] * 5, plan("nothing", Idle()))
    assert (report.rows, report.taken, report.refused) == (5, 0, {"crossed": 5})
    assert one(session, "SELECT count(*) FROM market_ticks") == 0


def test_replay_that_begins_with_refused_rows_plays_the_rest_as_if_they_were_not_there(
    session: Session, other_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "CHUNK_ROWS", 10)
    quotes = list(walk(100))
    good = [entry for entry in quotes if entry.tick is not None]
    for own in (session, other_session):
        roomy(own)
    play(session, [Entry(None, "crossed")] * 25 + good, plan("quotes"))
    play(other_session, good, plan("quotes"))
    different = differences(picture(session), picture(other_session))
    assert set(different) <= {"replay_runs", "positions"}, different


@pytest.mark.usefixtures("small_chunks")
def test_quote_at_which_the_book_does_not_fit_is_refused_and_prices_nothing(session: Session) -> None:
    limits(session, **CALM)
    take(session, quote(1))
    cycle(session, "buy", 900)
    cycle(session, "sell", 100, 2)
    quotes = taken([quote(1, at=1), quote(9_999_999_999, at=61), quote(1, at=62), quote(1, at=122)])
    report = play(session, quotes, plan("huge", Turns(), 1))
    assert report.refused == {"out_of_range": 1}
    assert one(session, "SELECT max(fill_price) FROM fills") < 3
    seen = "SELECT max(CAST(strategy_payload ->> 'sum' AS numeric)) FROM signals"
    assert one(session, seen) < 1000, "the strategy was shown a quote that was refused"
    assert (
        one(session, "SELECT count(*) FROM fill_receipts LEFT JOIN market_ticks t USING (tick_id) WHERE t IS NULL") == 0
    )
    assert one(session, "SELECT count(*) FROM cycles LEFT JOIN market_ticks t USING (tick_id) WHERE t IS NULL") == 0
    assert books.verify(session).drifts == []


def test_late_rows_of_a_replay_are_kept_flagged_and_trade_nothing(session: Session) -> None:
    late = [quote(90, at=40), quote(91, at=41)]
    quotes = taken([quote(100, at=100), quote(50, at=200, symbol=BTC), *late, quote(100, at=201)])
    report = play(session, quotes, plan("late", Turns(), 1))
    assert (report.taken, report.late) == (5, 2)
    assert one(session, "SELECT count(*) FROM late_ticks") == 2
    assert [row["symbol"] for row in rows(session, "SELECT symbol FROM cycles ORDER BY created_at")] == [SOL, BTC, SOL]


# --- several files, in any order ------------------------------------------------------------------------------------
@needs_data
def test_several_files_are_merged_by_time(session: Session) -> None:
    names = (BTCUSD, "quotes_1m_coinbase_ETHUSD_20180404-0405.csv.gz")
    quotes = of_files(*names)
    report = play(session, quotes, plan("both", get_strategy("momentum")))
    assert (report.taken, report.late) == (len(quotes), 0)
    assert one(session, "SELECT count(DISTINCT symbol) FROM market_ticks") == 2
    assert books.verify(session).drifts == []


def test_files_replayed_in_the_wrong_order_keep_the_earlier_one_as_late_and_trade_nothing_on_it(
    session: Session,
) -> None:
    roomy(session)
    earlier = taken(quote(100 + second % 7, at=second) for second in range(0, 1200, 10))
    later = taken(quote(100 + second % 7, at=second) for second in range(5000, 6200, 10))
    assert play(session, later, plan("later")).fills > 0
    fills = one(session, "SELECT count(*) FROM fills")
    report = play(session, earlier, plan("earlier"))
    assert (report.taken, report.late, report.fills) == (120, 120, 0)
    assert one(session, "SELECT count(*) FROM fills") == fills
    assert books.verify(session).drifts == []


def test_files_of_other_symbols_replayed_in_the_wrong_order_trade_as_of_their_own_time(session: Session) -> None:
    roomy(session)
    later = taken(quote(100 + second % 7, at=second) for second in range(100_000, 101_200, 10))
    earlier = taken(quote(50 + second % 7, at=second, symbol=BTC) for second in range(0, 1200, 10))
    assert play(session, later, plan("later")).fills > 0
    assert play(session, earlier, plan("earlier")).fills > 0
    assert one(session, "SELECT max(filled_at) FROM fills WHERE symbol = :s", s=BTC) < after(1300)
    assert books.verify(session).drifts == []


@pytest.mark.usefixtures("small_chunks")
def test_symbol_that_comes_up_late_in_a_file_goes_on_from_what_the_desk_has_of_it(session: Session) -> None:
    """Its position is flat, but it has a past: fees, profit, a last fill."""
    limits(session, **{**CALM, "fee_bps": "10"})
    take(session, quote(50, symbol=BTC), at=0)
    cycle(session, "buy", 2, symbol=BTC)
    cycle(session, "sell", 2, symbol=BTC)
    quotes = taken(quote(100 + second % 5, at=second) for second in range(10, 900, 10))
    quotes += taken(quote(50 + second % 5, at=second, symbol=BTC) for second in range(900, 1800, 10))
    assert play(session, quotes).fills > 0
    assert one(session, "SELECT count(*) FROM fills WHERE symbol = :s", s=BTC) > 2
    assert books.verify(session).drifts == []


# --- halts ----------------------------------------------------------------------------------------------------------
def jumping() -> list[Entry]:
    prices = [100, 101, 100, 101, 100, 101, 100, 115, 115, 116, 116, 117]
    return taken(quote(price, at=10 * number) for number, price in enumerate(prices))


def test_anomaly_in_a_replay_halts_in_market_time_and_nothing_trades_after_it(session: Session) -> None:
    roomy(session)
    report = play(session, jumping(), plan("jump", Turns(), 10))
    assert report.halted is not None
    (event,) = rows(session, "SELECT * FROM kill_switch_events")
    assert (event["enabled"], event["actor"], event["created_at"]) == (True, "risk-engine", after(80))
    assert event["reason"].startswith("PRICE_ANOMALY")
    assert one(session, "SELECT max(filled_at) FROM fills") <= after(80)
    blocked = rows(session, "SELECT * FROM cycles WHERE created_at > :at", at=after(80))
    assert {(row["outcome"], row["reason"]) for row in blocked} == {("blocked", "KILL_SWITCH_ACTIVE")}
    assert one(session, "SELECT count(*) FROM orders WHERE status = 'approved'") == 0
    assert kill_switch.state(session).enabled


def test_lone_bad_print_in_a_replay_halts_nothing(session: Session) -> None:
    quotes = taken(quote(150 if number == 6 else 100, at=10 * number) for number in range(12))
    assert play(session, quotes, plan("bad print", Idle())).halted is None
    assert not kill_switch.state(session).enabled


def test_drawdown_in_a_replay_halts_in_market_time(session: Session) -> None:
    limits(session, **CALM, max_drawdown="90")
    take(session, quote(100))
    cycle(session, "buy", 9)
    quotes = taken(quote(price, at=10 * number) for number, price in enumerate([100, 95, 91, 90, 90, 80], 1))
    assert play(session, quotes, plan("down", Idle())).halted is not None
    assert one(session, "SELECT created_at FROM kill_switch_events") == after(40)


def test_halted_desk_replays_quotes_without_trading(session: Session, engine: Engine) -> None:
    kill_switch.halt(engine, "stop", "user:ada", after(-1))
    report = play(session, walk(200))
    assert report.taken > 150
    assert report.fills == report.orders == 0
    assert one(session, "SELECT count(*) FROM kill_switch_events") == 1


# --- somebody else meanwhile ----------------------------------------------------------------------------------------
def meanwhile(monkeypatch: pytest.MonkeyPatch, after_rows: int, act: Callable[[], object]) -> None:
    """Do something between two chunks."""
    whole = service._play

    def play_and_act(session: Session, run: service._Run, chunk: list[Entry]) -> object:
        if run.report.rows >= after_rows:
            monkeypatch.setattr(service, "_play", whole)
            act()
        return whole(session, run, chunk)

    monkeypatch.setattr(service, "_play", play_and_act)


@pytest.mark.usefixtures("small_chunks")
def test_halt_from_outside_stops_a_replay_from_its_next_transaction_on(
    session: Session, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    roomy(session)
    seen: list[int] = []

    def stop() -> None:
        kill_switch.halt(engine, "stop", "user:ada")
        with Session(engine) as other:
            seen.append(one(other, "SELECT count(*) FROM fills"))

    meanwhile(monkeypatch, 200, stop)
    play(session, walk(500))
    assert seen[0] > 0
    assert one(session, "SELECT count(*) FROM fills") == seen[0]


@pytest.mark.usefixtures("small_chunks")
def test_fill_from_outside_is_seen_by_a_replay_from_its_next_transaction_on(
    session: Session, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    roomy(session)

    def trade() -> None:
        with Session(engine) as other:
            at = (one(other, "SELECT max(event_at) FROM market_ticks") - after(0)).total_seconds()
            assert cycle(other, "buy", "0.5", at=at).status_code in (202, 409)

    meanwhile(monkeypatch, 200, trade)
    play(session, walk(500))
    assert books.verify(session).drifts == []


@pytest.mark.usefixtures("small_chunks")
def test_policy_changed_from_outside_is_in_force_for_a_replay_from_its_next_transaction_on(
    session: Session, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    roomy(session)

    def tighten() -> None:
        with Session(engine) as other:
            limits(other, max_order_notional="1")

    meanwhile(monkeypatch, 200, tighten)
    report = play(session, walk(500))
    assert report.orders > 0
    assert one(session, "SELECT policy_version FROM cycles ORDER BY created_at DESC LIMIT 1") == 3
    assert one(session, "SELECT count(*) FROM orders WHERE risk_reason = 'MAX_ORDER_NOTIONAL'") > 0


def test_progress_is_told_row_by_row(session: Session) -> None:
    told: list[int] = []
    report = service.replay(session, walk(100), Plan("told", [], lambda _: Idle(), 60), told.append)
    assert isinstance(report, Report)
    assert sum(told) == report.rows
