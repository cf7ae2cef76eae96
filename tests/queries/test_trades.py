"""Sums over fills and closed trades: the same whatever the roll-up has seen, and whatever moments bound them."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from tests.builders import NOON
from tests.queries.trading import counted, made_up, stored
from webapp.domain.trades import Tally
from webapp.queries import trades
from webapp.services import trade_rollup

FIRST = NOON - timedelta(days=30)


@pytest.mark.parametrize("rolled", [0, 1, 90, 200])
def test_sums_between_any_two_moments_are_those_of_the_plain_fold(session: Session, rolled: int) -> None:
    fills = stored(session, made_up(200))
    if rolled:
        trade_rollup.roll_up(session, fills[rolled - 1].at)
    dice = random.Random(rolled)
    for _ in range(6):
        first, last = sorted(dice.sample(range(200), 2))
        start, end = fills[first].at, fills[last].at + timedelta(seconds=dice.randrange(2))
        found = trades.traded(session, start, end)
        assert found.tally == counted(fills, start, end)
        assert len(found.since.fills) == 200 - rolled


def test_desk_without_fills_has_sums_of_nothing(session: Session) -> None:
    found = trades.traded(session, FIRST, NOON)
    assert (found.tally, found.since.complete_to) == (Tally(), None)


def test_fills_beyond_what_one_page_folds_are_said_to_be_missing(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    fills = stored(session, made_up(10))
    monkeypatch.setattr(trades, "MOST_SINCE", 6)
    found = trades.traded(session, FIRST, NOON + timedelta(days=1))
    assert (found.tally.fills, found.since.complete_to) == (6, fills[6].at)
