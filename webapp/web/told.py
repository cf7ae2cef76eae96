"""Moments inside sentences, by the clock the visitor chose; alone they are elements (`filters.when`)."""

from datetime import datetime

from webapp.web.choices import shown_zone, zone_word


def moment_text(value: datetime) -> str:
    """A moment to the second: 22 Nov 2026 14:30:05 UTC."""
    zone = shown_zone()
    return f"{value.astimezone(zone):%d %b %Y %H:%M:%S} {zone_word(value, zone)}"
