"""What reads as an amount, how amounts are rounded, and how far they reach."""

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.oracle import stored
from webapp.domain.errors import BadInput, OutOfRange
from webapp.domain.money import exact, fits, parse_amount, plain, quantise, round_down, short

HOSTILE = (
    "", " ", " 1", "1 ", "1\n", "\t1", "+1", "--1", "-", ".", "1.", ".5", "-.5", "1,5", "1.000,5", "1_000", "1_0.5",
    "0x1F", "0b1", "1e5", "1E5", "1e-3", "1e999999", "NaN", "nan", "sNaN", "-NaN", "inf", "-inf", "Infinity", "1/2",
    "12345678901", "-12345678901", "1.123456789", "0.000000000", "1" * 5000, "１", "１.５", "٣", "1٣", "½", "१",
    "1.٣", "−1", "1\x00", "\x001", "1.2.3", "1..2", "None", "true", "$1", "1%", "\u200b1", "\ufeff1",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=[ascii(text[:20]) for text in HOSTILE])
def test_amount_that_only_looks_like_a_number_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_amount(text, "qty")
    assert caught.value.field == "qty"
    assert caught.value.details["field"] == "qty"


@pytest.mark.parametrize("value", [None, 1, 1.5, True, b"1", Decimal(1), ["1"]])
def test_amount_that_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(BadInput):
        parse_amount(value, "qty")  # type: ignore[arg-type]  # what JSON may hold


@pytest.mark.parametrize(
    "text", ["0", "1", "-1", "0.1", "00.10", "9999999999", "9999999999.99999999", "-9999999999.99999999", "0.00000001"]
)
def test_amount_of_ten_digits_and_eight_decimals_is_read_exactly(text: str) -> None:
    assert parse_amount(text, "qty") == Decimal(text)


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        ("0.000000005", "0"),
        ("0.000000015", "0.00000002"),
        ("0.000000025", "0.00000002"),
        ("-0.000000005", "0"),
        ("-0.000000015", "-0.00000002"),
        ("0.00000000500000000000000000001", "0.00000001"),
        ("9999999999.999999985", "9999999999.99999998"),
        ("1.23", "1.23"),
    ],
)
def test_amount_between_two_units_goes_to_the_nearer_one_and_a_tie_to_the_even_one(value: str, rounded: str) -> None:
    assert quantise(Decimal(value)) == Decimal(rounded)


@given(st.integers(-(10**30), 10**30), st.integers(0, 20))
def test_amount_rounded_agrees_with_a_rounding_in_whole_numbers(digits: int, places: int) -> None:
    value = Decimal(digits).scaleb(-places)
    if fits(value):
        assert Fraction(quantise(value)) == stored(Fraction(digits, 10**places))


@pytest.mark.parametrize(
    "value", ["10000000000", "-10000000000", "9999999999.999999995", "1e999999", "NaN", "Infinity", "-Infinity", "sNaN"]
)
def test_amount_out_of_range_is_refused_never_clamped(value: str) -> None:
    assert not fits(Decimal(value))
    with pytest.raises(OutOfRange):
        quantise(Decimal(value))


def test_function_marked_exact_keeps_every_digit_in_any_context() -> None:
    @exact
    def square(value: Decimal) -> Decimal:
        return value * value

    with localcontext(prec=6):
        assert square(Decimal("9999999999.99999999")) == Decimal("99999999999999999800.0000000000000001")


@given(st.decimals(min_value=0, max_value=10**9, places=12))
def test_budget_cut_to_a_quantity_is_never_exceeded(value: Decimal) -> None:
    cut = round_down(value)
    assert cut <= value < cut + Decimal("0.00000001")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0E-8", "0.00000000"),
        ("-0", "0"),
        ("-0.00", "0.00"),
        ("1E+3", "1000"),
        ("1E-8", "0.00000001"),
        ("-1.50", "-1.50"),
    ],
)
def test_amount_in_plain_digits_has_no_exponent_and_no_negative_zero(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@pytest.mark.parametrize(("value", "text"), [("-0.001", "0.00"), ("1234567.895", "1,234,567.90"), ("0.125", "0.12")])
def test_amount_in_a_sentence_is_short(value: str, text: str) -> None:
    assert short(Decimal(value)) == text
