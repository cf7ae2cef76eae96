"""A refusal says what to do next: by time where time alone mends it, else by what would have to change."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from webapp.domain.risk.advice import AGAIN, next_step
from webapp.domain.risk.gate import Judgement
from webapp.domain.risk.rules import RULE_CODES
from webapp.domain.risk.verdict import Verdict

LATER = datetime(2026, 3, 2, 12, 0, 23, tzinfo=UTC)
WAITING = {
    *("KILL_SWITCH_ACTIVE", "MAX_DRAWDOWN", "MAX_DAILY_LOSS", "MAX_TRADES_PER_HOUR", "MAX_TRADES_PER_DAY"),
}
"""Rules that no other proposal of an entry would get past."""


def verdict(rule: str, ok: bool = False, retry_at: datetime | None = None) -> Verdict:
    return Verdict(rule, ok, Decimal(2), Decimal(1), "USDC", "A sentence.", retry_at=retry_at)


@pytest.mark.parametrize("rule", RULE_CODES)
def test_every_rule_has_a_way_on_and_only_a_new_key_leads_it(rule: str) -> None:
    told = next_step(Judgement((verdict(rule),)))
    assert told is not None
    assert told.endswith(".")
    assert (AGAIN in told) == (rule not in WAITING)


def test_where_time_alone_mends_it_the_moment_is_the_advice() -> None:
    told = next_step(Judgement((verdict("COOLDOWN_SECONDS", retry_at=LATER), verdict("MAX_DRAWDOWN", ok=True))))
    assert told == f"Propose it again {AGAIN} from 2026-03-02T12:00:23Z on."


def test_time_is_no_advice_while_something_else_blocks_too() -> None:
    both = Judgement((verdict("MAX_ORDER_NOTIONAL"), verdict("COOLDOWN_SECONDS", retry_at=LATER)))
    assert "smaller quantity" in (next_step(both) or "")


def test_what_passes_needs_no_advice() -> None:
    assert next_step(Judgement((verdict("MAX_DRAWDOWN", ok=True),))) is None
