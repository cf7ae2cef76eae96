"""What one rule says of one order."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from webapp.domain.money import CONTEXT, ZERO, plain, telling
from webapp.domain.wire import timestamp

WARN_FROM = Decimal("0.8")
_STORED_PLACES = 8


@dataclass(frozen=True)
class Verdict:
    """``value`` measured against ``limit`` in ``unit``; None where the rule could not be computed, which blocks.

    ``floor`` tells a least value (a cooldown, a confidence) from a greatest one. ``applies`` is False where an order
    that only reduces a position is exempt. ``retry_at`` is when it could pass, where time alone can mend it.
    """

    rule: str
    ok: bool
    value: Decimal | None
    limit: Decimal | None
    unit: str
    sentence: str
    applies: bool = True
    floor: bool = False
    retry_at: datetime | None = None

    @property
    def headroom(self) -> Decimal | None:
        """How much is left until the rule blocks, in its unit; below zero when it does."""
        if self.value is None or self.limit is None:
            return None
        return CONTEXT.subtract(self.value, self.limit) if self.floor else CONTEXT.subtract(self.limit, self.value)

    @property
    def usage(self) -> Decimal | None:
        """The part of a greatest value that is used, 1 being all of it; None for least values and limits of zero."""
        if self.floor or self.value is None or not self.limit:
            return None
        part = CONTEXT.divide(max(self.value, Decimal(0)), self.limit)
        return part.quantize(Decimal("0.0001"), rounding=ROUND_DOWN, context=CONTEXT)

    @property
    def warns(self) -> bool:
        """Whether the order passed but used 80 % or more of this limit."""
        return self.ok and self.applies and self.usage is not None and self.usage >= WARN_FROM

    def document(self, *, binding: bool = False) -> dict[str, Any]:
        """The verdict as JSON, numbers as strings."""
        return {
            "rule": self.rule,
            "ok": self.ok,
            "applies": self.applies,
            "value": _text(self.value, self.limit),
            "limit": _text(self.limit, self.value),
            "unit": self.unit,
            "headroom": _text(self.headroom, ZERO),
            "usage": None if self.usage is None else plain(self.usage),
            "binding": binding,
            "sentence": self.sentence,
            "retry_at": None if self.retry_at is None else timestamp(self.retry_at),
        }


def _text(value: Decimal | None, other: Decimal | None) -> str | None:
    """Plain digits: what a product has beyond 8 decimals is rounded away unless it decides against ``other``.

    Without zeros at the end, so that it does not tell whether an amount comes from memory or from a column.
    """
    if value is None:
        return None
    places = _STORED_PLACES if other is None else telling(value, other, _STORED_PLACES)
    return plain(CONTEXT.quantize(value, Decimal(1).scaleb(-places)).normalize(CONTEXT))
