"""Verdicts in words: a value held against a limit, said in one plain sentence with both numbers."""

from datetime import datetime
from decimal import Decimal

from webapp.domain.money import short, telling
from webapp.domain.risk.verdict import Verdict

_WHOLE = {"positions": "position", "trades": "trade"}
"""Units that are counted, and what one of them is called."""


def at_most(
    rule: str,
    value: Decimal | None,
    limit: Decimal,
    unit: str,
    what: str,
    *,
    lead: str = "",
    retry_at: datetime | None = None,
) -> Verdict:
    """A rule with a greatest value. ``what`` is measured; ``lead`` says it with its value, where "of" would not do."""
    if value is None:
        return unknown(rule, limit, unit, what)
    ok = value <= limit
    relation = "within" if ok else "above"
    said, bound = _measured(value, limit, unit)
    sentence = f"{lead.format(said)}, which is" if lead else f"{what} of {said} is"
    sentence += f" {relation} the limit of {bound}."
    return Verdict(rule, ok, value, limit, unit, sentence, retry_at=None if ok else retry_at)


def at_least(rule: str, value: Decimal | None, limit: Decimal, unit: str, what: str) -> Verdict:
    """A rule with a least value."""
    if value is None:
        return unknown(rule, limit, unit, what)
    ok = value >= limit
    relation = "reaches" if ok else "is below"
    said, bound = _measured(value, limit, unit)
    return Verdict(rule, ok, value, limit, unit, f"{what} of {said} {relation} the least of {bound}.", floor=True)


def unknown(rule: str, limit: Decimal, unit: str, what: str) -> Verdict:
    """A rule whose value nobody knows blocks."""
    sentence = f"{what} cannot be computed without a quote, so the order is blocked."
    return Verdict(rule, False, None, limit, unit, sentence)


def _measured(value: Decimal, limit: Decimal, unit: str) -> tuple[str, str]:
    """Both numbers with their unit, with as many decimals as it takes to see which is larger."""
    places = 0 if unit in _WHOLE else telling(value, limit, 2)
    return measure(value, unit, places), measure(limit, unit, places)


def measure(value: Decimal, unit: str, places: int = 2) -> str:
    """A number with its unit, for a sentence."""
    number = short(value, places)
    if unit == "ratio":
        return number
    return f"{number} {_WHOLE.get(unit, unit) if value == 1 else unit}"
