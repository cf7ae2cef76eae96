"""One order as its own page and its cycle's page tell it: read once, worked out here, only drawn by the templates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from markupsafe import Markup

from webapp.domain.money import exact
from webapp.extensions import db
from webapp.pages import candle_chart, stages, telling
from webapp.pages.arithmetic import Explained, explain
from webapp.pages.candle_chart import CandleChart
from webapp.pages.rulings import Ruling, nearest, rulings
from webapp.pages.stages import Stage
from webapp.queries import surroundings
from webapp.queries.lineage import OrderStory
from webapp.queries.surroundings import Rulebook
from webapp.web import filters
from webapp.web.htmx import version_of

OPEN: Final = ("proposed", "approved")
REDRAW_SECONDS: Final = 15


@dataclass(frozen=True)
class BookRow:
    """One figure of the book on either side of an order's fills; `shown` is both and the change as they read."""

    name: str
    before: Decimal | None
    after: Decimal | None
    change: Decimal | None
    shown: tuple[str, str, str]


@dataclass(frozen=True)
class Told:
    """An order's story with everything that is said about it."""

    story: OrderStory
    outcome: Markup
    stages: list[Stage]
    rulings: list[Ruling]
    nearest: Ruling | None
    fills: list[Explained]
    book: list[BookRow]
    rules: Rulebook
    chart: CandleChart | None
    version: str
    """Changes when anything of it has to be drawn again: the quote of now makes a resting one's words old."""

    @property
    def open(self) -> bool:
        """Whether something can still happen to it."""
        return self.story.order["status"] in OPEN


def tell(story: OrderStory) -> Told:
    """Work out what is said of an order; a resting one is told by the quote of now."""
    session = db.session()
    order = story.order
    rules = surroundings.rulebook(session, story.cycle)
    market: Any = surroundings.market_now(session, order["symbol"]) if order["status"] in OPEN else None
    if market is not None:
        filters.measure_ages_at(market["now"])
    found = rulings(story.rules, order["qty"])
    return Told(
        story=story,
        outcome=telling.outcome(story, found, rules, market),
        stages=stages.stages(story, found),
        rulings=found,
        nearest=nearest(found),
        fills=[explain(part, order["limit_price"]) for part in story.fills],
        book=list(book(story)),
        rules=rules,
        chart=candle_chart.around(story, filters.page_now()),
        version=version_of(story, market and int(market["now"].timestamp()) // REDRAW_SECONDS),
    )


def book(story: OrderStory) -> Iterator[BookRow]:
    """Position, cost, cash and NAV before the first fill and after the last; nothing where it was not recorded."""
    before, after = story.before, story.after
    if before is None or after is None:
        return
    yield _row(f"Position, {story.order['symbol']}", before.position_qty, after.position_qty, filters.qty)
    entry = _row("Average entry, USDC", before.avg_entry, after.avg_entry, filters.price)
    # What is not held has no entry, and from nothing to a price is no change worth a number.
    both = before.position_qty and after.position_qty
    yield entry if both else replace(entry, shown=(*entry.shown[:2], filters.NOTHING))
    yield _row("Cash, USDC", before.cash, after.cash, filters.money)
    yield _row("NAV, USDC", before.nav, after.nav, filters.money)


@exact
def _row(name: str, before: Decimal | None, after: Decimal | None, show: Callable[[Decimal | None], str]) -> BookRow:
    change = None if before is None or after is None else after - before
    moved = f"+{show(change)}" if change is not None and change > 0 else show(change)
    return BookRow(name, before, after, change, (show(before), show(after), moved))
