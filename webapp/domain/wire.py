"""How values look in JSON: decimals as plain strings, times in UTC with a Z, ids and enums as text."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any
from uuid import UUID

from webapp.domain.money import plain


def timestamp(instant: datetime) -> str:
    """ISO-8601 in UTC, for example ``2024-08-08T23:54:14.087891Z``."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def jsonable(value: Any) -> Any:  # noqa: PLR0911  # a table of types reads best as one
    """``value`` as plain JSON types, containers included. Raises TypeError for what has no agreed form."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value
    if isinstance(value, float) and isfinite(value):  # a bot's payload may hold them; no amount of the desk's is one
        return value
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [jsonable(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no form in JSON")
