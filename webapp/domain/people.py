"""Who may do what: the roles of people, the scopes of tokens, the names of both, and what a password must be."""

import re

from webapp.domain.errors import BadInput

ROLES = ("viewer", "operator", "admin")
"""Each may do what those before it may."""
SCOPES = ("read", "trade", "halt", "admin")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)


def is_name(text: str) -> bool:
    """Whether a person or a token could be called that."""
    return _NAME.fullmatch(text) is not None


def check_name(text: str) -> str:
    """The name of a person or a token. Raises :class:`BadInput` for what could not be told apart in an audit."""
    if not is_name(text):
        raise BadInput("name", "must be 1 to 64 of A-Z a-z 0-9 . _ @ -, beginning with a letter or digit")
    return text


SHORTEST_PASSWORD = 12
FEWEST_CHARACTERS = 5
"""Different ones; fewer are a pattern."""
_OBVIOUS = (
    *("password", "passwort", "passphrase", "secret", "letmein", "welcome", "iloveyou", "changeme", "login", "qwerty"),
    *("admin", "administrator", "root", "operator", "viewer", "paperdesk", "trading", "demo", "test"),
)
_RUNS = ("0123456789" * 2, "9876543210" * 2, "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm")


def check_password(name: str, password: str, field: str = "password") -> None:
    """A password nobody guesses at once. Raises :class:`BadInput` for one too short, or among the obvious."""
    if len(password) < SHORTEST_PASSWORD:
        raise BadInput(field, f"must have at least {SHORTEST_PASSWORD} characters; a few words do well")
    if _is_obvious(name.lower(), password.lower()):
        raise BadInput(field, "is among the first that anybody would try; a few words of your own do well")


def _is_obvious(name: str, password: str) -> bool:
    letters = "".join(char for char in password if char.isalpha())
    without_name = password.replace(name, "") if len(name) > 2 else password
    return (
        len(set(password)) < FEWEST_CHARACTERS
        or any(letters == word * max(1, len(letters) // len(word)) for word in (*_OBVIOUS, name))
        or len(without_name) < SHORTEST_PASSWORD // 2
        or any(password in run for run in _RUNS)
    )
