"""The switch over the API: a receipt that proves itself, and the base of the drawdown after a release."""

from decimal import Decimal

from sqlalchemy.orm import Session

from tests.api.conftest import Bot, refused
from webapp.services import audit


def test_receipt_of_a_halt_names_the_audit_head_and_how_long_it_took(bot: Bot, session: Session) -> None:
    bot.quote()
    bot.trade()
    receipt = bot.post("/kill-switch", {"enabled": True, "reason": "drill"}).json
    assert (receipt["cut_off"], receipt["already"]) == (0, False)
    assert receipt["took_ms"] >= receipt["waited_ms"] >= 0
    assert receipt["last_fill_at"] < receipt["changed_at"]
    assert audit.verify(session, audit.Head.parse(receipt["audit_head"])).ok


def test_release_may_keep_the_peak_that_drawdown_counts_from(bot: Bot) -> None:
    bot.quote()
    bot.trade()
    for base, kept in (("peak", True), ("nav", False)):
        bot.post("/kill-switch", {"enabled": True})
        receipt = bot.post("/kill-switch", {"enabled": False, "reason": "go on", "drawdown_base": base}).json
        assert receipt["kept_peak"] is kept
        assert (Decimal(receipt["peak_nav"]) == 10_000) is kept


def test_unknown_base_of_the_drawdown_releases_nothing(bot: Bot) -> None:
    bot.post("/kill-switch", {"enabled": True})
    body = {"enabled": False, "reason": "go on", "drawdown_base": "zero"}
    refused(bot.post("/kill-switch", body), 400, "BAD_REQUEST", "drawdown_base")
    assert bot.get("/kill-switch").json["enabled"] is True
