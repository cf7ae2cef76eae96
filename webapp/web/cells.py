"""Table cells with the hooks scrapers and tests rely on: `data-col`, and `data-value` with the exact value.

Written in Python, not as a macro: a page of 200 rows draws some 2,000 of them.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from flask import Flask
from markupsafe import Markup, escape

from webapp.web import filters
from webapp.web.columns import Column, column
from webapp.web.htmx import titles_follow

MOST_PAIRS: Final = 4
TONES: Final = {
    "buy": "buy",
    "sell": "sell",
    "proposed": "info",
    "approved": "info",
    "executed": "good",
    "rejected": "bad",
    "canceled": "mute",
    "allowed": "good",
    "warned": "warn",
    "blocked": "bad",
    "passed": "good",
    "failed": "bad",
    "resting": "info",
    "no_signal": "mute",
}


def badge(text: object, tone: str | None = None) -> Markup:
    """A small coloured word; the colour follows from the word unless said."""
    word = str(text)
    return Markup('<span class="badge badge-{}">{}</span>').format(
        tone or TONES.get(word, "mute"), word.replace("_", " ")
    )


def _id(value: object) -> Markup:
    if titles_follow():
        return Markup('<code class="id">{}</code>').format(filters.short(value))
    return Markup('<code class="id" title="{}">{}</code>').format(value, filters.short(value))


def _tone_span(value: Any) -> Markup:
    return Markup('<span class="{}">{}</span>').format(filters.tone(value), filters.signed(value))


def _switch(value: bool) -> Markup:
    return badge("HALTED", "bad") if value else badge("released", "good")


def _payload(document: Mapping[str, Any]) -> Markup:
    """The first plain values of a document as "name value" pairs; the rest waits on the page of its cycle."""
    plain = [(name, value) for name, value in document.items() if not isinstance(value, dict | list)]
    pair = Markup('<span class="pair"><i>{}</i> {}</span>')
    shown = [pair.format(filters.words(name), filters.plainly(value)) for name, value in plain[:MOST_PAIRS]]
    if more := len(document) - len(shown):
        shown.append(Markup('<span class="pair"><i>{} more</i></span>').format(more))
    return Markup(" ").join(shown) or escape(filters.NOTHING)


DRAW: Final[dict[str, Callable[[Any], object]]] = {
    "id": _id,
    "symbol": str,
    "side": badge,
    "status": badge,
    "action": badge,
    "outcome": badge,
    "rule": lambda value: Markup('<span class="rule" title="{}">{}</span>').format(value, filters.words(value)),
    "switch": _switch,
    "time": filters.cell_time,
    "age": filters.age,
    "qty": lambda value: filters.qty(value, 6),
    "share": lambda value: filters.qty(value, 2),
    "price": filters.price,
    "money": filters.money,
    "signed": _tone_span,
    "fee": filters.fee,
    "int": lambda value: filters.number(value, 0),
    "reason": filters.in_words,
    "payload": _payload,
    "sentence": filters.sentence,
    "text": str,
    "word": str,
}


def label_of(heading: Column) -> str:
    """A column's heading; one of times names the zone, so that its cells need not."""
    return f"{heading.label}, {filters.zone_now()}" if heading.kind == "time" else heading.label


def draw(value: Any, kind: str) -> object:
    """`value` as its kind is drawn; an unknown one is a dash."""
    return filters.NOTHING if value is None or value == "" else DRAW[kind](value)


def exact_text(value: Any) -> str:
    """The machine's reading of a value: what `data-value` holds."""
    if isinstance(value, datetime):
        return filters.iso(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return filters.exact(value)


def cell(
    name: str,
    value: Any,
    href: str | None = None,
    content: object = None,
    kind: str | None = None,
    label: str | None = None,
) -> Markup:
    """One `<td>`; `content` replaces what is shown and leaves `data-value` exact, `href` makes it a link."""
    heading: Column = column(name)
    shown = draw(value, kind or heading.kind) if content is None else content
    if href is not None and value is not None:
        shown = Markup('<a href="{}">{}</a>').format(href, shown)
    exact = "" if isinstance(value, (dict, list)) else exact_text(value)
    return Markup('<td data-col="{}" data-label="{}" class="{}" data-value="{}">{}</td>').format(
        name, label or label_of(heading), f"is-{kind or heading.kind}", exact, escape(shown)
    )


def heads(*names: str) -> Markup:
    """The header row's cells for these columns."""
    one = Markup('<th scope="col" class="{}">{}</th>')
    return Markup("").join(one.format(f"is-{column(name).kind}", label_of(column(name))) for name in names)


def install(app: Flask) -> None:
    """`cell`, `heads` and `badge` for every template."""
    app.jinja_env.globals.update(cell=cell, heads=heads, badge=badge, draw=draw)
