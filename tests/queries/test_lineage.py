"""One order and one cycle, told whole: by the core's own rows, and by rows that another program wrote."""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from tests import builders
from webapp.domain.market import Tick
from webapp.domain.orders import Proposal, Side
from webapp.queries.lineage import OrderStory, cycle_story, order_story
from webapp.services import market, trading
from webapp.services.trading import CycleRequest

NOON = builders.NOON


def run(session: Session, qty: str = "2", side: Side = Side.BUY, limit: str | None = None, minute: int = 0) -> dict:
    at = NOON + timedelta(minutes=minute)
    market.accept(session, [Tick("SOL-USDC", Decimal("99.99"), Decimal("100.01"), at)], "test", at)
    proposal = Proposal(
        side, Decimal(qty), Decimal("0.9"), None if limit is None else Decimal(limit), payload={"why": "test"}
    )
    return trading.run_cycle(session, CycleRequest("SOL-USDC", "test", proposal), "test", at).document


def told(session: Session, document: dict) -> OrderStory:
    details = document["error"]["details"] if "error" in document else document["order"]
    story = order_story(session, details["order_id"])
    assert story is not None
    return story


def test_an_executed_order_is_told_from_its_signal_to_the_book_after_it(session: Session) -> None:
    story = told(session, run(session))
    assert story.signal["strategy_payload"] == {"why": "test"}
    assert story.cycle is not None
    assert story.cycle["outcome"] == "executed"
    assert story.tick is not None
    assert (story.tick["bid_price"], story.tick["ask_price"]) == (Decimal("99.99"), Decimal("100.01"))
    assert story.decision is not None
    assert story.decision["action"] == "allowed"
    assert len(story.rules) == 17
    assert [step["to_status"] for step in story.transitions] == ["proposed", "approved", "executed"]
    (fill,) = story.fills
    assert fill.quoted_price == Decimal("100.01")
    assert fill.fill["fill_price"] == Decimal("100.030002")
    assert fill.notional == Decimal("200.060004")
    assert fill.cash_change == -(Decimal("200.060004") + fill.fill["fee"])
    assert story.before is not None
    assert story.after is not None
    assert (story.before.position_qty, story.after.position_qty) == (0, 2)
    assert story.after.cash == story.before.cash + fill.cash_change
    assert story.before.nav == 10_000


def test_a_sale_brings_cash_in_at_the_bid(session: Session) -> None:
    run(session)
    (fill,) = told(session, run(session, "2", Side.SELL, minute=2)).fills
    assert fill.quoted_price == Decimal("99.99")
    assert fill.cash_change == fill.notional - fill.fill["fee"]


def test_a_rejected_order_shows_the_rule_that_bound_and_all_the_others(session: Session) -> None:
    story = told(session, run(session, "60"))
    assert story.order["status"] == "rejected"
    assert story.decision is not None
    assert story.decision["rule"] == story.order["risk_reason"] == "MAX_ORDER_NOTIONAL"
    binding = [rule for rule in story.rules if rule["binding"]]
    assert [rule["rule"] for rule in binding] == ["MAX_ORDER_NOTIONAL"]
    assert {event["rule"] for event in story.risk_events} >= {"MAX_ORDER_NOTIONAL", "MAX_POSITION_NOTIONAL"}
    assert (story.fills, story.before, story.after) == ([], None, None)


def test_a_resting_order_has_no_fills_yet(session: Session) -> None:
    story = told(session, run(session, limit="98"))
    assert story.order["status"] == "approved"
    assert story.fills == []


def test_a_cycle_tells_its_orders(session: Session) -> None:
    document = run(session)
    story = cycle_story(session, document["cycle_id"])
    assert story is not None
    assert story.cycle is not None
    assert [signal["side"] for signal in story.signals] == ["buy"]
    assert [str(order.order["order_id"]) for order in story.orders] == [document["order"]["order_id"]]
    assert story.tick == story.orders[0].tick


def test_a_cycle_in_which_nothing_was_proposed_is_told_too(session: Session) -> None:
    document = trading.run_cycle(session, CycleRequest("SOL-USDC", "test"), "test", NOON).document
    story = cycle_story(session, document["error"]["details"]["cycle_id"])
    assert story is not None
    assert story.cycle is not None
    assert story.cycle["reason"] == "STALE_MARKET_DATA"
    assert (story.signals, story.orders, story.tick) == ([], [], None)


def test_rows_of_another_program_are_told_as_far_as_they_go(session: Session) -> None:
    order_id = builders.order(session, status="rejected", risk_reason="MAX_DRAWDOWN")
    builders.risk_event(session, order_id, "blocked", "MAX_DRAWDOWN", details={"rules": "no list"})
    filled = builders.order(session)
    builders.fill(session, filled)
    rejected, executed = order_story(session, order_id), order_story(session, filled)
    assert rejected is not None
    assert executed is not None
    assert rejected.decision is not None
    assert (rejected.rules, rejected.cycle, rejected.tick) == ([], None, None)
    assert executed.fills[0].notional == 100
    assert executed.fills[0].quoted_price is None
    assert (executed.before, executed.after) == (None, None)
    story = cycle_story(session, executed.order["cycle_id"])
    assert story is not None
    assert story.cycle is None
    assert len(story.orders) == 1


def test_what_does_not_exist_has_no_story(session: Session) -> None:
    assert order_story(session, builders.new_id(NOON)) is None
    assert cycle_story(session, builders.new_id(NOON)) is None
