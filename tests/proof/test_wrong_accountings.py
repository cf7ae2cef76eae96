"""The proof of the proof: every wrong bookkeeping is rejected by the vectors, or by the second, independent fold."""

import random
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest

from tests.domain import test_accounting_vectors as vectors
from tests.domain import test_fold_differential as differential
from tests.domain.desks import BTC, SOL, after, buy, calm_floor, sell
from tests.domain.oracle import Account, stored
from tests.proof.wrong_accountings import WRONG_ELSEWHERE, WRONG_POSITIONS, Patch
from webapp.domain import book
from webapp.domain.errors import OutOfRange
from webapp.domain.orders import Side
from webapp.domain.positions import Position

CAUGHT = (AssertionError, OutOfRange)
CENTS = Decimal("0.00000001")


def vectors_reject() -> int:
    """How many of the sequences that the real fold passes do not hold."""
    return sum(fails(vectors.test_vector_folded_fill_by_fill_every_state_is_right_to_the_last_digit, sequence)
               for sequence in vectors.SEQUENCES)  # fmt: skip


def stories() -> list[differential.Story]:
    """Twenty fixed stories of flips and partial exits at odd amounts."""
    dice = random.Random(20)
    return [
        [
            (
                dice.choice([SOL, BTC]),
                dice.choice(list(Side)),
                dice.randrange(1, 10**10) * CENTS,
                dice.randrange(10**8, 10**11) * CENTS,
                Decimal(10),
                dice.randrange(10**8, 10**11) * CENTS,
            )
            for _ in range(40)
        ]
        for _ in range(20)
    ]


def differential_rejects() -> int:
    """How many of the stories the second fold tells otherwise."""
    told = differential.test_any_fills_folded_twice_give_the_same_book.hypothesis.inner_test  # type: ignore[attr-defined]
    return sum(fails(told, story) for story in stories())


def fails(test: Callable, *arguments: object) -> bool:
    try:
        test(*arguments)
    except CAUGHT:
        return True
    return False


def desk_agrees_with_the_second_fold() -> None:
    """Quotes with a spread, slippage, fees and a flip, on a desk: NAV and cash as the contract defines them."""
    made = calm_floor(slippage_bps=7, fee_bps=Decimal("12.5"), allow_short=True)
    made.tick("99.99", "100.03", at=0)
    account = Account(Fraction(10_000))
    steps = [(buy("3.3333333"), 1), (sell("1.1111117"), -1), (sell("4.7777777"), -1), (buy("1.0000003"), 1)]
    for number, (wish, sign) in enumerate(steps):
        outcome = made.propose(wish, at=number)
        (fill,) = made.fills_of(outcome)
        price = stored(Fraction("100.03" if sign > 0 else "99.99") * (1 + sign * Fraction(7, 10_000)))
        fee = stored(Fraction(wish.qty) * price * Fraction(125, 100_000))
        assert (Fraction(fill.fill_price), Fraction(fill.fee)) == (price, fee)
        account.fill(SOL, wish.side.value, wish.qty, fill.fill_price, fill.fee)
    bid, ask = Decimal("101.00000001"), Decimal("101.00000002")
    made.tick("101.5", "102.5", at=10)
    account.marks[SOL] = Fraction(102)
    assert Fraction(made.desk.book.nav) == account.nav
    assert Fraction(made.desk.book.cash) == account.cash
    made.tick(str(bid), str(ask), at=11)
    account.marks[SOL] = stored((Fraction(bid) + Fraction(ask)) / 2)
    assert Fraction(made.desk.book.nav) == account.nav
    assert made.desk.book.position(SOL).last_fill_at == after(3)


def test_right_accounting_is_rejected_by_nobody() -> None:
    assert (vectors_reject(), differential_rejects()) == (0, 0)
    desk_agrees_with_the_second_fold()


@pytest.mark.parametrize("wrong", WRONG_POSITIONS, ids=lambda wrong: wrong.__name__)
def test_wrong_position_is_rejected(wrong: type[Position], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "Position", wrong)
    assert vectors_reject() or differential_rejects()


@pytest.mark.parametrize("patch", WRONG_ELSEWHERE, ids=lambda patch: patch.name)
def test_wrong_mark_fee_or_price_is_rejected(patch: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patch.target, patch.wrong)
    with pytest.raises(AssertionError):
        desk_agrees_with_the_second_fold()
