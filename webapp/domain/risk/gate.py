"""Judging an order: all rules, the binding one, and what the audit keeps of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from webapp.domain.anomaly import PRICE_ANOMALY
from webapp.domain.ids import TimeOrderedIds
from webapp.domain.records import RiskEventRow
from webapp.domain.risk.context import RiskContext
from webapp.domain.risk.rules import ENTRY_RULES, RULE_CODES, RULES
from webapp.domain.risk.verdict import Verdict

ALL_RULES = "ALL_RULES"
"""The rule of an ``allowed`` event: the order passed every one."""
EVENT_RULES = (*RULE_CODES, ALL_RULES, PRICE_ANOMALY)
"""What the rule of a risk event may be; the last warns that the price had just jumped."""


@dataclass(frozen=True)
class Judgement:
    """Every rule's verdict on one order, in the order in which they bind."""

    verdicts: tuple[Verdict, ...]

    @property
    def blocking(self) -> tuple[Verdict, ...]:
        """The verdicts that block, the binding one first."""
        return tuple(verdict for verdict in self.verdicts if not verdict.ok)

    @property
    def binding(self) -> Verdict | None:
        """The first verdict that blocks; None when the order may pass."""
        return next((verdict for verdict in self.verdicts if not verdict.ok), None)

    @property
    def retry_at(self) -> datetime | None:
        """The moment from which time alone lets the order pass; None when it passes, or something else must change."""
        moments = [verdict.retry_at for verdict in self.blocking]
        known = [moment for moment in moments if moment is not None]
        return max(known) if known and len(known) == len(moments) else None

    def documents(self) -> list[dict[str, Any]]:
        """All verdicts as JSON, the binding one marked."""
        binding = self.binding
        return [verdict.document(binding=verdict is binding) for verdict in self.verdicts]


def evaluate(ctx: RiskContext) -> Judgement:
    """Every rule on one order; entry rules do not apply to an order that only reduces a position."""
    exit_only = ctx.reduces
    return Judgement(tuple(_exempt(rule(ctx)) if exit_only else rule(ctx) for rule in RULES))


def _exempt(verdict: Verdict) -> Verdict:
    if verdict.rule not in ENTRY_RULES:
        return verdict
    sentence = f"Does not apply to an order that only reduces a position. {verdict.sentence}"
    return replace(verdict, ok=True, applies=False, sentence=sentence, retry_at=None)


def risk_events(
    judgement: Judgement, order_id: UUID, policy_version: int, ids: TimeOrderedIds, now: datetime
) -> Iterator[RiskEventRow]:
    """The audit of one judgement: one ``allowed`` and a ``warned`` per limit nearly used, or a ``blocked`` per rule.

    The first event carries every verdict, so that one row tells the whole decision.
    """
    binding = judgement.binding
    whole = {"policy_version": policy_version, "rules": judgement.documents()}
    if binding is None:
        details = {"sentence": f"All {len(judgement.verdicts)} rules let the order pass.", **whole}
        yield RiskEventRow(ids.next(now), order_id, "allowed", ALL_RULES, details, now)
        for verdict in judgement.verdicts:
            if verdict.warns:
                yield RiskEventRow(ids.next(now), order_id, "warned", verdict.rule, verdict.document(), now)
        return
    for verdict in judgement.blocking:
        details = verdict.document(binding=verdict is binding)
        if verdict is binding:
            details |= whole
        yield RiskEventRow(ids.next(now), order_id, "blocked", verdict.rule, details, now)
