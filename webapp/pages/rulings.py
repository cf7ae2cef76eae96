"""What the gate said of each rule, as a page shows it: how near the limit was, and what would let the order pass.

Verdicts are JSON of the audit, and an adopted database may hold any JSON: what is missing or no number is unknown.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from markupsafe import Markup

from webapp.domain.errors import BadInput
from webapp.domain.market import parse_time
from webapp.domain.money import ZERO, exact, round_down, telling
from webapp.domain.risk.verdict import WARN_FROM
from webapp.web.filters import NOTHING, number, percent, qty, sentence, when, words

ELSE: Final = {
    "KILL_SWITCH_ACTIVE": "It passes once somebody releases the switch.",
    "STALE_MARKET_DATA": "It passes as soon as a fresh quote is in.",
    "SHORT_NOT_ALLOWED": "It passes for no more than is held, or once the policy allows short positions.",
    "MAX_DRAWDOWN": "It passes once NAV has come back, or after a release that starts from a new peak.",
}
"""What must happen for a rule to pass that no smaller order and no waiting will mend."""
COUNTED: Final = ("positions", "trades")
UNNAMED: Final = ("ratio", "qty", "")
"""Units that are not written behind their numbers."""
MOST_DIGITS: Final = 24
"""Before the point: a notional is a product of two stored amounts, and no number of the desk is larger."""


@dataclass(frozen=True)
class Ruling:
    """One rule's verdict. `share` is the part of the way to its limit, 1 being at it; None where there is no way."""

    rule: str
    ok: bool
    applies: bool
    binding: bool
    value: Decimal | None
    limit: Decimal | None
    headroom: Decimal | None
    usage: Decimal | None
    unit: str
    sentence: str
    retry_at: datetime | None
    share: Decimal | None
    remedy: str

    @property
    def word(self) -> str:
        """The verdict in one word."""
        if not self.ok:
            return "blocks"
        return "passes" if self.applies else "exempt"

    @property
    def near(self) -> bool:
        """Whether it passed with little to spare."""
        return self.ok and self.applies and self.share is not None and self.share >= WARN_FROM

    @property
    def places(self) -> int:
        """Decimals that show on which side of the limit the value lies."""
        if self.unit in COUNTED or self.value is None or self.limit is None:
            return 0 if self.unit in COUNTED else 2
        return telling(self.value, self.limit, 2)

    def shown(self, amount: Decimal | None) -> str:
        """One of its numbers with the unit."""
        return measured(amount, self.unit, self.places)


@exact
def measured(amount: Decimal | None, unit: str, places: int = 2) -> str:
    """1,020.00 USDC, 35 s, 0.6, 1 trade, yes: money to the cent, everything else without trailing zeros."""
    if amount is None:
        return "unknown"
    if unit == "bool":
        return "yes" if amount else "no"
    if unit in UNNAMED:
        return qty(round(amount, max(places, 4)))
    text = number(amount, places) if unit == "USDC" else qty(round(amount, places))
    return f"{text}\u00a0{unit[:-1] if unit in COUNTED and amount == 1 else unit}"


def rulings(documents: Iterable[Mapping[str, Any]], order_qty: Decimal) -> list[Ruling]:
    """The verdicts that can be read, in the order in which they bind."""
    return [_ruling(document, order_qty) for document in documents if isinstance(document.get("rule"), str)]


@exact
def _ruling(document: Mapping[str, Any], order_qty: Decimal) -> Ruling:
    amounts = {name: _amount(document.get(name)) for name in ("value", "limit", "headroom", "usage")}
    rule, ok, unit = document["rule"], document.get("ok") is True, str(document.get("unit") or "")
    retry_at, own = _moment(document.get("retry_at")), document.get("sentence")
    value, limit = amounts["value"], amounts["limit"]
    floor = amounts["usage"] is None and limit is not None and limit > 0
    return Ruling(
        rule=rule,
        ok=ok,
        applies=document.get("applies") is not False,
        binding=document.get("binding") is True,
        unit=unit,
        sentence=own if isinstance(own, str) and own else words(rule),
        retry_at=retry_at,
        share=_share(amounts["usage"], value, limit, floor=floor, ok=ok),
        remedy="" if ok or retry_at else _remedy(rule, value, limit, unit, order_qty, floor=floor),
        **amounts,
    )


def _share(
    usage: Decimal | None, value: Decimal | None, limit: Decimal | None, *, floor: bool, ok: bool
) -> Decimal | None:
    """Of a greatest value the part that is used; of a least value the part of what there is that had to be there."""
    if not floor or value is None or limit is None:
        return usage
    return limit / value if value > 0 else Decimal(0 if ok else 1)


def _remedy(
    rule: str, value: Decimal | None, limit: Decimal | None, unit: str, order_qty: Decimal, *, floor: bool
) -> str:
    """What would let a rule pass that time alone does not mend."""
    if rule in ELSE:
        return ELSE[rule]
    if value is None or limit is None or unit == "bool":
        return ""
    missing = measured(abs(value - limit), unit, 0 if unit in COUNTED else telling(abs(value - limit), ZERO, 2))
    if floor:
        return f"It needs {missing} more."
    if rule == "MAX_ORDER_NOTIONAL" and value > 0:
        return f"It is {missing} too much: at this price up to {qty(round_down(order_qty * limit / value))} would pass."
    return f"It is {missing} too much."


def _amount(text: Any) -> Decimal | None:
    """A number of the audit; None for anything that is none."""
    with suppress(InvalidOperation, TypeError, ValueError):
        found = Decimal(text) if isinstance(text, str | int) and not isinstance(text, bool) else None
        return found if found is not None and found.is_finite() and found.adjusted() <= MOST_DIGITS else None
    return None


def _moment(text: Any) -> datetime | None:
    with suppress(BadInput):
        return parse_time(text)
    return None


def audit_words(event: Mapping[str, Any]) -> str:
    """A line of the audit: its sentence, how near a passed limit was, and from when a blocked order could pass."""
    details = event["details"]
    told = sentence(details)
    usage, retry_at = _amount(details.get("usage")), _moment(details.get("retry_at"))
    if event["action"] == "warned" and usage is not None:
        return f"{told} {percent(usage, 0)} of it is used."
    if event["action"] == "blocked" and retry_at is not None:
        return Markup('{} <span class="soft">Could pass from {}.</span>').format(told, when(retry_at))
    return told


def nearest(found: Iterable[Ruling]) -> Ruling | None:
    """The rule that came nearest to blocking an order that passed."""
    near = [ruling for ruling in found if ruling.ok and ruling.applies and ruling.share is not None]
    return max(near, key=lambda ruling: ruling.share or ZERO, default=None)


def share_text(ruling: Ruling) -> str:
    """The share as a whole percentage; the dash where there is none."""
    return NOTHING if ruling.share is None else f"{number(ruling.share * 100, 0)}\u202f%"
