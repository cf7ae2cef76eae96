"""The book against a second, independent fold in fractions, over arbitrary fills: tiny, huge, partial, flipping."""

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.desks import BTC, NOON, SOL, after
from tests.domain.oracle import UNIT, Account, stored
from webapp.domain.book import Book
from webapp.domain.errors import OutOfRange
from webapp.domain.execution import Execution, fee_of
from webapp.domain.money import exact, quantise
from webapp.domain.orders import Side
from webapp.domain.positions import Position

TINY = Decimal("0.00000001")
NEARLY_NOTHING = Fraction(1, 10**15)
"""What 24 decimals of cost basis may lose over a test's fills; a stored last digit is ten million times that."""


@st.composite
def amounts(draw: st.DrawFn, digits: int = 18) -> Decimal:
    """Above zero, at most ten digits before the point and eight after it, of every order of magnitude."""
    size = draw(st.integers(1, digits))
    return draw(st.integers(1, 10**size - 1)) * TINY


fills = st.lists(
    st.tuples(
        st.sampled_from([SOL, BTC]),
        st.sampled_from(list(Side)),
        amounts(14),
        amounts(14),
        st.integers(-300, 300).map(Decimal),
        amounts(14),
    ),
    min_size=1,
    max_size=25,
)


def test_oracle_on_a_story_worked_by_hand_gives_its_numbers() -> None:
    account = Account(Fraction(1000))
    account.fill(SOL, "buy", Decimal(2), Decimal(100), Decimal(1))
    account.fill(SOL, "buy", Decimal(1), Decimal(130), Decimal(1))
    account.fill(SOL, "sell", Decimal(5), Decimal(120), Decimal(1))
    account.marks[SOL] = Fraction(115)
    holding = account.holdings[SOL]
    assert (holding.qty, holding.average, holding.realized, holding.fees) == (-2, 120, 30, 3)
    assert (account.cash, account.nav) == (1000 - 200 - 130 + 600 - 3, 1267 - 230)
    assert account.start + account.realized_net + account.unrealized == account.nav


Story = list[tuple[str, Side, Decimal, Decimal, Decimal, Decimal]]


@given(fills)
@settings(max_examples=120, deadline=None)
def test_any_fills_folded_twice_give_the_same_book(
    story: Story,
) -> None:
    book, oracle = Book.opened_with(Decimal(10_000)), Account(Fraction(10_000))
    for number, (symbol, side, qty, price, fee_bps, mark) in enumerate(story):
        try:
            fee = fee_of(qty, price, fee_bps)
            before = _frozen(book)
            book.apply(symbol, Execution(side, qty, price, fee, 0), after(number), mark)
        except OutOfRange:
            assert _frozen(book) == before, "a refused fill left something behind"
            continue
        oracle.fill(symbol, side.value, qty, price, fee)
        oracle.marks[symbol] = Fraction(mark)
        _same(book, oracle)


@given(st.lists(st.tuples(st.sampled_from(list(Side)), amounts(9), amounts(9)), min_size=30, max_size=60))
@settings(max_examples=15, deadline=None)
def test_many_partial_exits_the_average_does_not_drift(story: list[tuple[Side, Decimal, Decimal]]) -> None:
    position, account = Position(SOL), Account(Fraction(0))
    for number, (side, qty, price) in enumerate(story * 5):
        position = position.after(Execution(side, qty, price, Decimal(0), 0), after(number))
        account.fill(SOL, side.value, qty, price, Decimal(0))
    holding = account.holdings[SOL]
    assert Fraction(position.qty) == holding.qty
    assert abs(Fraction(position.cost) - holding.qty * holding.average) < NEARLY_NOTHING


@given(fills)
@settings(max_examples=60, deadline=None)
def test_fills_booked_all_at_once_make_the_same_position_as_one_by_one(story: Story) -> None:
    single = Position(SOL, mark_price=Decimal(7))
    for number, (_, side, qty, price, fee, _) in enumerate(story):
        single = single.after(Execution(side, qty, price, fee, 0), after(number))
    rows = [(qty * side.sign, price, fee, after(number)) for number, (_, side, qty, price, fee, _) in enumerate(story)]
    start = Position(SOL, mark_price=Decimal(7))
    with localcontext(prec=5):
        half = len(rows) // 2
        assert start.after_all(iter(rows)) == start.after_all(rows[:half]).after_all(rows[half:]) == single
    assert start.after_all([]) == start


@given(fills)
@settings(max_examples=40, deadline=None)
def test_fills_regardless_of_the_callers_decimal_context_are_exact(
    story: Story,
) -> None:
    def folded() -> list[Position]:
        positions = {SOL: Position(SOL), BTC: Position(BTC)}
        for symbol, side, qty, price, _, _ in story:
            positions[symbol] = positions[symbol].after(Execution(side, qty, price, Decimal(0), 0), NOON)
        return list(positions.values())

    wanted = folded()
    with localcontext(prec=5):
        assert folded() == wanted


@pytest.mark.parametrize(
    ("qty", "price", "mark"),
    [
        ("9999999999.99999999", "1.1", "1.1"),
        ("1", "9999999999.99999999", "1"),
        ("2", "1", "5000000000"),
    ],
    ids=["cash", "cash of one unit", "value at the mark"],
)
def test_fill_whose_result_does_not_fit_is_refused_and_changes_nothing(qty: str, price: str, mark: str) -> None:
    book = Book.opened_with(Decimal(9_999_990_000))
    book.apply(SOL, Execution(Side.SELL, Decimal(1), Decimal(100), Decimal(0), 0), NOON, Decimal(100))
    before = _frozen(book)
    with pytest.raises(OutOfRange):
        book.apply(BTC, Execution(Side.SELL, Decimal(qty), Decimal(price), Decimal(0), 0), NOON, Decimal(mark))
    assert _frozen(book) == before


def test_mark_at_which_the_position_does_not_fit_is_refused_and_changes_nothing() -> None:
    book = Book.opened_with(Decimal(10_000))
    book.apply(SOL, Execution(Side.BUY, Decimal(100), Decimal(1), Decimal(0), 0), NOON, Decimal(1))
    before = _frozen(book)
    with pytest.raises(OutOfRange):
        book.mark(SOL, Decimal(100_000_001))
    assert _frozen(book) == before


def test_book_at_the_edge_of_the_range_still_counts() -> None:
    book = Book.opened_with(Decimal("0.00000001"))
    book.apply(SOL, Execution(Side.SELL, Decimal(1), Decimal("9999999999.99999998"), Decimal(0), 0), NOON, TINY)
    assert book.cash == Decimal("9999999999.99999999")
    assert book.valuation().nav == Decimal("9999999999.99999998")


@exact
def _same(book: Book, oracle: Account) -> None:
    assert Fraction(book.cash) == oracle.cash
    assert Fraction(book.nav) == oracle.nav
    for symbol, holding in oracle.holdings.items():
        position = book.position(symbol)
        assert Fraction(position.qty) == holding.qty
        assert Fraction(position.fees) == holding.fees
        assert abs(Fraction(position.cost) - holding.qty * holding.average) < NEARLY_NOTHING
        assert abs(Fraction(position.realized_pnl) - holding.realized) < NEARLY_NOTHING
        assert abs(Fraction(quantise(position.avg_entry_price)) - holding.average) <= UNIT
    value = book.valuation()
    assert value.nav == book.starting_cash + value.realized_pnl + value.unrealized_pnl
    assert Fraction(value.nav) == stored(oracle.nav)
    assert Fraction(value.cash) == stored(oracle.cash)
    assert abs(Fraction(value.realized_pnl) - oracle.realized_net) <= UNIT
    assert abs(Fraction(value.unrealized_pnl) - oracle.unrealized) <= UNIT


def _frozen(book: Book) -> tuple[object, ...]:
    return book.cash, book.fees_paid, book.peak_nav, dict(book.positions)
