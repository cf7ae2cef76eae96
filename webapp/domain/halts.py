"""Why a desk halts itself, and what ends each cause.

A cause that is a *state* (quotes are missing, the books do not add up) is looked at all the time: a release while it
lasts is followed by a halt of its own. One that was a *moment* (a price jumped, an engine fell silent) is over once it
was acted on: after a release only the next one halts. Either way one cause makes one event for each release.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from webapp.domain.anomaly import PRICE_ANOMALY
from webapp.domain.errors import OutOfRange
from webapp.domain.market import Tick
from webapp.domain.money import short
from webapp.domain.records import Breach
from webapp.domain.wire import timestamp

ACTOR = "risk-engine"
"""Who signs a halt that no person asked for."""
STALE_MARKET_DATA = "STALE_MARKET_DATA"
MAX_DRAWDOWN = "MAX_DRAWDOWN"
ENGINE_LOST = "ENGINE_LOST"
BOOKS_BROKEN = "BOOKS_BROKEN"
AUDIT_BROKEN = "AUDIT_BROKEN"
OUT_OF_RANGE = "OUT_OF_RANGE"


@dataclass(frozen=True)
class Cause:
    """One of the desk's own reasons. ``lasts``: it is a state, and halts again for as long as it is there.

    ``subject`` names what is watched, ``title`` what happened to it.
    """

    code: str
    subject: str
    title: str
    trips: str
    clears: str
    lasts: bool


CAUSES: Mapping[str, Cause] = {
    cause.code: cause
    for cause in (
        Cause(
            STALE_MARKET_DATA,
            "Quotes",
            "Quotes are missing",
            "A symbol of the feed, one that is held or one that an order waits for has had no quote for too long.",
            "A new quote of that symbol. Released while the limit is passed, the desk halts again within a second.",
            lasts=True,
        ),
        Cause(
            PRICE_ANOMALY,
            "Price moves",
            "A price jumped",
            "Two quotes in a row lie too far from the high or the low of their window, on the same side of it.",
            "Somebody who knows why the price moved. It was a moment: after the release the window begins anew.",
            lasts=False,
        ),
        Cause(
            MAX_DRAWDOWN,
            "Drawdown",
            "The drawdown reached its limit",
            "NAV fell too far below its highest value since the last release.",
            "A new base for the drawdown, chosen at the release, or a wider limit. With the old base the desk halts "
            "again within a second.",
            lasts=True,
        ),
        Cause(
            ENGINE_LOST,
            "Engine",
            "The engine fell silent",
            "The engine completed no step for too long; the web server watches it.",
            "An engine that runs again, or the decision to trade without one: the same silence does not halt twice. "
            "An engine that begins anew and completes no step is lost anew.",
            lasts=False,
        ),
        Cause(
            BOOKS_BROKEN,
            "Books",
            "The books do not add up",
            "Positions, cash or NAV do not follow from the fills.",
            "`flask --app wsgi books rebuild`, then the next check, within half a minute. Released before it passes, "
            "the desk halts again within a second.",
            lasts=True,
        ),
        Cause(
            AUDIT_BROKEN,
            "Audit",
            "The audit was edited",
            "A row of the audit was changed, removed or slipped in.",
            "The database restored from a copy that `flask --app wsgi audit verify` finds whole. Nothing trades on an "
            "edited audit: after a release the desk halts again within a second.",
            lasts=True,
        ),
        Cause(
            OUT_OF_RANGE,
            "Amounts",
            "An amount did not fit",
            "A quote would have made what is held worth more than ten digits before the point; it was refused.",
            "A right quote. It was a moment: the wrong one was not stored, and only another one like it halts again.",
            lasts=False,
        ),
    )
}


def cause_of(actor: str | None, reason: str | None) -> tuple[Cause, str] | None:
    """The cause that an event names and its evidence; None for a person's halt, and for what no cause is known of."""
    code, colon, evidence = (reason or "").partition(": ")
    cause = CAUSES.get(code)
    return (cause, evidence) if actor == ACTOR and colon and cause is not None else None


def unvaluable(tick: Tick, error: OutOfRange) -> Breach:
    """The breach of a quote at which what is held would not fit the schema: it is refused, and acted on."""
    quote = f"{tick.symbol} at a mid of {short(tick.mid_price, 8)}, {timestamp(tick.event_at)}"
    return Breach(OUT_OF_RANGE, f"the book cannot be valued: {quote}: {error.message}")
