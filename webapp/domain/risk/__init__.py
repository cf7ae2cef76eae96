"""The risk gate: every rule is evaluated for every order, each with its value and limit; the first that fails binds."""

from webapp.domain.risk.context import RiskContext
from webapp.domain.risk.gate import ALL_RULES, EVENT_RULES, Judgement, evaluate, risk_events
from webapp.domain.risk.rules import RULE_CODES, RULES
from webapp.domain.risk.verdict import Verdict

__all__ = [
    "ALL_RULES",
    "EVENT_RULES",
    "RULES",
    "RULE_CODES",
    "Judgement",
    "RiskContext",
    "Verdict",
    "evaluate",
    "risk_events",
]
