"""A replay of several files, a replay that halts, and a replay while somebody else acts on the desk."""

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.services.desks import BTC, CALM, after, cycle, limits, one, quote, rows, take
from tests.services.replays import (
    Idle,
    Turns,
    of_files,
    plan,
    play,
    roomy,
    taken,
    walk,
)
from tests.support import needs_quotes
from webapp.domain.strategies import get_strategy
from webapp.services import books, kill_switch, trading
from webapp.services import replay as service
from webapp.services.replay import Plan, Report
from webapp.services.replay_entries import Entry

BTCUSD = "quotes_1m_coinbase_BTCUSD_20180404-0405.csv.gz"


# --- several files, in any order ---
@needs_quotes
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


# --- halts ---
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
    assert one(session, "SELECT max(filled_at) FROM fills") < after(80)
    assert one(session, "SELECT count(*) FROM cycles WHERE created_at = :at", at=after(80)) == 0, "before the halt"
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


# --- somebody else meanwhile ---
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
def test_order_canceled_from_outside_is_none_for_a_replay_from_its_next_transaction_on(
    session: Session, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    roomy(session, order_ttl_seconds=1000)
    take(session, quote(100))
    resting = UUID(cycle(session, "buy", 1, 98).document["order"]["order_id"])

    def cancel() -> None:
        with Session(engine) as other:
            trading.cancel(other, resting, "user:ada", now=one(other, "SELECT max(event_at) FROM market_ticks"))

    meanwhile(monkeypatch, 60, cancel)
    play(session, taken(quote(100 if second < 700 else 97, at=second) for second in range(0, 1400, 10)))
    steps = rows(
        session,
        "SELECT to_status, actor FROM order_transitions WHERE order_id = :id ORDER BY created_at, transition_id",
        id=resting,
    )
    assert [(step["to_status"], step["actor"]) for step in steps][-1] == ("canceled", "user:ada")
    assert [step["to_status"] for step in steps].count("canceled") == 1
    assert one(session, "SELECT count(*) FROM fills WHERE order_id = :id", id=resting) == 0


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
