"""What a visitor chooses: the theme and the clock. Kept in cookies; nobody needs to be logged in."""

from typing import Any

from flask import Blueprint, request

from webapp.domain.errors import BadInput
from webapp.web.auth import own_path
from webapp.web.choices import COOKIES, FOR_A_YEAR
from webapp.web.htmx import see_other

bp = Blueprint("choices", __name__)


@bp.post("/choices")
def create() -> Any:
    """Keep what was chosen and go back to where that was."""
    response = see_other(own_path(request.form.get("next")))
    for name, allowed in COOKIES.items():
        if name in request.form:
            if request.form[name] not in allowed:
                raise BadInput(name, f"must be one of {', '.join(allowed)}")
            response.set_cookie(name, request.form[name], max_age=FOR_A_YEAR, samesite="Lax", secure=request.is_secure)
    return response
