"""The fold of the fills, read as one stream: of all of them, or of those that came after a fold that is known."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.domain.positions import Position as Holding
from webapp.services.progress import Progress, silent

FETCH = 20_000

_COUNT = "SELECT count(*) FROM fills"
_ALL = "fills f"
_NEW = "fills f JOIN audit_chain c ON c.row_id = f.fill_id AND c.source = 'fills' AND c.seq > :seq"
_FILLS = """
SELECT f.symbol, CASE f.side WHEN 'buy' THEN f.qty ELSE -f.qty END, f.fill_price, f.fee, f.filled_at
FROM {which} ORDER BY f.symbol, f.filled_at, f.fill_id
"""
_FIRST = "SELECT f.symbol, min(f.filled_at) FROM {which} GROUP BY f.symbol"


def size(session: Session) -> int:
    """How many fills there are to fold."""
    count: int = session.execute(text(_COUNT)).scalar_one()
    return count


def fold(session: Session, progress: Progress = silent) -> tuple[dict[str, Holding], int]:
    """The holdings that all fills make, each symbol's in the order in which they were made, and how many fills.

    A million take about eight seconds.
    """
    return _fold(session, {}, _ALL, {}, progress)


def fold_on(session: Session, before: Mapping[str, Holding], seq: int) -> tuple[dict[str, Holding], int] | None:
    """The holdings made of those ``before`` by the fills that were chained after link ``seq``, and how many there were.

    None when one of them is not later than what was folded before, which it would have to go between.
    """
    for symbol, first_at in session.execute(text(_FIRST.format(which=_NEW)), {"seq": seq}):
        last_at = before[symbol].last_fill_at if symbol in before else None
        if last_at is not None and first_at <= last_at:
            return None
    return _fold(session, before, _NEW, {"seq": seq}, silent)


def _fold(
    session: Session, before: Mapping[str, Holding], which: str, values: Mapping[str, Any], progress: Progress
) -> tuple[dict[str, Holding], int]:
    holdings, count = dict(before), 0

    def counted() -> Iterator[Any]:
        nonlocal count
        for rows in stream.partitions():
            yield from rows
            count += len(rows)
            progress(len(rows))

    options = {"stream_results": True, "yield_per": FETCH}
    stream = session.execute(text(_FILLS.format(which=which)), values, execution_options=options)
    for symbol, rows in groupby(counted(), key=lambda row: row[0]):
        holding = holdings.get(symbol) or Holding(symbol)
        holdings[symbol] = holding.after_all((signed, price, fee, at) for _, signed, price, fee, at in rows)
    return holdings, count
