"""Quotes files as people have them: clean, odd, and broken."""

import gzip
import os
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webapp.domain.errors import BadQuote
from webapp.domain.market import Tick, parse_tick
from webapp.feeds import csv_quotes
from webapp.feeds.csv_quotes import BadFile, QuotesFile, Row, fingerprint, inspect, inspect_all, merged, rows

HEADER = "symbol,bid_price,ask_price,event_at\n"
ROW = "SOL-USDC,150.10,150.13,2025-11-20T10:00:00Z\n"
AT = datetime(2025, 11, 20, 10, tzinfo=UTC)


def written(tmp_path: Path, content: str | bytes, name: str = "quotes.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(tmp_path: Path, content: str | bytes) -> list[Row]:
    return list(rows(inspect(written(tmp_path, content))))


def refused(tmp_path: Path, line: str | bytes) -> str | None:
    content = HEADER.encode() + (line.encode() if isinstance(line, str) else line) + b"\n" + ROW.encode()
    first, second = read(tmp_path, content)
    assert second.tick is not None
    assert (first.tick is None) == (first.refused is not None)
    return first.refused


def seconds(tmp_path: Path, name: str, *offsets: int) -> QuotesFile:
    lines = [f"{name.upper()},1,2,{(AT + timedelta(seconds=s)).isoformat()}\n" for s in offsets]
    return inspect(written(tmp_path, HEADER + "".join(lines), f"{name}.csv"))


def test_plain_file_gives_exact_ticks_with_their_lines(tmp_path: Path) -> None:
    row = read(tmp_path, HEADER + ROW)[0]
    assert row.line == 2
    assert row.tick == Tick("SOL-USDC", Decimal("150.10"), Decimal("150.13"), AT)


def test_gzipped_file_is_recognised_by_its_content_not_by_its_name(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress((HEADER + ROW).encode()), "quotes.csv")
    assert [row.tick for row in rows(inspect(path))] == [row.tick for row in read(tmp_path, HEADER + ROW)]


def test_plain_file_named_gz_is_read_as_plain(tmp_path: Path) -> None:
    assert len(list(rows(inspect(written(tmp_path, HEADER + ROW, "quotes.csv.gz"))))) == 1


def test_gzip_of_several_members_is_read_to_the_end(tmp_path: Path) -> None:
    content = gzip.compress((HEADER + ROW).encode()) + gzip.compress(ROW.encode())
    assert len(read(tmp_path, content)) == 2


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_any_line_end_bom_and_blank_lines_are_fine(tmp_path: Path, end: str) -> None:
    content = ("\ufeff" + HEADER + "\n" + ROW + "  \n" + ROW).replace("\n", end)
    found = read(tmp_path, content)
    assert [row.line for row in found] == [3, 5]
    assert all(row.tick for row in found)


def test_last_line_without_a_line_end_is_read(tmp_path: Path) -> None:
    assert len(read(tmp_path, HEADER + ROW.rstrip())) == 1


def test_columns_in_another_order_and_more_of_them_are_found_by_name(tmp_path: Path) -> None:
    content = "event_at,id,ask_price,bid_price,symbol\n2025-11-20T10:00:00Z,7,150.13,150.10,SOL-USDC\n"
    assert read(tmp_path, content)[0].tick == read(tmp_path, HEADER + ROW)[0].tick


def test_quoted_cells_are_read(tmp_path: Path) -> None:
    content = '"symbol","bid_price","ask_price","event_at"\n"SOL-USDC","150.10","150.13","2025-11-20T10:00:00Z"\n'
    assert read(tmp_path, content)[0].tick == read(tmp_path, HEADER + ROW)[0].tick


def test_a_time_with_an_offset_is_the_same_instant(tmp_path: Path) -> None:
    tick = read(tmp_path, HEADER + "SOL-USDC,1,2,2025-11-20T12:00:00+02:00\n")[0].tick
    assert tick is not None
    assert tick.event_at == AT


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("sol-usdc,1,2,2025-11-20T10:00:00Z", "bad_symbol"),
        (",1,2,2025-11-20T10:00:00Z", "bad_symbol"),
        ("SOL,x,2,2025-11-20T10:00:00Z", "bad_number"),
        ("SOL,NaN,2,2025-11-20T10:00:00Z", "bad_number"),
        ("SOL,1e3,2000,2025-11-20T10:00:00Z", "bad_number"),
        ("SOL,1_0,20,2025-11-20T10:00:00Z", "bad_number"),
        ("SOL,١,2,2025-11-20T10:00:00Z", "bad_number"),
        ("SOL,1.123456789,2,2025-11-20T10:00:00Z", "bad_number"),
        ("SOL,12345678901,12345678902,2025-11-20T10:00:00Z", "bad_number"),
        ("SOL,0,2,2025-11-20T10:00:00Z", "not_positive"),
        ("SOL,-1,2,2025-11-20T10:00:00Z", "not_positive"),
        ("SOL,2,1,2025-11-20T10:00:00Z", "crossed"),
        ("SOL,1,2,2025-11-20T10:00:00", "bad_time"),
        ("SOL,1,2,2025-13-20T10:00:00Z", "bad_time"),
        ("SOL,1,2,yesterday", "bad_time"),
        ("SOL,1,2", "bad_columns"),
        ("SOL,1,2,2025-11-20T10:00:00Z,5", "bad_columns"),
        ('SOL,1,2,"2025-11-20T10:00:00Z', "bad_columns"),
        ("\x00", "bad_columns"),
        (b"SOL\xff,1,2,2025-11-20T10:00:00Z", "undecodable"),
    ],
)
def test_bad_row_is_refused_by_reason_and_the_next_one_is_read(tmp_path: Path, line: str | bytes, reason: str) -> None:
    assert refused(tmp_path, line) == reason


def test_locked_quote_is_taken(tmp_path: Path) -> None:
    assert refused(tmp_path, "SOL,1,1,2025-11-20T10:00:00Z") is None


def test_refused_row_is_shown_printable_and_short(tmp_path: Path) -> None:
    bad, long = read(tmp_path, HEADER.encode() + b"SOL\xff,1,2,x\n" + b"y" * 1000 + b"\n")
    assert bad.raw == "SOL\\xff,1,2,x"
    assert len(long.raw) == 203


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (ROW.encode(), "the first line must name symbol,bid_price,ask_price,event_at"),
        (b"symbol,open,high,low,close,volume,event_at\n", "the first line must name"),
        (b"symbol,symbol,bid_price,ask_price,event_at\n", "each once"),
        (HEADER.encode("utf-16"), "not UTF-8"),
        (gzip.compress((HEADER + ROW * 50).encode(), mtime=0)[:-20], "cut off"),
        (gzip.compress((HEADER + ROW).encode(), mtime=0)[:12], "cut off"),
        (b"\x1f\x8b\x08garbage", "gzip"),
        (gzip.compress((HEADER + ROW).encode(), mtime=0)[:-8] + b"\x00" * 8, "damaged"),
        (b"x" * (3 << 20), "has a line of more than"),
    ],
)
def test_bad_file_is_one_clear_line_that_names_it(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(BadFile) as caught:
        inspect(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_directory_and_pipe_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, complaint in ((tmp_path / "none", "no such file"), (tmp_path, "regular"), (tmp_path / "pipe", "regular")):
        with pytest.raises(BadFile, match=complaint):
            inspect(path)


def test_fingerprint_is_of_the_content_however_it_is_packed(tmp_path: Path) -> None:
    content = (HEADER + ROW).encode()
    plain = inspect(written(tmp_path, content, "a.csv"))
    zipped = inspect(written(tmp_path, gzip.compress(content), "b.csv.gz"))
    other = inspect(written(tmp_path, content + b"\n", "c.csv"))
    assert plain.fingerprint == zipped.fingerprint == sha256(content).hexdigest()
    assert plain.size == zipped.size == len(content)
    assert fingerprint([plain, other]) != fingerprint([other, plain])


def test_same_quotes_named_twice_are_refused(tmp_path: Path) -> None:
    first = written(tmp_path, HEADER + ROW, "a.csv")
    second = written(tmp_path, gzip.compress((HEADER + ROW).encode()), "b.csv.gz")
    with pytest.raises(BadFile, match=r"b\.csv\.gz: holds the same quotes as .*a\.csv"):
        inspect_all([first, second])


def test_file_that_changes_between_the_readings_is_refused(tmp_path: Path) -> None:
    file = inspect(written(tmp_path, HEADER + ROW))
    written(tmp_path, HEADER + ROW.replace("150.10", "150.11"))
    with pytest.raises(BadFile, match="changed"):
        list(rows(file))


def test_progress_adds_up_to_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_quotes, "BLOCK_BYTES", 100)
    file = inspect(written(tmp_path, HEADER + ROW * 50))
    steps: list[int] = []
    assert len(list(rows(file, steps.append))) == 50
    assert sum(steps) == file.size
    assert len(steps) > 10


def test_several_files_come_as_one_stream_by_time_and_ties_in_the_order_named(tmp_path: Path) -> None:
    files = [seconds(tmp_path, "b", 0, 2, 2, 4), seconds(tmp_path, "a", 1, 2, 3, 4)]
    found = [(row.tick.event_at.second, row.tick.symbol) for row in merged(files) if row.tick]
    assert found == [(0, "B"), (1, "A"), (2, "B"), (2, "B"), (2, "A"), (3, "A"), (4, "B"), (4, "A")]


def test_merging_keeps_each_files_own_order_even_when_a_row_is_late(tmp_path: Path) -> None:
    files = [seconds(tmp_path, "a", 0, 5, 3, 6), seconds(tmp_path, "b", 1, 4)]
    found = [row.tick for row in merged(files) if row.tick]
    assert [tick.event_at.second for tick in found if tick.symbol == "A"] == [0, 5, 3, 6]
    assert [tick.symbol for tick in found] == ["A", "B", "B", "A", "A", "A"]


def test_refused_rows_travel_with_the_row_before_them(tmp_path: Path) -> None:
    late = inspect(written(tmp_path, HEADER + "A,1,2,2025-11-20T10:00:09Z\nbad\n", "a.csv"))
    found = [
        row.refused or row.tick.symbol for row in merged([late, seconds(tmp_path, "b", 1)]) if row.tick or row.refused
    ]
    assert found == ["B", "A", "bad_columns"]


numbers = st.one_of(
    st.decimals(min_value=0, max_value=10**11, allow_nan=False, allow_infinity=False).map(
        lambda value: format(value, "f")
    ),
    st.sampled_from(
        ["1", "0", "-1", "1.5", "007", "1.", ".5", "1.123456789", "+1", " 1", "NaN", "9999999999.99999999", ""]
    ),
)
times = st.one_of(
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5)), None])).map(datetime.isoformat),
    st.sampled_from(["2025-11-20", "2025-11-20T10:00Z", "20251120T100000Z", "2025-11-20 10:00:00Z", "now", ""]),
)
symbols = st.one_of(
    st.from_regex(r"[A-Z0-9][A-Z0-9._-]{0,33}", fullmatch=True), st.sampled_from(["", "a", "-A", "A A"])
)


@given(symbol=symbols, bid=numbers, ask=numbers, at=times)
@example("A", "1.00000000", "1", "2025-11-20T10:00:00.123456Z")
def test_quick_way_and_careful_way_agree_with_the_domain(symbol: str, bid: str, ask: str, at: str) -> None:
    """The shortcut for ordinary rows may be faster than parse_tick, never of another opinion."""
    try:
        expected: tuple[Tick | None, str | None] = (parse_tick(symbol, bid, ask, at), None)
    except BadQuote as error:
        expected = (None, error.reason)
    plain = QuotesFile(Path("x"), "", 0, csv_quotes.COLUMNS)
    turned = QuotesFile(Path("x"), "", 0, csv_quotes.COLUMNS[::-1])
    assert csv_quotes._parser(plain)(f"{symbol},{bid},{ask},{at}") == expected
    assert csv_quotes._parser(turned)(f"{at},{ask},{bid},{symbol}") == expected


@given(content=st.binary(max_size=300), header=st.booleans())
def test_any_bytes_are_read_or_refused_never_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, header: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes((HEADER.encode() if header else b"") + content)
    try:
        assert all(row.tick or row.refused for row in rows(inspect(path)))
    except BadFile:
        assert not header
