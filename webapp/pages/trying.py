"""What a form of the account and admin pages does: try it, say what came of it, or show the form again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import flash, request

from webapp.domain.errors import BadInput, Conflict
from webapp.web.htmx import see_other


@dataclass(frozen=True)
class Trouble:
    """What is wrong with which field of which form, and what had been typed there."""

    form: str = ""
    field: str = ""
    sentence: str = ""
    typed: Mapping[str, str] | None = None

    def of(self, form: str, name: str) -> str:
        """The sentence to show beside a field; empty when nothing is wrong with it."""
        return self.sentence if (form, name) == (self.form, self.field) else ""

    def was(self, form: str, name: str, otherwise: str = "") -> str:
        """What stood in a field when its form was refused. Passwords are not for showing."""
        return self.typed.get(name, otherwise) if self.typed and form == self.form else otherwise


NONE = Trouble()


def trouble_with(form: str, error: BadInput) -> Trouble:
    """What a refused form says beside its field."""
    sentence = f"{error.reason[:1].upper()}{error.reason[1:]}."
    return Trouble(form, error.field, sentence, request.values)


def attempt(form: str, act: Callable[[], str], back: str, again: Callable[[Trouble, int], Any]) -> Any:
    """Do it, say so and go back; a bad field shows the form `again`, a conflict is said and changes nothing."""
    try:
        told = act()
    except BadInput as error:
        return again(trouble_with(form, error), 422)
    except Conflict as conflict:
        flash(f"Nothing was changed: {conflict.message}.", "bad")
    else:
        flash(told, "good")
    return see_other(back)
