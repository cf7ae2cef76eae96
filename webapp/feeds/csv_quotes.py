"""Quotes files: CSV with a header that names symbol, bid_price, ask_price and event_at, plain or gzipped.

A file is read twice: once to know that it can be read to its end, what it holds (its fingerprint) and how long it is;
then row by row. A bad row is refused with its reason, a bad file is an error, and neither ends in a traceback.
"""

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, NamedTuple

from webapp.domain.errors import BadQuote, DomainError
from webapp.domain.market import OLDEST_YEAR, Tick, parse_tick

COLUMNS = ("symbol", "bid_price", "ask_price", "event_at")
BLOCK_BYTES = 1 << 20
RAW_SHOWN = 200
"""Characters of a refused row that are kept to show it."""
_GZIP_MAGIC = b"\x1f\x8b"

# What nearly every row looks like; anything else takes the slower way, which can say what is wrong with it.
_PRICE = r"([0-9]{1,10}(?:\.[0-9]{1,8})?)"
_PLAIN_ROW = re.compile(rf"([A-Z0-9][A-Z0-9._-]{{0,31}}),{_PRICE},{_PRICE},([0-9T:.+Z-]{{16,40}})", re.ASCII)
_NOTHING = Decimal(0)


class BadFile(DomainError):
    """A file that cannot be replayed; the message is one line that names it."""


@dataclass(frozen=True)
class QuotesFile:
    """A file known to be readable. ``size`` is its length in decompressed bytes, ``fingerprint`` their SHA-256."""

    path: Path
    fingerprint: str
    size: int
    header: tuple[str, ...]


class Row(NamedTuple):
    """One row: a tick, or the reason why it is none. ``line`` counts from 1, the header included."""

    path: Path
    line: int
    tick: Tick | None
    refused: str | None
    raw: str


OnBytes = Callable[[int], object]
"""Told how many more bytes have been read, for a progress bar."""


def inspect(path: Path) -> QuotesFile:
    """Read the file once, to its end. Raises :class:`BadFile` when it is no quotes file or cannot be read."""
    digest, size, header = sha256(), 0, None
    with _reading(path) as stream:
        for chunk in _whole_lines(path, stream):
            if header is None:
                header = _header(path, chunk)
            digest.update(chunk)
            size += len(chunk)
    if header is None:
        raise BadFile(f"{path}: is empty; the first line must name {','.join(COLUMNS)}")
    return QuotesFile(path, digest.hexdigest(), size, header)


def inspect_all(paths: Sequence[Path]) -> list[QuotesFile]:
    """Inspect every file. Raises :class:`BadFile` also when two of them hold the same: each quote would count twice."""
    files = [inspect(path) for path in paths]
    seen: dict[str, Path] = {}
    for file in files:
        if file.fingerprint in seen:
            raise BadFile(f"{file.path}: holds the same quotes as {seen[file.fingerprint]}")
        seen[file.fingerprint] = file.path
    return files


def fingerprint(files: Sequence[QuotesFile]) -> str:
    """What identifies a set of files in their order, whatever they are called and however they are compressed."""
    return sha256("\n".join(file.fingerprint for file in files).encode()).hexdigest()


def rows(file: QuotesFile, on_bytes: OnBytes | None = None) -> Iterator[Row]:
    """Every row after the header, in the file's order; blank lines are skipped."""
    parse = _parser(file)
    digest = sha256()
    line = 0
    with _reading(file.path) as stream:
        for chunk in _whole_lines(file.path, stream):
            digest.update(chunk)
            for text in _texts(chunk):
                line += 1
                if line == 1 or not text or text.isspace():
                    continue
                tick, refused = parse(text)
                yield Row(file.path, line, tick, refused, text if tick else _printable(text))
            if on_bytes:
                on_bytes(len(chunk))
    if digest.hexdigest() != file.fingerprint:
        raise BadFile(f"{file.path}: changed while it was being read")


def merged(files: Sequence[QuotesFile], on_bytes: OnBytes | None = None) -> Iterator[Row]:
    """The rows of all files as one stream by ``event_at``; equal times in the order the files were named.

    Each file keeps its own order: a row that is late within its file comes out late.
    """
    if len(files) == 1:
        yield from rows(files[0], on_bytes)
        return
    for _, row in merge(*(_timed(rows(file, on_bytes)) for file in files), key=itemgetter(0)):
        yield row


def _timed(stream: Iterator[Row]) -> Iterator[tuple[datetime, Row]]:
    """A refused row has no time of its own and travels with the row before it."""
    at = datetime.min.replace(tzinfo=UTC)
    for row in stream:
        if row.tick:
            at = row.tick.event_at
        yield at, row


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    """The file's decompressed bytes; what goes wrong while they are read becomes a :class:`BadFile`."""
    try:
        if not path.is_file():
            raise BadFile(f"{path}: {'is not a regular file' if path.exists() else 'no such file'}")
        with path.open("rb") as plain:
            zipped = plain.read(2) == _GZIP_MAGIC
            plain.seek(0)
            if not zipped:
                yield plain
                return
            with gzip.GzipFile(fileobj=plain) as unzipped:
                yield unzipped  # type: ignore[misc]  # typeshed: GzipFile reads like a BinaryIO but is not one
    except EOFError:
        raise BadFile(f"{path}: the gzip data ends too early; the file is cut off") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BadFile(f"{path}: the gzip data is damaged ({error})") from None
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or error}") from None


def _whole_lines(path: Path, stream: BinaryIO) -> Iterator[bytes]:
    """Blocks that end where a line ends, so that lines and characters are never cut in two."""
    rest = b""
    while block := stream.read(BLOCK_BYTES):
        block = rest + block
        # A carriage return at the very end may be half of a line end.
        cut = max(block.rfind(b"\n"), block.rfind(b"\r", 0, len(block) - 1)) + 1
        if cut == 0 and len(block) > BLOCK_BYTES:
            raise BadFile(f"{path}: has a line of more than {BLOCK_BYTES:,} bytes; this is no quotes file")
        if cut:
            yield block[:cut]
        rest = block[cut:]
    if rest:
        yield rest


def _texts(chunk: bytes) -> list[str]:
    """The lines of a block. Bytes that are not UTF-8 survive as surrogates, so that only their own row is refused."""
    text = chunk.decode("utf-8", "surrogateescape")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.removesuffix("\n").split("\n")


def _cells(text: str) -> list[str] | None:
    """The cells of one line; None when its quotes do not close. A quote never spans lines: it would hide whole rows."""
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error:
        return None


def _header(path: Path, chunk: bytes) -> tuple[str, ...]:
    text = _texts(chunk)[0].removeprefix("\ufeff")
    if not _is_text(text):
        raise BadFile(f"{path}: is not UTF-8 text")
    names = tuple(name.strip() for name in _cells(text) or ())
    missing = [name for name in COLUMNS if names.count(name) != 1]
    if missing:
        raise BadFile(
            f"{path}: the first line must name {','.join(COLUMNS)}, each once; it begins {_printable(text)[:80]!r}"
        )
    return names


def _parser(file: QuotesFile) -> Callable[[str], tuple[Tick | None, str | None]]:
    """How this file's lines become ticks or reasons."""
    places = [file.header.index(name) for name in COLUMNS]
    width = len(file.header)

    def careful(text: str) -> tuple[Tick | None, str | None]:
        if not _is_text(text):
            return None, "undecodable"
        cells = _cells(text)
        if cells is None or len(cells) != width:
            return None, "bad_columns"
        try:
            return parse_tick(*(cells[place] for place in places)), None
        except BadQuote as error:
            return None, error.reason

    def quick(text: str) -> tuple[Tick | None, str | None]:
        if match := _PLAIN_ROW.fullmatch(text):
            symbol, bid_text, ask_text, at_text = match.groups()
            bid, ask = Decimal(bid_text), Decimal(ask_text)
            try:
                at = datetime.fromisoformat(at_text)
            except ValueError:
                return careful(text)
            if at.tzinfo is not None and at.year >= OLDEST_YEAR and _NOTHING < bid <= ask:
                return Tick(symbol, bid, ask, at), None
        return careful(text)

    return quick if file.header == COLUMNS else careful


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\udc80" <= character <= "\udcff" for character in text)


def _printable(text: str) -> str:
    shown = text[:RAW_SHOWN].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return shown if len(text) <= RAW_SHOWN else shown + "..."
