"""Who may do what: the roles of people, the scopes of tokens, and the names of both."""

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
