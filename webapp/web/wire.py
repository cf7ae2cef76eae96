"""A row as machines read it: JSON and CSV with exact decimals, UTC times and no formulas for spreadsheets to run."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from webapp.domain.wire import jsonable

_PLAIN_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
ROWS_AT_ONCE: Final = 500


def json_value(value: Any) -> Any:
    """A column's value as JSON; documents stay as they are stored, whoever wrote them."""
    return value if isinstance(value, dict | list) else jsonable(value)


def item(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Every column of a row under its own name."""
    return {name: json_value(value) for name, value in row.items()}


def csv_text(value: Any) -> str:
    """One cell. Text a spreadsheet would take for a formula gets an apostrophe before it; numbers stay numbers."""
    wired = json_value(value)
    if wired is None:
        return ""
    if isinstance(wired, bool):
        return "true" if wired else "false"
    text = wired if isinstance(wired, str) else json.dumps(wired, ensure_ascii=False)
    risky = text.startswith(_FORMULA_STARTS) and not _PLAIN_NUMBER.fullmatch(text)
    return f"'{text}" if risky else text


def csv_lines(columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The header, then the rows a few hundred at a time, so that any length needs the same memory."""
    names = list(columns)
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(names)
    for count, row in enumerate(rows, 1):
        writer.writerow([csv_text(row[name]) for name in names])
        if count % ROWS_AT_ONCE == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
