"""Text that would run, lead elsewhere or break a page, put into every column of the database that holds text.

It is put there past the services, which would refuse some of it: an adopted database may hold anything, and what is
drawn must be harmless whoever wrote it. A new table with a text in it needs no line here.
"""

from __future__ import annotations

import json
import re
from typing import Any

from sqlalchemy import Engine, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection
from sqlalchemy.types import String

from webapp.models import Base

MARK = "data-pwned"
POISON = (
    f"javascript:pwned(1)//</script></title></textarea></style>\"'><i {MARK}></i><script {MARK}>pwned(2)</script>"
    f"<img {MARK} src=x onerror=pwned(3)><svg/onload=pwned(4) {MARK}><b {MARK} hx-get=/logout hx-trigger=load"
    f" hx-on:load=pwned(5)><base {MARK} href=//evil.example><iframe {MARK} srcdoc='<script>parent.pwned(6)</script>'>"
    "{{constructor.constructor('pwned(7)')()}}${pwned(8)}{%x%}<%=1%>\u202egnp.exe\u2066\u2028" + "W" * 80
)
"""All of it at once, in less than the 500 characters a reason may have."""
SYMBOL = "SOL-USDC"
"""Becomes poison; other symbols stay, to have an address."""
LEFT_ALONE = {
    # A few words that the database allows, and words that the desk looks up.
    *("status", "side", "from_status", "to_status", "outcome", "action", "role", "rule", "act", "process"),
    *("secret_hash", "password_hash", "token_hash", "row_hash", "previous_hash", "hash", "source", "fingerprint"),
    # Documents that are folded rather than shown.
    *("limits", "holdings", "open", "answer"),
}
EXACT = re.compile(r"-?[0-9.]+|[0-9a-f-]{36}|\d{4}-\d\d-\d\dT.*|[A-Z][A-Z0-9_]+")
"""What a JSON document's reader would take for a number, an id, a time or a code."""


def poisoned(value: Any, key: str = "") -> Any:
    """A JSON document with poison for each text in it that is not exact."""
    if isinstance(value, dict):
        return {name: poisoned(inside, name) for name, inside in value.items()}
    if isinstance(value, list):
        return [poisoned(inside, key) for inside in value]
    if isinstance(value, str) and key not in LEFT_ALONE and not EXACT.fullmatch(value):
        return POISON
    return value


def everywhere(engine: Engine) -> int:
    """Poison the database; how many columns of how many rows."""
    count = 0
    with engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            connection.execute(text(f'ALTER TABLE "{table.name}" DISABLE TRIGGER ALL'))
            count += sum(
                _poison(connection, table, column) for column in table.columns if column.name not in LEFT_ALONE
            )
            connection.execute(text(f'ALTER TABLE "{table.name}" ENABLE TRIGGER ALL'))
    return count


def _poison(connection: Connection, table: Table, column: Any) -> int:
    name = f'"{table.name}"."{column.name}"'
    if isinstance(column.type, JSONB):
        rows = connection.execute(text(f'SELECT ctid::text, {name} FROM "{table.name}"')).all()
        changed = text(
            f'UPDATE "{table.name}" SET "{column.name}" = CAST(:made AS jsonb) WHERE ctid = CAST(:row AS tid)'
        )
        for row, document in rows:
            made = poisoned(document)
            if column.name == "strategy_payload":
                made[POISON] = POISON
            connection.execute(changed, {"made": json.dumps(made), "row": row})
        return len(rows)
    if not isinstance(column.type, String | Text):
        return 0
    if column.name == "symbol":  # one name for one thing, and one thing that can be asked for by its name
        changed = text(f"UPDATE \"{table.name}\" SET symbol = :poison WHERE symbol = '{SYMBOL}'")
    else:  # unique where it must be: the row's place follows the poison
        value = ":poison || ctid::text" if column.unique or column.primary_key else ":poison"
        changed = text(f'UPDATE "{table.name}" SET "{column.name}" = {value} WHERE {name} IS NOT NULL')
    return connection.execute(changed, {"poison": POISON}).rowcount
