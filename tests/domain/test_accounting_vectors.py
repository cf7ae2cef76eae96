"""Position, profit, cash and NAV against vectors that several independent programs agree on, to the last digit.

Their own tolerance allows for an average price rounded after each fill; a stored cost basis needs none of it.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.domain.desks import after
from webapp.domain.book import Book
from webapp.domain.execution import Execution
from webapp.domain.money import exact, quantise
from webapp.domain.orders import Side
from webapp.domain.positions import Position

LAST_DIGIT = Decimal("0.00000001")
SEQUENCES = json.loads((Path(__file__).parents[1] / "data" / "accounting_vectors.json").read_text())["sequences"]


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence["id"])
def test_vector_folded_fill_by_fill_every_state_is_right_to_the_last_digit(sequence: dict[str, Any]) -> None:
    book = Book.opened_with(Decimal(sequence["initial_cash"]))
    for fill in sequence["fills"]:
        price = Decimal(fill["price"])
        execution = Execution(Side(fill["side"].lower()), Decimal(fill["qty"]), price, Decimal(fill["fee"]), 0)
        before = book.position(fill["symbol"])
        book.apply(fill["symbol"], execution, after(fill["n"]), price)
        _check_effect(before, book.position(fill["symbol"]), fill["effect"], f"{sequence['id']} fill {fill['n']}")
        for symbol, wanted in fill["positions"].items():
            book.mark(symbol, Decimal(wanted["mark_price"]))
        where = f"{sequence['id']} fill {fill['n']}"
        for symbol, wanted in fill["positions"].items():
            _check_position(book.position(symbol), wanted, f"{where} {symbol}")
            if sequence["exact_on_grid"]:
                _check_not_rounded(book, symbol, wanted, fill["account"], where)
        _check_account(book, fill["account"], where)
    for check in sequence["mark_checks"]:
        for symbol, mark in check["marks"].items():
            book.mark(symbol, Decimal(mark))
            unrealized = book.position(symbol).unrealized_pnl
            _near(unrealized, check["unrealized_pnl"][symbol], f"{sequence['id']} {check['label']} {symbol}")
        _check_account(book, check["account"], f"{sequence['id']} {check['label']}")


def test_vectors_are_all_there() -> None:
    assert len(SEQUENCES) == 40
    assert sum(len(sequence["fills"]) for sequence in SEQUENCES) == 682


@exact
def _check_position(position: Position, wanted: Mapping[str, Any], where: str) -> None:
    assert position.qty == Decimal(wanted["qty"]), where
    assert position.fees == Decimal(wanted["fees_paid"]), where
    _near(position.avg_entry_price, wanted["avg_entry_price"] or "0", f"{where} average")
    _near(position.unrealized_pnl, wanted["unrealized_pnl"], f"{where} unrealized")
    _near(position.realized_pnl, wanted["realized_pnl_gross"], f"{where} realized gross")
    _near(position.realized_pnl - position.fees, wanted["realized_pnl_net"], f"{where} realized net")


@exact
def _check_effect(before: Position, after: Position, wanted: Mapping[str, Any], where: str) -> None:
    """What this fill alone did: profit comes of what was closed, and only of that."""
    signed = after.qty - before.qty
    closed = min(abs(before.qty), abs(signed)) if before.qty * signed < 0 else 0
    assert (closed, abs(signed) - closed) == (Decimal(wanted["closed_qty"]), Decimal(wanted["opened_qty"])), where
    gross = after.realized_pnl - before.realized_pnl
    _near(gross, wanted["realized_pnl_gross"], f"{where} realized by it")
    _near(gross - (after.fees - before.fees), wanted["realized_pnl_net"], f"{where} realized by it, net")
    assert gross == 0 or closed, f"{where}: {wanted['action']} realized {gross}"


@exact
def _check_not_rounded(
    book: Book, symbol: str, wanted: Mapping[str, Any], account: Mapping[str, Any], where: str
) -> None:
    """Where every exact value has eight decimals or fewer, nothing may be off by anything."""
    position = book.position(symbol)
    found = (position.avg_entry_price, position.unrealized_pnl, position.realized_pnl, book.cash, book.nav)
    names = ("unrealized_pnl", "realized_pnl_gross")
    expected = [wanted["avg_entry_price"] or "0", *(wanted[name] for name in names), account["cash"], account["equity"]]
    assert list(found) == [Decimal(value) for value in expected], where


@exact
def _check_account(book: Book, wanted: Mapping[str, Any], where: str) -> None:
    held = list(book.positions.values())
    assert book.fees_paid == Decimal(wanted.get("fees_paid", book.fees_paid)), where
    _near(book.cash, wanted["cash"], f"{where} cash")
    _near(sum(position.value for position in held), wanted["position_value"], f"{where} value")
    _near(book.nav, wanted["equity"], f"{where} equity from cash")
    realized = sum(position.realized_pnl - position.fees for position in held)
    unrealized = sum(position.unrealized_pnl for position in held)
    assert book.starting_cash + realized + unrealized == book.nav, f"{where}: two ways to NAV differ"
    if "realized_pnl_net" in wanted:
        _near(realized, wanted["realized_pnl_net"], f"{where} realized net")
        _near(book.starting_cash + realized, wanted["margin_balance"], f"{where} margin balance")
    value = book.valuation()
    _near(value.nav, wanted["equity"], f"{where} snapshot nav")
    _near(value.cash, wanted["cash"], f"{where} snapshot cash")
    _near(value.unrealized_pnl, str(quantise(unrealized)), f"{where} snapshot unrealized")
    _near(value.realized_pnl, str(realized), f"{where} snapshot realized")
    assert value.nav == book.starting_cash + value.realized_pnl + value.unrealized_pnl, where


def _near(got: Decimal, wanted: str, where: str) -> None:
    """Stored to 8 decimals, within one of its last digit."""
    assert abs(quantise(got) - Decimal(wanted)) <= LAST_DIGIT, f"{where}: {got} is not {wanted}"
