"""Money: exact decimals, one rounding policy, one range.

Amounts are stored as NUMERIC(18,8). Inside the core they are exact: a product of two stored amounts has 16 decimals and
up to 36 digits, more than Python's default context keeps, so arithmetic runs in :data:`CONTEXT` (see :func:`exact`).
"""

import re
from collections.abc import Callable
from decimal import (
    ROUND_DOWN,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    localcontext,
)
from functools import wraps
from typing import ParamSpec, TypeVar

from webapp.domain.errors import BadInput, OutOfRange

UNIT = Decimal("0.00000001")
COST_UNIT = Decimal(1).scaleb(-24)
"""A cost basis is a quotient; 24 decimals keep a million partial exits within 1e-18 of the exact value."""
LIMIT = Decimal(10) ** 10
"""NUMERIC(18,8) holds ten digits before the point."""
ZERO = Decimal(0)
BPS = Decimal(10_000)
HUNDRED = Decimal(100)
_MOST_PLACES = 24
CONTEXT = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])

# Decimal() also reads "1_000", "1e9", "NaN" and full-width digits: only this shape may reach it.
_AMOUNT = re.compile(r"-?[0-9]{1,10}(\.[0-9]{1,8})?", re.ASCII)

P = ParamSpec("P")
R = TypeVar("R")


def exact(function: Callable[P, R]) -> Callable[P, R]:
    """Run ``function`` with 60 digits of precision, whatever the caller's decimal context is."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with localcontext(CONTEXT):
            return function(*args, **kwargs)

    return wrapped


def fits(value: Decimal) -> bool:
    """Whether ``value``, once rounded to 8 decimals, fits NUMERIC(18,8)."""
    return value.is_finite() and abs(value) < LIMIT and abs(CONTEXT.quantize(value, UNIT)) < LIMIT


def quantise(value: Decimal, what: str = "amount") -> Decimal:
    """``value`` rounded half-even to 8 decimals, as every stored amount is.

    Raises :class:`OutOfRange` when it is not finite or needs more than ten digits before the point.
    """
    if not fits(value):
        raise OutOfRange(f"{what} does not fit 10 digits before the point", what=what)
    return CONTEXT.quantize(value, UNIT)


def round_down(value: Decimal) -> Decimal:
    """``value`` cut to 8 decimals towards zero: for quantities that must not exceed a budget."""
    return value.quantize(UNIT, rounding=ROUND_DOWN, context=CONTEXT)


def parse_amount(text: str, field: str) -> Decimal:
    """An amount as people and programs write it: up to 10 digits, a point, up to 8 digits.

    Raises :class:`BadInput` for anything else, exponents, separators, NaN and infinities included.
    """
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
        raise BadInput(field, "must be a decimal number with at most 10 digits before the point and 8 after it")
    return Decimal(text)


def plain(value: Decimal) -> str:
    """``value`` in plain notation (never an exponent), without a negative zero."""
    return format(value if value else abs(value), "f")


def telling(value: Decimal, limit: Decimal, least: int) -> int:
    """How many decimals, ``least`` or more, show on which side of ``limit`` a ``value`` lies.

    A sentence must not say that 1,000.00 is above 1,000.00.
    """
    side = (value > limit, value < limit)
    for places in range(least, _MOST_PLACES):
        shown, bound = (CONTEXT.quantize(number, Decimal(1).scaleb(-places)) for number in (value, limit))
        if (shown > bound, shown < bound) == side:
            return places
    return _MOST_PLACES


def short(value: Decimal, places: int = 2) -> str:
    """``value`` for a sentence: rounded half-even to ``places`` decimals with thousands separators."""
    rounded = CONTEXT.quantize(value, Decimal(1).scaleb(-places))
    return format(rounded if rounded else abs(rounded), ",f")
