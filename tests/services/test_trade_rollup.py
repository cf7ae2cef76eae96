"""The roll-up of trades: goes on where it ended, counts each fill once, waits for fills that may still be coming."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests import builders
from tests.builders import NOON
from tests.queries.trading import counted, made_up, stored
from webapp.services import trade_rollup

LATER = NOON + timedelta(days=1)
EVERYTHING = "SELECT to_jsonb(t)::text FROM {table} AS t ORDER BY 1"


def tables(session: Session) -> dict[str, Any]:
    found = {
        table: session.execute(text(EVERYTHING.format(table=table))).scalars().all()
        for table in ("round_trips", "trade_buckets", "trade_rollup")
    }
    session.rollback()
    return found


def test_fold_in_pieces_is_the_fold_of_the_whole(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    fills = stored(session, made_up(120))
    assert trade_rollup.rebuild(session) == 120
    whole = tables(session)
    monkeypatch.setattr(trade_rollup, "BATCH", 7)
    assert trade_rollup.rebuild(session) == 120
    assert tables(session) == whole
    total = session.execute(text("SELECT sum(fills), sum(trades) FROM trade_buckets WHERE width_seconds = 86400")).one()
    assert tuple(total) == (120, counted(fills, fills[0].at, LATER).trades)


def test_second_roll_up_has_nothing_to_do(session: Session) -> None:
    stored(session, made_up(20))
    assert trade_rollup.roll_up(session) == 20
    before = tables(session)
    assert trade_rollup.roll_up(session) == 0
    assert tables(session) == before


def test_fill_of_a_moment_ago_waits_because_an_earlier_one_may_still_be_on_its_way(session: Session) -> None:
    stored(session, made_up(1, builders.now()))
    assert trade_rollup.roll_up(session) == 0
    assert trade_rollup.roll_up(session, builders.now()) == 1


def test_two_roll_ups_at_once_count_each_fill_once(session: Session, engine: Engine) -> None:
    stored(session, made_up(60))
    counts: list[int] = []

    def work() -> None:
        with Session(engine) as own:
            counts.append(trade_rollup.roll_up(own))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 60
    assert session.execute(text("SELECT fills FROM trade_rollup")).scalar_one() == 60


def test_books_rebuild_sums_the_trades_of_another_program_anew(session: Session, app: Flask) -> None:
    stored(session, made_up(30))
    assert app.test_cli_runner().invoke(args=["books", "rebuild"]).exit_code == 0
    before = tables(session)
    session.execute(text("UPDATE trade_buckets SET won = won + 1"))
    session.commit()
    assert app.test_cli_runner().invoke(args=["books", "rebuild"]).exit_code == 0
    assert tables(session) == before
