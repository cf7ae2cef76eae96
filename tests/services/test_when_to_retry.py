"""The moment that a refusal names: repeated then it passes, a microsecond earlier it does not, sooner it never will."""

from datetime import datetime

from sqlalchemy.orm import Session

from tests.services.desks import BOT, NOON, SOL, cycle, limits, quote, take, wish
from webapp.services import trading
from webapp.services.trading import CycleRequest, CycleResult

MOMENT = 0.000001


def refused(answer: CycleResult) -> dict[str, object]:
    assert answer.status_code == 409
    return answer.document["error"]["details"]


def seconds(moment: object) -> float:
    return (datetime.fromisoformat(str(moment)) - NOON).total_seconds()


def test_refused_cycle_passes_at_the_moment_it_was_told_and_not_before(session: Session) -> None:
    """The cooldown would end after a minute, the hour's trades after an hour: the later one is what helps."""
    limits(session, stale_after_seconds=86_400, auto_halt_stale_seconds=86_400, max_trades_per_hour=1)
    take(session, quote(100))
    assert cycle(session, at=0).status_code == 202
    details = refused(cycle(session, at=10))
    rules = {rule["rule"]: rule for rule in details["rules"]}
    assert (details["rule"], seconds(rules["COOLDOWN_SECONDS"]["retry_at"])) == ("COOLDOWN_SECONDS", 60)
    assert seconds(details["retry_at"]) == 3600
    assert refused(cycle(session, at=3600 - MOMENT))["rule"] == "MAX_TRADES_PER_HOUR"
    assert cycle(session, at=3600).status_code == 202


def test_refusal_that_waiting_does_not_mend_names_no_moment_in_the_answer_and_in_the_check(session: Session) -> None:
    take(session, quote(100))
    cycle(session, at=0)
    details = refused(cycle(session, at=1, confidence="0.1"))
    assert (details["rule"], details["retry_at"]) == ("COOLDOWN_SECONDS", None)
    request = CycleRequest(SOL, "test", wish("buy", 1, confidence="0.1"))
    checked = trading.check(session, request, BOT, NOON)
    assert (checked["rule"], checked["retry_at"]) == ("COOLDOWN_SECONDS", None)
    sure = trading.check(session, CycleRequest(SOL, "test", wish("buy", 1)), BOT, NOON)
    assert seconds(sure["retry_at"].isoformat()) == 60
