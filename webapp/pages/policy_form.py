"""The policy as a form: what stands in it, what was typed, what a change means, and whose change came between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from werkzeug.datastructures import MultiDict

from webapp.domain.policy import FIELDS, Field, Policy
from webapp.domain.policy_sense import direction
from webapp.domain.risk.hindsight import Hindsight
from webapp.queries.decisions import MOST
from webapp.web.filters import NOTHING, number, percent, qty, words

GROUPS: Final = (
    ("Size", "How large an order, a position and all of them together may be.",
     ("max_order_notional", "max_position_notional", "max_gross_exposure", "max_open_positions", "allow_short")),
    ("Loss", "How much may be lost before nothing more is let through, or everything is halted.",
     ("max_loss_per_trade", "max_daily_loss", "max_drawdown")),
    ("Pace and quality", "How often, how sure, and how near the market a proposal must be.",
     ("cooldown_seconds", "max_trades_per_hour", "max_trades_per_day", "min_confidence", "min_price_move_5m_pct",
      "price_collar_pct")),
    ("Quotes and halts", "When a quote is too old to trade on, and what halts the desk by itself.",
     ("stale_after_seconds", "auto_halt_stale_seconds", "anomaly_window_seconds", "anomaly_warn_pct",
      "anomaly_halt_pct")),
    ("Costs and fills", "What a simulated fill costs, and how long an order waits for one.",
     ("starting_cash", "slippage_bps", "fee_bps", "max_fill_notional", "order_ttl_seconds")),
)  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One limit before and after, as they read; `way` is `looser`, `tighter` or empty."""

    name: str
    field: Field
    before: str
    after: str
    relative: str
    way: str


@dataclass(frozen=True)
class Meanwhile:
    """A limit that somebody else changed while the form was open; `mine` only where it was typed over too."""

    field: Field
    name: str
    was: str
    now: str
    mine: str | None


def shown(value: Any) -> str:
    """A value of the policy as its input holds it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def texts(policy: Policy) -> dict[str, str]:
    """Every field as its input holds it."""
    return {name: shown(value) for name, value in policy.to_document().items()}


def readings(policy: Policy) -> dict[str, str]:
    """Every field with its unit, as a sentence would have it."""
    return {name: readable(value, FIELDS[name]) for name, value in policy.to_document().items()}


def typed(form: MultiDict[str, str]) -> dict[str, str]:
    """The fields that were sent, trimmed. A checkbox is sent after its hidden `no`."""
    return {name: form.getlist(name)[-1].strip() for name in FIELDS if name in form}


def document(texts_: Mapping[str, str], base: Policy) -> dict[str, Any]:
    """A policy's document with the texts in place of what `base` has."""
    return base.to_document() | {name: _value(name, text) for name, text in texts_.items()}


def _value(name: str, text: str) -> Any:
    if FIELDS[name].kind == "flag":
        return text == "yes"
    return None if text == "" and FIELDS[name].nullable else text


def changes(before: Policy, after: Policy) -> list[Change]:
    """What putting `after` in force would change, in the form's order."""
    return described(before.difference(after))


def described(difference: Mapping[str, Any]) -> list[Change]:
    """A stored or a planned difference in words; one that another program wrote may name other fields."""
    order = [name for _, _, names in GROUPS for name in names]
    known = [name for name in order if name in difference]
    others = [name for name in difference if name not in order]
    return [_change(name, *_pair(difference[name])) for name in [*known, *others]]


def _pair(value: Any) -> tuple[Any, Any]:
    return (value[0], value[1]) if isinstance(value, list) and len(value) == 2 else (None, value)


def _change(name: str, before: Any, after: Any) -> Change:
    field = FIELDS.get(name) or Field(words(name), "", "amount", Decimal(0), Decimal(0), "")
    old, new = _number(before), _number(after)
    relative = percent(new / old - 1, 1, plus=True) if old and new is not None and field.kind != "flag" else NOTHING
    way = direction(name, old, new)
    return Change(name, field, readable(before, field), readable(after, field), relative, way)


def readable(value: Any, field: Field) -> str:
    """A value with its unit, as a sentence would have it."""
    if value is None:
        return "no bound"
    if isinstance(value, bool):
        return "yes" if value else "no"
    amount = _number(value)
    text = str(value) if amount is None else qty(amount)
    unit = "" if field.unit in ("ratio", "") else f"\u00a0{field.unit}"
    return f"{text}{unit}"


def _number(value: Any) -> Decimal | None:
    try:
        return None if value is None else Decimal(int(value) if isinstance(value, bool) else value)
    except (InvalidOperation, TypeError, ValueError):
        return None


def merge(mine: Mapping[str, str], base: Policy, current: Policy) -> tuple[dict[str, str], list[Meanwhile]]:
    """The form after somebody else's version came between: their changes, and one's own where one made any.

    What was not touched takes their value, or saving would quietly undo it; what both changed stays as typed and is
    told.
    """
    was, now = texts(base), texts(current)
    merged, told = dict(now), []
    for name in FIELDS:
        own = mine.get(name, was[name])
        changed = not _same(own, was[name])
        if changed:
            merged[name] = own
        if not _same(was[name], now[name]):
            both = changed and not _same(own, now[name])
            told.append(Meanwhile(FIELDS[name], name, was[name], now[name], own if both else None))
    return merged, told


def _same(one: str, other: str) -> bool:
    first, second = _number(one), _number(other)
    return one == other if first is None or second is None else first == second


def hindsight_words(seen: Hindsight, span_hours: int = 24) -> str:
    """What the draft would have made of the last day, in a sentence; empty where nothing was judged."""
    if not seen.judged:
        return ""
    cut = "newest " if seen.judged == MOST else ""
    orders = f"Of the {cut}{number(seen.judged, 0)} orders judged in the last {span_hours} hours"
    more, fewer = seen.blocked.total(), seen.freed.total()
    if not more and not fewer:
        return f"{orders}, every one would have had the same outcome."
    parts = []
    if more:
        parts.append(f"{number(more, 0)} more would have been blocked ({_by(seen.blocked.most_common())})")
    if fewer:
        parts.append(f"{number(fewer, 0)} that were blocked would have passed ({_by(seen.freed.most_common())})")
    return f"{orders}, {' and '.join(parts)}."


def _by(counted: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{number(count, 0)} by {words(rule).lower()}" for rule, count in counted)
