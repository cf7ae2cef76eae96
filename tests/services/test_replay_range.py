"""What would not fit the schema's ten digits is refused by a replay as it is by live trading, and ends neither."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.services.desks import (
    BTC,
    CALM,
    SOL,
    Opinion,
    after,
    counts,
    cycle,
    grown,
    limits,
    one,
    quote,
    rows,
    take,
    wish,
)
from tests.services.replays import Cut, Idle, Turns, differences, picture, plan, play, play_until_the_halt, roomy, taken
from webapp.domain.market import Quote
from webapp.domain.orders import Proposal
from webapp.domain.policy import Policy
from webapp.services import books
from webapp.services.market import Unvaluable
from webapp.services.replay_entries import Entry

HUGE = 9_999_999_999
SLIPPING = {**CALM, "slippage_bps": 5}


@dataclass
class When:
    """Proposes what it was given for a price, and nothing at others."""

    wishes: dict[int, Proposal]
    name: str = "when"
    window_seconds: int = 60

    def decide(self, window: Sequence[Quote], position_qty: Decimal, policy: Policy) -> Proposal | None:
        return self.wishes.get(int(window[-1].mid_price))


# --- a quote at which what is held cannot be valued ---
def hold(session: Session) -> None:
    """Nine hundred of one symbol, of which a hundred wait to be sold."""
    limits(session, **CALM)
    take(session, quote(1))
    cycle(session, "buy", 900)
    cycle(session, "sell", 100, 2)


@pytest.mark.usefixtures("small_chunks")
def test_quote_at_which_the_book_does_not_fit_is_refused_and_prices_nothing(session: Session) -> None:
    hold(session)
    quotes = taken([quote(1, at=1), quote(HUGE, at=61), quote(1, at=62), quote(1, at=122)])
    report = play(session, quotes, plan("huge", Turns(), 1))
    assert (report.taken, report.refused) == (3, {"out_of_range": 1})
    assert one(session, "SELECT max(fill_price) FROM fills") < 3
    seen = "SELECT max(CAST(strategy_payload ->> 'sum' AS numeric)) FROM signals"
    assert (one(session, seen) or 0) < 1000, "the strategy was shown a quote that was refused"
    orphans = "SELECT count(*) FROM {} LEFT JOIN market_ticks t USING (tick_id) WHERE t IS NULL"
    assert [one(session, orphans.format(table)) for table in ("fill_receipts", "cycles")] == [0, 0]
    assert books.verify(session).drifts == []


def test_quote_at_which_the_book_does_not_fit_halts_a_replay_as_it_halts_live_trading(
    session: Session, other_session: Session
) -> None:
    for own in (session, other_session):
        hold(own)
    take_it_live(other_session)
    report = play(session, taken([quote(1, at=1), quote(HUGE, at=61), quote(1, at=62)]), plan("huge", Idle(), 1))
    event = "SELECT enabled, actor, reason, created_at FROM kill_switch_events"
    (said,) = rows(session, event)
    (live,) = rows(other_session, event)
    assert (said["enabled"], said["actor"], said["reason"]) == (live["enabled"], live["actor"], live["reason"])
    assert said["reason"].startswith("OUT_OF_RANGE: the book cannot be valued: SOL-USDC at a mid of")
    assert (said["reason"].endswith(report.halted or "?"), said["created_at"]) == (True, after(61))
    last = rows(session, "SELECT outcome, reason FROM cycles ORDER BY created_at DESC LIMIT 1")
    assert last == [{"outcome": "blocked", "reason": "KILL_SWITCH_ACTIVE"}]


def take_it_live(session: Session) -> None:
    with pytest.raises(Unvaluable):
        take(session, quote(HUGE, at=61))


@pytest.mark.parametrize("alone", [True, False], ids=["alone at its instant", "between others"])
def test_replay_that_dies_before_the_halt_for_such_a_quote_halts_at_the_same_moment_when_resumed(
    session: Session, other_session: Session, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    beside = [] if alone else [quote(50, at=61, symbol=BTC)]
    quotes = taken([quote(1, at=1), *beside, quote(HUGE, at=61), *beside, quote(1, at=62), quote(1, at=122)])
    for own in (session, other_session):
        hold(own)
    play(session, quotes)
    play_until_the_halt(other_session, quotes, monkeypatch)
    play(other_session, quotes)
    assert rows(session, "SELECT created_at FROM kill_switch_events") == [{"created_at": after(61)}]
    events = "SELECT reason, created_at, event_id FROM kill_switch_events"
    assert rows(session, events) == rows(other_session, events)
    told = "SELECT cycle_id, outcome, created_at FROM cycles WHERE actor = 'replay' ORDER BY 1"
    assert rows(session, told) == rows(other_session, told)


# --- a cycle whose result does not fit ---
def short_of_everything(session: Session) -> Proposal:
    """A desk with nearly all the cash that fits, and the sale that would bring in more."""
    limits(session, **CALM, allow_short=True, starting_cash="9999999500")
    return wish("sell", 6)


def slipping(session: Session) -> Proposal:
    """A desk whose slippage would move the price of this order beyond what fits."""
    limits(session, **SLIPPING)
    return wish("buy", 1)


@pytest.mark.parametrize(
    ("make", "price"), [(slipping, HUGE), (short_of_everything, 100)], ids=["price", "cash once it is filled"]
)
def test_cycle_whose_result_does_not_fit_is_refused_leaves_nothing_and_the_replay_goes_on(
    session: Session, make: Callable[[Session], Proposal], price: int
) -> None:
    strategy = When({price: make(session), 7: wish("buy", 1)})
    before = counts(session)
    quotes = taken([quote(price, at=1), quote(price, at=30), quote(7, at=31), quote(7, at=40)])
    report = play(session, quotes, plan("range", strategy, 60))
    assert (report.taken, report.refused, report.cycles_refused) == (4, {}, 2)
    assert (report.cycles, report.orders, report.fills, report.halted) == (1, 1, 1, None)
    grew = grown(session, before)
    kept = ("signals", "orders", "order_transitions", "fills", "fill_receipts", "cycles")
    assert [grew[table] for table in kept] == [1, 1, 3, 1, 1, 1]
    assert rows(session, "SELECT round(fill_price) AS price, filled_at FROM fills") == [
        {"price": 7, "filled_at": after(31)}
    ]
    trades = rows(session, "SELECT details ->> 'value' AS v FROM risk_events WHERE rule = 'MAX_TRADES_PER_HOUR'")
    assert trades in ([], [{"v": "1"}]), "an order that was none was counted"
    assert books.verify(session).drifts == []


def test_quantity_that_does_not_fit_any_price_is_refused_and_the_replay_goes_on(session: Session) -> None:
    limits(session, **SLIPPING)
    most = Decimal("9999999999.99999999")
    quotes = taken([quote(HUGE - number, at=number) for number in (2, 1, 0)][::-1])
    report = play(session, quotes, plan("much", Opinion(wish("buy", str(most))), 1))
    assert (report.taken, report.fills, report.cycles_refused) == (3, 0, 3)
    quotes = taken([quote(100, at=10), quote(100, at=20)])
    report = play(session, quotes, plan("less", Opinion(wish("buy", str(most))), 1))
    assert (report.cycles, report.orders, report.fills, report.cycles_refused) == (2, 2, 0, 0)
    assert one(session, "SELECT count(*) FROM orders WHERE status = 'rejected'") == 2


@pytest.mark.usefixtures("small_chunks")
def test_replay_with_refused_cycles_cut_off_and_resumed_leaves_the_rows_of_one_that_was_not(
    session: Session, other_session: Session
) -> None:
    quotes = climb(200)
    strategy = When({HUGE: wish("buy", 1), 7: wish("buy", 1)})
    for own in (session, other_session):
        roomy(own, anomaly_halt_pct="1000", price_collar_pct="100", max_open_positions=5)
    how = plan("climb", strategy, 20)
    whole = play(session, quotes, how)
    assert whole.cycles_refused > 20
    assert whole.fills > 0
    with pytest.raises(Cut):
        play(other_session, cut(quotes, 130), how)
    play(other_session, quotes, how)
    assert differences(picture(session), picture(other_session)) == {}


def climb(length: int) -> Sequence[Entry]:
    """Two symbols, one that can be traded and one that cannot."""
    return taken(
        quote(HUGE if number % 3 else 7, at=number // 2 * 3, symbol=SOL if number % 3 else BTC)
        for number in range(length)
    )


def cut(quotes: Sequence[Entry], at: int) -> Any:
    yield from quotes[:at]
    raise Cut
