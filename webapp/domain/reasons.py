"""Why somebody did something, as the audit keeps it."""

from webapp.domain.errors import BadInput

LONGEST_REASON = 500


def check_reason(reason: str | None, *, required: bool) -> str | None:
    """A reason as it is stored. Raises :class:`BadInput` when it is too long, holds NUL, or is missing but required."""
    cleaned = (reason or "").strip()
    if "\x00" in cleaned:
        raise BadInput("reason", "must not contain NUL")
    if len(cleaned) > LONGEST_REASON:
        raise BadInput("reason", f"must not be longer than {LONGEST_REASON} characters")
    if required and not cleaned:
        raise BadInput("reason", "must be given")
    return cleaned or None


def cut_reason(reason: str) -> str:
    """As much of a reason as can be stored: nothing about its words may keep a desk from halting."""
    return reason.replace("\x00", "").strip()[:LONGEST_REASON]
