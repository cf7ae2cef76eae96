"""The way of a cycle in one line: the quote, what was said, the gate, the order, its fills, the book."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from webapp.domain.money import exact
from webapp.pages.rulings import Ruling, nearest, share_text
from webapp.pages.telling import AT_ONCE, lapse
from webapp.queries.lineage import OrderStory
from webapp.web.filters import fee, price, qty, signed, words

NAMES = ("Quote", "Signal", "Gate", "Order", "Fills", "Book")


@dataclass(frozen=True)
class Stage:
    """One station. `tone` is `good`, `bad`, `wait` or `none` where the way ended before it."""

    name: str
    tone: str
    headline: str
    note: str = ""


def stages(story: OrderStory, found: Sequence[Ruling]) -> list[Stage]:
    """How far an order came."""
    return [
        quote(story.tick, story.cycle["created_at"] if story.cycle else story.order["created_at"]),
        said(story.signal, story.cycle),
        gate(story, found),
        order(story),
        fills(story),
        book(story),
    ]


def silent(cycle: Any, tick: Any) -> list[Stage]:
    """The way of a cycle that led to no order: it ends where nothing was said, or before anybody was asked."""
    first = quote(tick, cycle["created_at"])
    if cycle["outcome"] == "blocked":
        gate_ = Stage("Gate", "bad", "blocked", words(cycle["reason"] or "").lower())
        return [first, Stage("Signal", "none", "not asked"), gate_, *nothing(NAMES[3:])]
    return [first, Stage("Signal", "wait", "no trade", cycle["strategy"] or ""), *nothing(NAMES[2:])]


def nothing(names: Sequence[str]) -> list[Stage]:
    """Stations that were never reached."""
    return [Stage(name, "none", "–") for name in names]


def quote(tick: Any, decided_at: Any) -> Stage:
    """What could be seen."""
    if tick is None:
        return Stage("Quote", "bad", "none", "nothing to decide on")
    old = max(decided_at - tick["event_at"], decided_at - decided_at)
    return Stage("Quote", "good", price(tick["mid_price"]), f"{lapse(old)} old, {tick['spread_bps']} bps wide")


def said(signal: Any, cycle: Any) -> Stage:
    """What was proposed, and by whom."""
    by = "" if cycle is None else cycle["strategy"] or cycle["actor"]
    sure = f"confidence {qty(signal['confidence'])}"
    return Stage("Signal", "good", signal["side"], f"{sure}, {by}" if by else sure)


def gate(story: OrderStory, found: Sequence[Ruling]) -> Stage:
    """How many rules let it pass, and which came nearest."""
    blocked = [ruling for ruling in found if not ruling.ok]
    if story.order["status"] == "rejected":
        count = f"{len(blocked)} of {len(found)} block{'s' if len(blocked) == 1 else ''}" if found else "blocked"
        return Stage("Gate", "bad", count, words(story.order["risk_reason"] or "").lower())
    if not found:
        return Stage("Gate", "none", "not recorded")
    tight = nearest(found)
    note = "" if tight is None else f"nearest: {words(tight.rule).lower()}, {share_text(tight)}"
    return Stage("Gate", "good", f"all {len(found)} pass", note)


def order(story: OrderStory) -> Stage:
    """Its state, and how long it took to get there."""
    status = story.order["status"]
    tone = {"executed": "good", "approved": "wait", "proposed": "wait"}.get(status, "bad")
    note = ""
    if status in ("executed", "canceled") and story.transitions:
        lasted = story.ended_at - story.order["created_at"]
        note = "at once" if lasted < AT_ONCE else f"after {lapse(lasted)}"
    return Stage("Order", tone, "resting" if status == "approved" else status, note)


@exact
def fills(story: OrderStory) -> Stage:
    """How much of it filled."""
    filled, asked = story.filled_qty, story.order["qty"]
    if not filled:
        waits = story.order["status"] == "approved"
        return Stage("Fills", "wait" if waits else "none", "none yet" if waits else "none")
    notional = sum((part.notional for part in story.fills), Decimal(0))
    fees = sum((part.fill["fee"] for part in story.fills), Decimal(0))
    amount = qty(filled) if filled == asked else f"{qty(filled)} of {qty(asked)}"
    return Stage("Fills", "good", f"{amount} at {price(notional / filled)}", f"fee {fee(fees)} USDC")


@exact
def book(story: OrderStory) -> Stage:
    """What it did to the position and to NAV."""
    if story.before is None or story.after is None:
        return Stage("Book", "none", "not recorded" if story.fills else "as it was")
    moved = f"{qty(story.before.position_qty)} → {qty(story.after.position_qty)}"
    known = story.before.nav is not None and story.after.nav is not None
    change = (
        story.after.nav - story.before.nav if story.before.nav is not None and story.after.nav is not None else None
    )
    return Stage("Book", "good", moved, f"NAV {signed(change)} USDC" if known else "")
