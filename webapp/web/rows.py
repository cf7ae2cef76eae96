"""A list's rows: which columns, in which order, and where each leads. Said once a list, drawn by one function."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask import Flask
from markupsafe import Markup

from webapp.web.auth import has_role
from webapp.web.cells import cell

Row = Mapping[Any, Any]
LINKS: Final = {"order_id": "/orders/{order_id}", "cycle_id": "/cycles/{cycle_id}"}
"""Where a column leads wherever it stands."""


@dataclass(frozen=True)
class Shown:
    """One column of a list, by its name in the schema or as computed by `value`.

    `link` is an address with the row's columns in braces; `text` is what is shown in place of the value, unless it
    gives None. `role` is who sees the column, where that is not everybody.
    """

    name: str
    link: str | None = None
    text: Callable[[Row], object] | None = None
    value: Callable[[Row], Any] | None = None
    role: str | None = None


def shown(*columns: str | Shown) -> tuple[Shown, ...]:
    """Columns, plain ones by name alone; with the link they have everywhere."""
    return tuple(column if isinstance(column, Shown) else Shown(column, link=LINKS.get(column)) for column in columns)


def names_of(columns: tuple[Shown, ...]) -> list[str]:
    """What their heads are made of."""
    return [column.name for column in _seen(columns)]


def cells_of(columns: tuple[Shown, ...], row: Row) -> Markup:
    """The `<td>`s of one row."""
    return Markup("\n").join(_cell(column, row) for column in _seen(columns))


def _seen(columns: tuple[Shown, ...]) -> list[Shown]:
    return [column for column in columns if column.role is None or has_role(column.role)]


def _cell(column: Shown, row: Row) -> Markup:
    value = column.value(row) if column.value else row[column.name]
    href = column.link.format_map(row) if column.link and value is not None else None
    return cell(column.name, value, href, column.text(row) if column.text else None)


def install(app: Flask) -> None:
    """Both for `layouts/table.html`."""
    app.jinja_env.globals.update(names_of=names_of, cells_of=cells_of)
