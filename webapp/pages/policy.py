"""The limits in force, the form that edits them, and every version there was."""

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, flash, request

from webapp.domain.errors import BadInput, InvalidPolicy
from webapp.domain.policy import FIELDS
from webapp.extensions import db
from webapp.pages.lists import ListPage, context_of, install_twins
from webapp.services import policy
from webapp.web.auth import current_actor, has_role, role
from webapp.web.htmx import answer, see_other

bp = Blueprint("policy", __name__)
HOME = "/risk/policy"
GROUPS: Final = (
    ("Size", ("max_order_notional", "max_position_notional", "max_gross_exposure", "max_open_positions",
              "allow_short")),
    ("Loss", ("max_loss_per_trade", "max_daily_loss", "max_drawdown")),
    ("Pace and quality", ("cooldown_seconds", "max_trades_per_hour", "max_trades_per_day", "min_confidence",
                          "min_price_move_5m_pct", "price_collar_pct")),
    ("Quotes and halts", ("stale_after_seconds", "auto_halt_stale_seconds", "anomaly_window_seconds",
                          "anomaly_warn_pct", "anomaly_halt_pct")),
    ("Costs and fills", ("starting_cash", "slippage_bps", "fee_bps", "max_fill_notional", "order_ttl_seconds")),
)  # fmt: skip
PAGE = ListPage("policies", "/risk/policy", "policy", home=HOME)
install_twins(bp, PAGE)


@bp.get(HOME)
def index() -> Response:
    """The policy as it stands."""
    return _page({}, {})


@bp.post(HOME)
@role("admin")
def update() -> Any:
    """Put a new version in force. What was typed is kept when it is refused."""
    current = policy.current(db.session())
    if request.form.get("version", str(current.version)) != str(current.version):
        return _page({"version": _overtaken(current)}, request.form, 409)
    document = current.policy.to_document()
    document.update({name: _typed(name) for name in FIELDS if name in request.form})
    try:
        changed = policy.change(db.session(), document, by=current_actor(), reason=request.form.get("reason"))
    except InvalidPolicy as error:
        return _page(error.problems, request.form, 422)
    except BadInput as error:
        return _page({error.field: error.reason}, request.form, 422)
    if changed.version == current.version:
        flash("Nothing was different, so the policy stays as it is.", "warn")
    else:
        flash(f"Policy version {changed.version} is in force.", "good")
    return see_other(HOME)


def _typed(name: str) -> Any:
    """One field of the form as the policy's document has it; a checkbox is sent after its hidden `no`."""
    text = request.form.getlist(name)[-1].strip()
    if FIELDS[name].kind == "flag":
        return text == "yes"
    return None if text == "" and FIELDS[name].nullable else text


def _overtaken(current: Any) -> str:
    news = f"{current.actor} put version {current.version} in force meanwhile."
    return f"{news} Your entries are kept below; look again, then save."


def _page(problems: Mapping[str, str], typed: Mapping[str, str], status: int = 200) -> Response:
    current = policy.current(db.session())
    shown = {name: _shown(value) for name, value in current.policy.to_document().items()}
    return answer(
        "policy/index.html",
        "policy/_table.html",
        status,
        current=current,
        groups=GROUPS,
        fields=FIELDS,
        in_force=shown,
        values={**shown, **{name: typed[name] for name in FIELDS if name in typed}},
        typed_reason=typed.get("reason", ""),
        problems=problems,
        may_edit=has_role("admin"),
        **context_of(PAGE),
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
