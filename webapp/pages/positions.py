"""Current holdings, one row a symbol, marked at the newest mid."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from flask import Blueprint

from webapp.domain.money import exact
from webapp.pages.lists import ListPage, install


@exact
def totals(rows: list[Any]) -> Mapping[str, Any]:
    """Sums over the symbols shown, in USDC."""
    values = [row["qty"] * row["mark_price"] for row in rows]
    return {
        "held": sum(1 for row in rows if row["qty"]),
        "gross": sum((abs(value) for value in values), Decimal(0)),
        "net": sum(values, Decimal(0)),
        "unrealized": sum((row["unrealized_pnl"] for row in rows), Decimal(0)),
    }


bp = Blueprint("positions", __name__)
install(bp, ListPage("positions", "/positions", "positions", totals))
