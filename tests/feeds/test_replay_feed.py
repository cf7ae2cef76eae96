"""Recorded quotes on today's clock."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from webapp.feeds import replay
from webapp.feeds.csv_quotes import BadFile
from webapp.feeds.replay import ReplayFeed

RECORDED = datetime(2018, 4, 4, tzinfo=UTC)
NOW = datetime(2025, 11, 20, 10, tzinfo=UTC)


def recording(tmp_path: Path, *offsets: float | str, name: str = "a") -> Path:
    path = tmp_path / f"{name}.csv"
    lines = ["symbol,bid_price,ask_price,event_at"]
    for offset in offsets:
        if isinstance(offset, str):
            lines.append(offset)
        else:
            lines.append(f"{name.upper()},1.5,1.6,{(RECORDED + timedelta(seconds=offset)).isoformat()}")
    path.write_text("\n".join(lines))
    return path


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_first_quote_happens_at_the_first_poll_and_the_rest_at_their_distance(tmp_path: Path) -> None:
    feed = ReplayFeed([recording(tmp_path, 0, 1.5, 1.5, 4)])
    assert [tick.event_at for tick in feed.poll(at(0))] == [at(0)]
    assert feed.poll(at(1)) == []
    assert [tick.event_at for tick in feed.poll(at(2))] == [at(1.5), at(1.5)]
    assert [tick.event_at for tick in feed.poll(at(60))] == [at(4)]


def test_speed_shortens_the_distances(tmp_path: Path) -> None:
    feed = ReplayFeed([recording(tmp_path, 0, 60, 120)], speed=60)
    feed.poll(at(0))
    assert [tick.event_at for tick in feed.poll(at(1.2))] == [at(1)]


def test_no_quote_comes_from_the_future(tmp_path: Path) -> None:
    feed = ReplayFeed([recording(tmp_path, *range(100))])
    for tenth in range(1000):
        assert all(tick.event_at <= at(tenth / 10) for tick in feed.poll(at(tenth / 10)))


def test_files_are_played_together_by_their_times(tmp_path: Path) -> None:
    feed = ReplayFeed([recording(tmp_path, 0, 2, name="a"), recording(tmp_path, 1, name="b")])
    feed.poll(at(0))
    assert [tick.symbol for tick in feed.poll(at(5))] == ["B", "A"]


def test_end_of_the_files_is_silence_and_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    feed = ReplayFeed([recording(tmp_path, 0, "broken", 1)])
    feed.poll(at(0))
    assert len(feed.poll(at(5))) == 1
    assert [feed.poll(at(second)) for second in range(6, 9)] == [(), (), ()]
    assert [record.getMessage() for record in caplog.records if "to the end" in record.getMessage()] == [
        "replay feed has played its files to the end; rows refused: {'bad_columns': 1}"
    ]


def test_file_without_a_single_good_row_is_silence(tmp_path: Path) -> None:
    assert ReplayFeed([recording(tmp_path, "broken")]).poll(at(0)) == ()


def test_what_piled_up_comes_in_portions_and_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MOST_PER_POLL", 3)
    feed = ReplayFeed([recording(tmp_path, *range(8))])
    feed.poll(at(0))
    assert [len(feed.poll(at(60))) for _ in range(4)] == [3, 3, 1, 0]


def test_bad_file_is_refused_when_the_feed_is_opened(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="no such file"):
        ReplayFeed([tmp_path / "none.csv"])
