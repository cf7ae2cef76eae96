"""A fill's sums written out, so that nobody has to take a price on trust.

Each line is checked against what was stored: it says `=` where the numbers agree to the last digit, `≈` where a stored
figure was rounded before it was used, and what was rounded away where a result was.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from webapp.domain.money import BPS, UNIT, ZERO, exact, fits, quantise
from webapp.queries.lineage import FillStory
from webapp.web.filters import MINUS, qty

ROUNDED: Final = "rounded half-even to 8 decimals from {}"
USDC: Final = "USDC"


@dataclass(frozen=True)
class Line:
    """One sum: `expression` `relation` `result` `unit`, and what there is to say about it."""

    name: str
    expression: str
    result: str
    unit: str
    note: str = ""
    relation: str = "="


@dataclass(frozen=True)
class Explained:
    """One fill with its sums. `how` says where its price is from: `quote` moved by the slippage, the order's own
    `limit`, or `unknown` where no quote was recorded."""

    part: FillStory
    how: str
    lines: list[Line]


@exact
def explain(part: FillStory, limit_price: Decimal | None) -> Explained:
    """Which of the ways of CONTRACT section 5 led to this price; checked against the numbers, not assumed."""
    sign = 1 if part.fill["side"] == "buy" else -1
    how = _how(part, sign, limit_price)
    return Explained(part, how, [_price(part, sign, how), *_money(part, sign), *_book(part, sign)])


def _moved(part: FillStory, sign: int) -> Decimal | None:
    """The quote's side moved by the slippage, unrounded."""
    return None if part.quoted_price is None else part.quoted_price * (1 + sign * part.fill["slippage_bps"] / BPS)


def _how(part: FillStory, sign: int, limit_price: Decimal | None) -> str:
    moved, price = _moved(part, sign), part.fill["fill_price"]
    if moved is not None and quantise(moved) == price:
        return "quote"
    return "limit" if limit_price is not None and limit_price == price else "unknown"


def _price(part: FillStory, sign: int, how: str) -> Line:
    fill, quoted = part.fill, part.quoted_price
    name, result = "ask" if sign > 0 else "bid", qty(fill["fill_price"])
    moved = _moved(part, sign)
    if how == "quote" and moved is not None:
        expression = f"{name} {qty(quoted)} × (1 {_plus(sign)} {fill['slippage_bps']}/10000)"
        return Line("price", expression, result, USDC, _rounding(moved, fill["fill_price"]))
    if how == "limit":
        why = "" if quoted is None else f"the {name} was {qty(quoted)}"
        if fill["slippage_bps"]:
            why += ", and with the whole slippage the price would have been beyond the limit"
        return Line("price", "the order's own limit", result, USDC, why)
    return Line("price", "as another program recorded it", result, USDC)


def _money(part: FillStory, sign: int) -> Iterator[Line]:
    fill, notional = part.fill, part.notional
    yield Line("notional", f"{qty(fill['qty'])} × {qty(fill['fill_price'])}", qty(notional), USDC)
    if fill["fee_bps"] is None:
        yield Line("fee", "as another program recorded it", qty(fill["fee"]), USDC)
    else:
        whole = notional * fill["fee_bps"] / BPS
        same = fits(whole) and quantise(whole) == fill["fee"]
        expression = f"{qty(notional)} × {qty(fill['fee_bps'])}/10000"
        yield Line("fee", expression, qty(fill["fee"]), USDC, _rounding(whole, fill["fee"]), "=" if same else "≈")
    change = f"{_plus(-sign)} {qty(notional)} {MINUS} {qty(fill['fee'])}"
    if fill["cash_before"] is None:
        yield Line("cash", f"the change: {change}", qty(part.cash_change), USDC)
        return
    after = fill["cash_before"] + part.cash_change
    yield Line("cash", f"{qty(fill['cash_before'])} {change}", qty(fill["cash_after"]), USDC,
               _rounding(after, fill["cash_after"]), _relation(after, fill["cash_after"]))  # fmt: skip


def _book(part: FillStory, sign: int) -> Iterator[Line]:
    fill = part.fill
    before, after = fill["position_qty_before"], fill["position_qty_after"]
    if before is None:
        return
    held = before + sign * fill["qty"]
    expression = f"{qty(before)} {_plus(sign)} {qty(fill['qty'])}"
    yield Line("position", expression, qty(after), fill["symbol"], "", _relation(held, after))
    yield _entry(part, before, after, sign)
    closed = min(fill["qty"], abs(before)) if before * sign < 0 else ZERO
    if closed:
        profit = closed * (fill["fill_price"] - fill["avg_entry_before"]) * -sign
        sides = (fill["fill_price"], fill["avg_entry_before"])
        won, lost = (qty(side) for side in (sides if sign < 0 else reversed(sides)))
        note = "of what was closed, before the fee"
        yield Line("profit", f"{qty(closed)} × ({won} {MINUS} {lost})", qty(profit), USDC, note)
    if fill["nav_before"] is not None and fill["bid_price"] is not None:
        yield _cost(part, sign)


def _entry(part: FillStory, before: Decimal, after: Decimal, sign: int) -> Line:
    """What the fill did to the average entry: opening sets, adding averages, reducing keeps, flipping restarts."""
    fill, old, new = part.fill, part.fill["avg_entry_before"], part.fill["avg_entry_after"]
    if not after:
        return Line("entry", "nothing is held any more", qty(new), USDC, "" if new == 0 else "of what was held")
    if before * after <= 0:
        return Line("entry", "opens at the fill price", qty(new), USDC, "", _relation(fill["fill_price"], new))
    if before * sign < 0:
        return Line("entry", "selling less than is held keeps it" if sign < 0 else "buying back less keeps it",
                    qty(new), USDC, "", _relation(old, new))  # fmt: skip
    held, bought = abs(before), fill["qty"]
    whole = (held * old + bought * fill["fill_price"]) / abs(after)
    expression = f"({qty(held)} × {qty(old)} + {qty(bought)} × {qty(fill['fill_price'])}) / {qty(abs(after))}"
    return Line("entry", expression, qty(new), USDC, "average cost, fees apart", _relation(whole, new))


def _cost(part: FillStory, sign: int) -> Line:
    """What trading cost against the mid: NAV went down by this and by nothing else."""
    fill = part.fill
    mid = quantise((fill["bid_price"] + fill["ask_price"]) / 2)
    cost = fill["qty"] * (fill["fill_price"] - mid) * sign + fill["fee"]
    prices = (fill["fill_price"], mid) if sign > 0 else (mid, fill["fill_price"])
    expression = f"{qty(fill['qty'])} × ({qty(prices[0])} {MINUS} {qty(prices[1])}) + {qty(fill['fee'])}"
    lost = fill["nav_before"] - fill["nav_after"]
    same = abs(lost - cost) <= 2 * UNIT  # both ends of the difference were rounded to be stored
    note = "from the mid, and the fee: NAV fell by just this" if same else f"NAV changed by {qty(-lost)} meanwhile"
    return Line("cost", expression, qty(quantise(cost)), USDC, note, _relation(cost, quantise(cost)))


def _plus(sign: int) -> str:
    return "+" if sign > 0 else MINUS


def _relation(whole: Decimal, stored: Decimal) -> str:
    return "=" if whole == stored else "≈"


def _rounding(whole: Decimal, stored: Decimal) -> str:
    return "" if whole == stored else ROUNDED.format(qty(whole))
