"""What can be wrong with a request, as values the edges can put into words.

Every error has a stable ``code`` (CONTRACT section 4), a sentence for people and ``details`` for programs.
"""

from collections.abc import Mapping
from typing import Any


class DomainError(Exception):
    """Something the caller can understand and mend."""

    code = "BAD_REQUEST"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class BadInput(DomainError):
    """One field of a request does not hold what it must."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}", field=field, reason=reason)
        self.field = field
        self.reason = reason


class OutOfRange(DomainError):
    """A value does not fit NUMERIC(18,8); refused, never wrapped or clamped."""


class BadQuote(DomainError):
    """A quote that cannot be taken. ``reason`` is one of a few stable words, counted by those who read files."""

    def __init__(self, reason: str, message: str, *, index: int | None = None, field: str | None = None) -> None:
        super().__init__(message, reason=reason, index=index, field=field)
        self.reason = reason
        self.index = index
        self.field = field


class InvalidPolicy(DomainError):
    """A policy document that cannot be put in force; ``problems`` maps each bad field to its sentence."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(
            "; ".join(f"{field}: {problem}" for field, problem in problems.items()), problems=dict(problems)
        )
        self.problems = dict(problems)


class NotFound(DomainError):
    """The thing named does not exist."""

    code = "NOT_FOUND"


class Conflict(DomainError):
    """The thing exists, but not in a state that allows what was asked."""

    code = "CONFLICT"


class Unconfirmed(DomainError):
    """The database did not confirm an act on the kill switch: assume trading is ON."""

    code = "UNAVAILABLE"
