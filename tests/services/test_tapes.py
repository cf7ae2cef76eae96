"""A desk that is shown the few quotes that make a difference decides as one that is shown every one of them."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from tests.services.desks import BOT, after, limits, quote
from webapp.domain.anomaly import judge_move, window_of
from webapp.domain.desk import Desk
from webapp.domain.ids import TimeOrderedIds
from webapp.domain.market import Tick
from webapp.domain.records import Changes
from webapp.models import LateTick, MarketTick
from webapp.services import desk_state, journal

Story = Sequence[tuple[float, int]]
"""Seconds from each quote to the next, below zero for one that comes late; and the mids."""
NAMES = count()
SHOWN_SECONDS = 1
"""How far back the strategy looks: hardly at all, because what it is shown is read in any case."""
STEPS = st.sampled_from([0, 0, 0.000001, 0.1, 0.3, 0.5, 1, 1, 1.5, 2, 2, 3, 4.999999, 5, 5.000001, 10, 15, -1, -4])
CALM = st.integers(980, 1020)
WILD = st.sampled_from([800, 891, 900, 909, 931, 950, 1050, 1069, 1080, 1099, 1100, 1122, 1250, 2000])
STORIES = st.builds(
    lambda steps, calm, wild: [(step, wild.get(n, mid)) for n, (step, mid) in enumerate(zip(steps, calm, strict=True))],
    st.lists(STEPS, min_size=25, max_size=25),
    st.lists(CALM, min_size=25, max_size=25),
    st.dictionaries(st.integers(0, 24), WILD, max_size=6),
)
"""Mostly calm, with some quotes that are not: one in a row, two, or many."""


def stored(session: Session, story: Story) -> tuple[str, float]:
    """The quotes of a story, of a symbol of its own, late ones flagged; and the second of the newest."""
    symbol, newest = f"S{next(NAMES)}", 0.0
    ids = TimeOrderedIds(symbol.encode())
    ticks, late = [], []
    for arrival, (step, mid) in enumerate(story):
        at = newest + step
        row = {"tick_id": ids.next(after(arrival)), "symbol": symbol, "bid_price": mid, "ask_price": mid}
        ticks.append({**row, "mid_price": mid, "spread_bps": 0, "event_at": after(at), "created_at": after(arrival)})
        if at < newest:
            late.append({"tick_id": row["tick_id"], "newest_at": after(newest)})
        newest = max(at, newest)
    for model, rows in ((MarketTick, ticks), (LateTick, late)):
        if rows:
            session.execute(journal.table_of(model).insert(), rows)
    session.commit()
    return symbol, newest


def decisions(desk: Desk, symbol: str, coming: Sequence[Tick], now: Any) -> list[Any]:
    """Everything that follows from the stored quotes of a symbol: what is known of them, and what the next ones do."""
    tape = desk.tape(symbol)
    assert tape.newest is not None
    tick = tape.newest.tick
    extremes = tape.extremes_since(window_of(tick, desk.policy))
    warning = None if extremes is None else judge_move(tick, *extremes, desk.policy, desk.policy.anomaly_warn_pct)
    found: list[Any] = [tape.newest, dict(desk.suspects), dict(desk.unacted), warning]
    found += [tape.first_since(now - timedelta(minutes=5)), tape.window(now - timedelta(seconds=SHOWN_SECONDS))]
    for new in coming:
        changes = Changes()
        desk.take_tick(new, now + timedelta(seconds=60), changes)
        found.append((changes, dict(desk.suspects)))
    return found


@pytest.mark.parametrize(("window", "warn", "halt"), [(10, 5, 10), (5, 10, 10), (10, 5, 23)])
def test_what_is_left_unread_changes_no_decision(session: Session, window: int, warn: int, halt: int) -> None:
    limits(session, anomaly_window_seconds=window, anomaly_warn_pct=str(warn), anomaly_halt_pct=str(halt))

    # A quote that is odd is judged by the lowest of its own window, not of a stretch that began before it.
    @example([(0, 905), (2, 908), (1, 940), (8, 1000), (0.1, 1000), (2.4, 1000)], [], 0)
    # What was never trusted hides no lower and no higher quote that was.
    @example([(0, 1000), (1, 1200), (1, 1000), (1, 1020), (1, 1000), (1, 1000)], [(1, 915), (0.1, 915)], 0)
    # A confirmed move begins the window anew: the lowest before it hides no low after it.
    @example([(0, 1000), (2, 1100), (1, 1100), (1, 1005), (1, 1095), (2, 1095)], [(1, 1106), (0.1, 1106)], 0)
    # A quote that its neighbours are far from was trusted all the same: a fall is measured by where it began.
    @example([(0, 1000), (1, 905), (1, 1000), (1, 1000), (3, 1000)], [], 0)
    # What has left the window of the newest quote, or of one to come, hides nothing that is still in it.
    @example([(0, 1060), (3, 1055), (9, 1000)], [], 0)
    @example([(0, 1060), (3, 1058), (6, 1020)], [(2, 950), (0.1, 950)], 0)
    # A move of exactly the warning's size is one.
    @example([(0, 1010), (1, 1000), (5, 1050)], [], 0)
    # A quote from before both windows, shown as the first of five minutes, counts for the first ones in them.
    @example([(0, 1120), (6, 1000), (1, 1000), (6, 1000)], [], 12)
    @example([(0, 900), (6, 1000), (1, 1000), (6, 1000)], [], 12)
    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        STORIES,
        st.lists(st.tuples(STEPS, CALM | WILD), max_size=4),
        st.sampled_from([-1.5, 0, 0, 0, 1, 4, 9.999999, 10, 12, 301]),
    )
    def hold(story: Story, then: Story, later: float) -> None:
        symbol, newest = stored(session, story)
        now, at, coming = after(newest + later), newest, []
        for step, mid in then:
            at += max(step, 0)
            coming.append(quote(mid, at=at, symbol=symbol))
        whole, _ = desk_state.load(session, [symbol], BOT, now, window_seconds=SHOWN_SECONDS, cap=None, seed=b"1")
        told, _ = desk_state.load(session, [symbol], BOT, now, window_seconds=SHOWN_SECONDS, seed=b"1", coming=coming)
        session.rollback()
        assert decisions(told, symbol, coming, now) == decisions(whole, symbol, coming, now)

    hold()
