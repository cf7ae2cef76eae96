"""What came of a cycle, as a sentence with its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from math import ceil
from typing import Any, Final

from webapp.domain.moments import seconds
from webapp.web import filters

NOT_ASKED: Final = {
    "KILL_SWITCH_ACTIVE": "Nobody was asked: the desk was halted.",
    "STALE_MARKET_DATA": "Nobody was asked: there was no fresh quote.",
}


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the list: an outcome in words, and the cycles that came to it one after the other."""

    outcome: str
    text: str
    cycles: Sequence[Any]


def told_cycles(rows: Sequence[Any], now: datetime) -> list[Told]:
    """The list as people read it: cycles that decided the same nothing stand together."""
    lines = []
    for (outcome, text, _), group in groupby(rows, key=lambda row: (row["outcome"], told(row, now), row["order_id"])):
        lines.append(Told(outcome, text, list(group)))
    return lines


def told(row: Any, now: datetime) -> str:
    """One cycle in one sentence."""
    if row["outcome"] == "no_signal":
        return row["reason"] or "No signal: the strategy saw no reason to trade."
    if row["outcome"] == "blocked":
        return _refused(row, now)
    if row["side"] is None:
        return filters.words(row["outcome"])
    if row["filled_qty"] is None:
        return _waiting(row)
    verb = "bought" if row["side"] == "buy" else "sold"
    verb = f"Rested, then {verb}" if row["outcome"] == "resting" else verb.capitalize()
    done = f"{verb} {filters.qty(row['filled_qty'])} at {filters.price(row['filled_price'])} USDC"
    rest: Decimal = row["qty"] - row["filled_qty"]
    return f"{done}." if not rest or row["status"] != "approved" else f"{done}; {filters.qty(rest)} still rests."


def _refused(row: Any, now: datetime) -> str:
    rule = row["risk_reason"] or row["reason"]
    if row["side"] is None:
        return NOT_ASKED.get(rule, f"Blocked by {_rule(rule)}.")
    what = f"{row['side'].capitalize()} {filters.qty(row['qty'])} blocked"
    refusal = row["refusal"] or {}
    if rule == "COOLDOWN_SECONDS" and refusal.get("retry_at"):
        return f"{what}: {_cooldown(refusal, now)}"
    sentence = refusal.get("sentence")
    return f"{what}: {_within(sentence)}" if sentence else f"{what} by {_rule(rule)}."


def _cooldown(refusal: Mapping[str, Any], now: datetime) -> str:
    """Told as of now, because the sentence of then would promise a moment that may be over."""
    limit, left = Decimal(refusal["limit"]), seconds(filters.moment(refusal["retry_at"]) - now)
    runs, left = ("has", left) if left > 0 else ("had", limit - Decimal(refusal["value"]))
    return f"the cooldown of {filters.qty(limit)} s {runs} {ceil(left)} s left."


def _within(sentence: str) -> str:
    """A sentence as the second half of another; names keep their capitals."""
    return sentence[0].lower() + sentence[1:] if sentence.startswith(("A ", "The ")) else sentence


def _rule(code: str | None) -> str:
    return filters.words(code).lower() if code else "a rule that is not recorded"


def _waiting(row: Any) -> str:
    limit = "" if row["limit_price"] is None else f" at {filters.price(row['limit_price'])} USDC"
    what = f"{row['side']} {filters.qty(row['qty'])}{limit}"
    if row["status"] == "canceled":
        return f"Canceled unfilled: {what}."
    return f"Resting: {what}." if row["status"] == "approved" else filters.words(row["status"]) + f": {what}."
