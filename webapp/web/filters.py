"""Jinja filters: numbers, times and ids as people read them. Exact values travel beside them as `data-value`."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from flask import Flask, g
from markupsafe import Markup

from webapp.domain.money import exact as exactly
from webapp.domain.money import plain
from webapp.domain.wire import timestamp
from webapp.web.choices import shown_zone, visitor_zone, zone_word
from webapp.web.htmx import titles_follow

MINUS: Final = "\u2212"
NOTHING: Final = "\u2013"
NARROW_SPACE: Final = "\u202f"
TIME_STYLE: Final = "%d %b %H:%M:%S"
Number = Decimal | int


def exact(value: Number | None) -> str:
    """Every stored digit, never an exponent: what `data-value` carries."""
    if value is None:
        return ""
    return plain(value) if isinstance(value, Decimal) else str(value)


def _signed_text(value: Number, text: str, plus: bool) -> str:
    """`text` is the magnitude; a value that reads as zero has no sign."""
    if not any(digit in text for digit in "123456789"):
        return text
    if value < 0:
        return MINUS + text
    return "+" + text if plus else text


def number(value: Number | None, places: int = 2, plus: bool = False) -> str:
    """Grouped digits with a fixed number of decimals."""
    if value is None:
        return NOTHING
    return _signed_text(value, f"{abs(value):,.{places}f}", plus)


def money(value: Number | None) -> str:
    """USDC to the cent."""
    return number(value, 2)


def signed(value: Number | None) -> str:
    """USDC to the cent with its sign always shown; colour alone never carries the meaning."""
    return number(value, 2, plus=True)


def fee(value: Number | None) -> str:
    """Fees are often below a cent, so they keep four places."""
    return number(value, 4)


def price(value: Number | None) -> str:
    """More decimals for cheaper things: 61,234.50, 148.2310, 0.00001234."""
    if value is None:
        return NOTHING
    magnitude = abs(Decimal(value))
    if magnitude >= 1000:
        return number(value, 2)
    return number(value, 4) if magnitude >= 1 or magnitude == 0 else number(value, 8)


def qty(value: Number | None, least: int = 0) -> str:
    """Every digit that matters; `least` decimals even where they are zeros, so that a column's points stand in line."""
    if value is None:
        return NOTHING
    whole, _, decimals = f"{abs(Decimal(value)):,f}".partition(".")
    decimals = decimals.rstrip("0").ljust(least, "0")
    return _signed_text(value, f"{whole}.{decimals}" if decimals else whole, plus=False)


def percent(ratio: Number | None, places: int = 1, plus: bool = False) -> str:
    """A ratio (0.25) as a percentage (25.0 %)."""
    if ratio is None:
        return NOTHING
    return number(ratio * 100, places, plus) + NARROW_SPACE + "%"


def tone(value: Number | None) -> str:
    """CSS class of a gain, a loss or neither."""
    if value is None or value == 0:
        return "flat"
    return "gain" if value > 0 else "loss"


def utc(value: datetime) -> datetime:
    """Every stored time has a zone; shown times are UTC."""
    return value.astimezone(UTC)


def iso(value: datetime | None) -> str:
    """ISO-8601 in UTC with Z, microseconds only where there are any."""
    return "" if value is None else timestamp(value)


def _full(value: datetime) -> str:
    """The moment by UTC and, where the visitor's own clock reads differently, by that too."""
    whole = f"{utc(value):%Y-%m-%d %H:%M:%S} UTC"
    own = visitor_zone()
    return whole if own is None else f"{whole} = {value.astimezone(own):%d %b %H:%M:%S} {zone_word(value, own)}"


def clock(value: datetime, style: str = TIME_STYLE) -> str:
    """A moment by the clock this visitor chose, without its zone: for columns whose heading names it."""
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        iso(value), _full(value), value.astimezone(shown_zone()).strftime(style)
    )


def cell_time(value: datetime) -> str:
    """The same in a cell, which carries the exact moment itself."""
    if titles_follow():
        return value.astimezone(shown_zone()).strftime(TIME_STYLE)
    return Markup('<span title="{}">{}</span>').format(
        _full(value), value.astimezone(shown_zone()).strftime(TIME_STYLE)
    )


def when(value: datetime | None, style: str = TIME_STYLE) -> str:
    """A moment with its zone; the exact one is in `datetime`, both clocks' readings in the title."""
    if value is None:
        return NOTHING
    return clock(value, style) + Markup(" {}").format(zone_word(value, shown_zone()))


def duration(span: timedelta | Number | None) -> str:
    """The two largest units: 12 s, 3 min 5 s, 2 h 10 min, 4 d 3 h."""
    if span is None:
        return NOTHING
    total = int(span.total_seconds()) if isinstance(span, timedelta) else int(span)
    total = max(total, 0)
    days, rest = divmod(total, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    units = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
    first = next((index for index, (count, _) in enumerate(units) if count), 3)
    parts = [f"{count}\u00a0{unit}" for count, unit in units[first : first + 2] if count]
    return " ".join(parts) or "0\u00a0s"


def page_now() -> datetime:
    """One clock for a whole page, so that all its ages agree."""
    if "page_now" not in g:
        g.page_now = datetime.now(UTC)
    return g.page_now  # type: ignore[no-any-return]  # flask.g is untyped


def zone_now() -> str:
    """What this page's times are marked with, as of now."""
    return zone_word(page_now(), shown_zone())


def measure_ages_at(now: datetime) -> None:
    """Take another clock for this page, the database's: what it recorded is as old as it says itself."""
    g.page_now = now


def age(value: datetime | None, stale_after: timedelta | None = None) -> str:
    """How long ago, with the moment itself in the title; a script lets it tick.

    Older than `stale_after` says so, in words as in colour, also when it grows that old under the reader's eyes.
    """
    if value is None:
        return "never"
    elapsed = page_now() - value
    text = f"{duration(elapsed)} ago" if elapsed >= timedelta(seconds=1) else "just now"
    if stale_after is None:
        return Markup('<time datetime="{}" title="{}" data-age>{}</time>').format(iso(value), _full(value), text)
    stale = elapsed > stale_after
    return Markup('<time datetime="{}" title="{}" data-age data-stale="{}"{}>{}{}</time>').format(
        *(iso(value), _full(value), int(stale_after.total_seconds())),
        *(Markup(' class="stale"') if stale else "", text, ", stale" if stale else ""),
    )


def short(value: object) -> str:
    """The last eight digits of an id: time-ordered ids made together share their beginning."""
    return NOTHING if value is None else str(value)[-8:]


def words(value: str) -> str:
    """A code such as MAX_ORDER_NOTIONAL or no_signal as words."""
    return value.replace("_", " ").lower().capitalize()


def in_words(text: str) -> str:
    """A reason: codes such as MAX_DRAWDOWN become words, sentences stay as they were written."""
    return words(text) if text.isupper() and " " not in text else text


def plainly(value: object) -> str:
    """Any value of a JSON document as a reader says it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def sentence(details: Mapping[str, Any]) -> str:
    """A risk event in words: its own sentence, or its plain values when another program wrote it."""
    own = details.get("sentence")
    if isinstance(own, str) and own:
        return own
    parts = [f"{words(name)} {plainly(value)}" for name, value in details.items() if not isinstance(value, dict | list)]
    return ", ".join(parts) or NOTHING


def act_words(details: Mapping[str, Any]) -> str:
    """What an act was about: every value of its document, lists included."""
    return "; ".join(f"{words(name).lower()}: {_told(name, value)}" for name, value in details.items()) or NOTHING


def _told(name: str, value: Any) -> str:
    if name.endswith("_id"):
        return short(value)
    if name.endswith("_at") and isinstance(value, str):
        return f"{moment(value):%d %b %Y %H:%M} UTC"
    return ", ".join(map(plainly, value)) if isinstance(value, list) else plainly(value)


def decimal(text: str | None) -> Decimal | None:
    """A number of a JSON document, where numbers are strings."""
    return None if text is None else Decimal(text)


def measure(text: str | None, unit: str) -> str:
    """A verdict's value or limit with its unit: 1,020.00 USDC, 35 s, 0.6, yes."""
    value = decimal(text)
    if value is None:
        return "unknown"
    if unit == "bool":
        return "yes" if value else "no"
    shown = money(value) if unit == "USDC" else qty(round(value, 4))
    return shown if unit in ("ratio", "qty", "") else f"{shown}\u00a0{unit}"


def moment(text: str) -> datetime:
    """A time of a JSON document."""
    return datetime.fromisoformat(text)


def size(count: int) -> str:
    """Bytes as people count them."""
    value, unit = Decimal(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f}\u00a0{unit}" if unit == "B" else f"{value:.1f}\u00a0{unit}"


@exactly
def times(first: Decimal, second: Decimal) -> Decimal:
    """A product with all its digits: two stored amounts have more than the default context keeps."""
    return first * second


def install(app: Flask) -> None:
    """Register every filter under its own name."""
    own: tuple[Callable[..., object], ...] = (
        exact,
        number,
        money,
        signed,
        fee,
        price,
        qty,
        percent,
        tone,
        iso,
        clock,
        when,
        duration,
        age,
        short,
        words,
    )
    own += (in_words, plainly, sentence, decimal, measure, moment, size, times)
    app.jinja_env.filters.update({function.__name__: function for function in own})
    app.jinja_env.globals.update(page_now=page_now, zone_now=zone_now)
