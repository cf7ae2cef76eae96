"""What became of an order, in one plain sentence with its numbers, and where it is expected to go from here."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from markupsafe import Markup

from webapp.domain.moments import MINUTE
from webapp.domain.money import HUNDRED, exact
from webapp.pages.rulings import Ruling
from webapp.queries.lineage import OrderStory
from webapp.queries.surroundings import Rulebook
from webapp.web.filters import age, duration, fee, in_words, money, number, page_now, price, qty, sentence, when, words

AT_ONCE: Final = timedelta(seconds=1)
"""Within this an order counts as filled at once."""


def outcome(story: OrderStory, found: Sequence[Ruling], rules: Rulebook, market: Any) -> Markup:
    """The sentence at the head of an order's page. `market` is the quote of now, for an order that still rests."""
    status = story.order["status"]
    if status == "rejected":
        return refused(story, found)
    if status == "executed":
        return Markup("Filled in full, in {}.").format(bought(story))
    if status == "canceled":
        return canceled(story)
    if status == "approved":
        return Markup("{} {}").format(resting(story, rules, market), expiry(story, rules))
    return Markup("Proposed, and not yet judged.")


def refused(story: OrderStory, found: Sequence[Ruling]) -> Markup:
    """Which rule binds, with its numbers, and when or with what the order could pass."""
    blocking = [ruling for ruling in found if not ruling.ok]
    binding = next((ruling for ruling in blocking if ruling.binding), None)
    reason = story.order["risk_reason"]
    by = f" by {words(reason).lower()}" if reason else ""
    if binding is None:
        told = sentence(story.decision["details"]) if story.decision else ""
        return Markup("Refused{}. {}").format(by, told)
    others = [words(ruling.rule).lower() for ruling in blocking if ruling is not binding]
    also = Markup(" It was blocked by {} too.").format(listed(others)) if others else ""
    return Markup("Refused{}. {} {}{}").format(by, binding.sentence, way_out(blocking), also)


def way_out(blocking: Sequence[Ruling]) -> Markup:
    """When the order could pass if time alone can mend it, else what else it takes."""
    moments = [ruling.retry_at for ruling in blocking if ruling.retry_at is not None]
    if len(moments) == len(blocking):
        return Markup("It could pass from {}{}.").format(when(max(moments)), from_now(max(moments)))
    remedies = [ruling.remedy for ruling in blocking if ruling.remedy]
    return Markup("{}").format(remedies[0] if len(remedies) == 1 else "Waiting alone does not help.")


def from_now(at: datetime) -> str:
    """How far away a moment is, as an aside."""
    left = at - page_now()
    return f", in {duration(left)}" if left.total_seconds() >= 1 else ", which is over"


@exact
def bought(story: OrderStory) -> Markup:
    """How many fills, at which price on average, for how much."""
    fills = [part.fill for part in story.fills]
    if not fills:
        return Markup("fills that were not recorded")
    total = sum((fill["qty"] for fill in fills), Decimal(0))
    notional = sum((part.notional for part in story.fills), Decimal(0))
    fees = sum((fill["fee"] for fill in fills), Decimal(0))
    span = fills[-1]["filled_at"] - story.order["created_at"]
    soon = "at once" if span < AT_ONCE else f"{lapse(span)} after it was asked for"
    return Markup("{} fill{}: {} {} at {}{} for {} USDC and a fee of {} USDC, {}").format(
        len(fills), "" if len(fills) == 1 else "s", qty(total), story.order["symbol"],
        "" if len(fills) == 1 else "an average of ", price(notional / total), money(notional), fee(fees), soon,
    )  # fmt: skip


def canceled(story: OrderStory) -> Markup:
    """Who ended it and why, and what had filled by then."""
    last = story.transitions[-1] if story.transitions else None
    filled = story.filled_qty
    rest = "Nothing had filled." if not filled else f"{qty(filled)} of {qty(story.order['qty'])} had filled and stays."
    if last is None or last["to_status"] != "canceled":
        return Markup("Canceled. {}").format(rest)
    rested = lapse(last["created_at"] - story.order["created_at"])
    why = f": {in_words(last['reason'])}" if last["reason"] else ""
    return Markup("Canceled by {} after {}{}. {}").format(last["actor"], rested, why, rest)


@exact
def resting(story: OrderStory, rules: Rulebook, market: Any) -> Markup:
    """Why it has not filled yet."""
    order, limit = story.order, story.order["limit_price"]
    some = f"{qty(story.filled_qty)} of {qty(order['qty'])} have filled. " if story.filled_qty else ""
    if limit is None:
        most = rules.now.max_fill_notional
        why = "" if most is None else f", because one quote fills at most {money(most)} USDC"
        return Markup("{}The rest waits for the next quote{}.").format(some, why)
    side = "ask" if order["side"] == "buy" else "bid"
    waits = f"{some}Resting: it fills at {price(limit)} USDC once the {side} reaches it"
    quoted = market[f"{side}_price"]
    if quoted is None:
        return Markup("{}; there is no quote.").format(waits)
    away = abs(quoted - limit) / limit * HUNDRED
    where = f"the {side} is {price(quoted)}, {number(away, 2)} % {'above' if quoted > limit else 'below'}"
    if quoted == limit:
        where = f"the {side} is there now"
    return Markup("{}; {} ({}).").format(waits, where, age(market["event_at"]))


def expiry(story: OrderStory, rules: Rulebook) -> Markup:
    """When an order that rests is canceled."""
    at = rules.expires_at(story.order["created_at"])
    if at <= page_now():
        return Markup("Its lifetime was over {}; the engine cancels it.").format(when(at))
    return Markup("It expires {}{}.").format(when(at), from_now(at))


def lapse(span: timedelta) -> str:
    """A span that may be short: 420 ms, 12.3 s, then as `duration` has it."""
    seconds = max(span.total_seconds(), 0)
    if seconds < 1:
        return f"{seconds * 1000:.0f}\u00a0ms"
    return f"{seconds:.1f}\u00a0s" if seconds < MINUTE else duration(span)


def listed(names: Sequence[str]) -> str:
    """a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
