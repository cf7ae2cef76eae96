"""The one table that says which state of an order may follow which."""

from itertools import product

import pytest

from webapp.domain.errors import Conflict
from webapp.domain.orders import TRANSITIONS, OrderStatus, Side, check_transition

ALLOWED = {
    (None, "proposed"),
    ("proposed", "approved"),
    ("proposed", "rejected"),
    ("approved", "executed"),
    ("approved", "canceled"),
}
STATES = ["proposed", "approved", "rejected", "executed", "canceled"]


@pytest.mark.parametrize(("before", "after"), list(product([None, *STATES], STATES)))
def test_transition_is_allowed_exactly_when_the_table_says_so(before: str | None, after: str) -> None:
    start = None if before is None else OrderStatus(before)
    if (before, after) in ALLOWED:
        check_transition(start, OrderStatus(after))
        return
    with pytest.raises(Conflict) as caught:
        check_transition(start, OrderStatus(after))
    assert caught.value.code == "CONFLICT"


def test_every_state_is_in_the_table() -> None:
    assert set(TRANSITIONS) == {None, *OrderStatus}
    assert [status.value for status in OrderStatus] == STATES


def test_side_tells_what_it_does_to_a_signed_quantity() -> None:
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
