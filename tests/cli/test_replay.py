"""`flask replay` as an operator meets it: files in, one line out, a status that scripts can trust."""

import gzip
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apiflask import APIFlask
from click.testing import Result
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.support import QUOTES, needs_quotes
from webapp.services import kill_switch

Run = Callable[..., Result]
START = datetime(2024, 5, 6, 9, tzinfo=UTC)
HEADER = "symbol,bid_price,ask_price,event_at"


def wave(symbol: str = "SOL-USDC", rows: int = 400, start: datetime = START) -> list[str]:
    """A market that swings enough for a strategy to trade."""
    lines = []
    for number in range(rows):
        mid = 100 + 2.5 * math.sin(number / 40) + 0.05 * (number % 5)
        at = start + timedelta(seconds=20 * number)
        lines.append(f"{symbol},{mid - 0.01:.2f},{mid + 0.01:.2f},{at.isoformat().replace('+00:00', 'Z')}")
    return lines


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def count(session: Session, table: str) -> int:
    found: int = session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
    session.rollback()
    return found


def last_line(result: Result) -> str:
    return result.output.strip().splitlines()[-1]


def test_file_is_replayed_and_the_command_says_what_came_of_it(run: Run, session: Session, tmp_path: Path) -> None:
    done = run("replay", written(tmp_path / "wave.csv", *wave()))
    assert done.exit_code == 0, done.output
    said = (
        f"400 rows taken, 0 refused; {count(session, 'cycles')} cycles, "
        f"{count(session, 'orders')} orders, {count(session, 'fills')} fills"
    )
    assert last_line(done) == said
    assert count(session, "market_ticks") == 400
    assert count(session, "cycles") == 134
    assert count(session, "fills") > 0


@pytest.mark.parametrize("strategy", ["momentum", "mean_reversion"])
def test_strategy_and_pace_are_those_asked_for(run: Run, session: Session, tmp_path: Path, strategy: str) -> None:
    done = run(
        "replay", written(tmp_path / "wave.csv", *wave(rows=100)), "--strategy", strategy, "--cycle-seconds", "200"
    )
    assert done.exit_code == 0
    names = session.execute(text("SELECT DISTINCT strategy, actor, trigger_source FROM cycles")).all()
    assert names == [(strategy, "replay", "replay")]
    assert count(session, "cycles") == 10


def test_gzipped_file_is_the_same_replay_as_the_plain_one(run: Run, session: Session, tmp_path: Path) -> None:
    plain = written(tmp_path / "wave.csv", *wave(rows=100))
    zipped = tmp_path / "renamed.csv.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert run("replay", plain).exit_code == 0
    again = run("replay", zipped)
    assert again.exit_code == 0
    assert last_line(again) == "already replayed: 100 rows taken, 0 refused; nothing was written again"
    assert count(session, "market_ticks") == 100


def test_bad_rows_are_refused_and_counted_by_reason(run: Run, session: Session, tmp_path: Path) -> None:
    bad = (
        "SOL-USDC,2,1,2024-05-06T10:00:00Z",
        "SOL-USDC,nan,1,2024-05-06T10:00:01Z",
        "SOL-USDC,0,1,2024-05-06T10:00:02Z",
        "sol,1,1,2024-05-06T10:00:03Z",
        "SOL-USDC,1,1,yesterday",
        "SOL-USDC,1,1,0001-01-01T00:00:00Z",
        "SOL-USDC,1,1",
        "SOL-USDC,1,1,2999-01-01T00:00:00Z",
        "SOL-USDC,3,2,2024-05-06T10:00:04Z",
    )
    done = run("replay", written(tmp_path / "bad.csv", *wave(rows=10), *bad))
    assert done.exit_code == 0
    reasons = "1 bad_columns, 1 bad_number, 1 bad_symbol, 2 bad_time, 2 crossed, 1 future, 1 not_positive"
    assert f"10 rows taken, 9 refused ({reasons})" in last_line(done)
    assert count(session, "market_ticks") == 10


def test_late_rows_are_said(run: Run, tmp_path: Path) -> None:
    lines = wave(rows=10)
    done = run("replay", written(tmp_path / "late.csv", *lines[:5], lines[1], *lines[5:]))
    assert "11 rows taken, 1 of them late, 0 refused" in last_line(done)


def test_file_of_which_no_row_can_be_taken_ends_with_status_1(run: Run, session: Session, tmp_path: Path) -> None:
    done = run("replay", written(tmp_path / "bad.csv", "SOL-USDC,2,1,2024-05-06T10:00:00Z"))
    assert done.exit_code == 1
    assert "0 rows taken, 1 refused (1 crossed)" in done.output
    assert last_line(done) == "Error: no row could be taken"
    assert count(session, "market_ticks") == 0


def test_file_with_nothing_but_a_header_ends_with_status_1(run: Run, tmp_path: Path) -> None:
    assert run("replay", written(tmp_path / "header.csv")).exit_code == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"open,high,low\n1,2,3\n", "the first line must name symbol,bid_price,ask_price,event_at"),
        (b"\x1f\x8b\x08\x00broken", "gzip data"),
        (b"\xff\xfe\x00", "is not UTF-8"),
    ],
)
def test_file_that_is_no_quotes_file_is_told_in_one_line_and_changes_nothing(
    run: Run, session: Session, tmp_path: Path, content: bytes, told: str
) -> None:
    path = tmp_path / "strange.csv"
    path.write_bytes(content)
    done = run("replay", path)
    assert done.exit_code == 1
    assert last_line(done).startswith("Error: ")
    assert told in last_line(done)
    assert count(session, "replay_runs") == 0


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--strategy", "martingale", "x.csv"),
        ("--cycle-seconds", "0", "x.csv"),
        ("--cycle-seconds", "86401", "x.csv"),
    ],
)
def test_command_with_bad_words_is_refused_in_one_line(run: Run, words: tuple[str, ...]) -> None:
    done = run("replay", *words)
    assert done.exit_code == 2
    assert done.output.startswith("Error: ")
    assert done.output.count("\n") == 1


def test_same_quotes_named_twice_are_refused(run: Run, session: Session, tmp_path: Path) -> None:
    lines = wave(rows=10)
    done = run("replay", written(tmp_path / "a.csv", *lines), written(tmp_path / "b.csv", *lines))
    assert done.exit_code == 1
    assert "holds the same quotes" in last_line(done)
    assert count(session, "market_ticks") == 0


def test_several_files_are_merged_by_time(run: Run, session: Session, tmp_path: Path) -> None:
    later = written(tmp_path / "later.csv", *wave("BTC-USDC", rows=50, start=START + timedelta(minutes=5)))
    earlier = written(tmp_path / "earlier.csv", *wave(rows=50))
    done = run("replay", later, earlier)
    assert "100 rows taken, 0 refused" in last_line(done)
    times = session.execute(text("SELECT event_at FROM market_ticks ORDER BY tick_id")).scalars().all()
    assert times == sorted(times)


def test_quotes_that_jump_halt_the_desk_and_the_command_says_so(run: Run, session: Session, tmp_path: Path) -> None:
    lines = wave(rows=20)
    jump = [line.replace(",10", ",13") for line in wave(rows=5, start=START + timedelta(seconds=400))]
    done = run("replay", written(tmp_path / "jump.csv", *lines, *jump))
    assert done.exit_code == 0
    assert "the desk is halted: SOL-USDC moved" in done.output
    assert kill_switch.state(session).enabled


@needs_quotes
def test_recorded_quotes_are_replayed_and_the_books_have_no_drift(app: APIFlask, run: Run, session: Session) -> None:
    done = run("replay", QUOTES / "quotes_1m_coinbase_BTCUSD_20180404-0405.csv.gz")
    assert done.exit_code == 0
    assert "2873 rows taken, 0 refused" in last_line(done)
    assert not kill_switch.state(session).enabled
    verified = app.test_cli_runner().invoke(args=["books", "verify"])
    assert verified.exit_code == 0
    assert last_line(verified).startswith("no drift")
