"""The limits in force, the form that edits them with a look at the change before it counts, and every version."""

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, flash, request

from webapp.domain.errors import BadInput, Conflict, InvalidPolicy
from webapp.domain.policy import FIELDS, Policy
from webapp.domain.policy_sense import cautions
from webapp.domain.risk.hindsight import LIMIT_OF, look_back
from webapp.extensions import db
from webapp.pages import policy_form
from webapp.pages.lists import ListPage, context_of, install_twins
from webapp.pages.policy_form import GROUPS
from webapp.queries import decisions, surroundings
from webapp.services import policy
from webapp.services.policy import PolicyRecord
from webapp.web.auth import current_actor, has_role, role
from webapp.web.htmx import answer, see_other

bp = Blueprint("policy", __name__)
HOME: Final = "/risk/policy"
PAGE: Final = ListPage("policies", "/risk/policy", "policy", home=HOME)
REVIEW: Final = ("policy/review.html", "policy/review.html")
PREVIEW: Final = ("policy/_preview.html", "policy/_preview.html")
JUDGED: Final = frozenset({"allow_short", *(name for name, _ in LIMIT_OF.values())})
"""Fields whose change can be held against what was judged before; costs change what is measured instead."""
install_twins(bp, PAGE)
bp.add_app_template_filter(policy_form.described, "described")


@bp.get(HOME)
def index() -> Response:
    """The policy as it stands."""
    current = policy.current(db.session())
    return _form(current, policy_form.texts(current.policy))


@bp.post(HOME)
@role("admin")
def update() -> Any:
    """Put a new version in force; `step=review` only shows what it would change, `step=edit` leads back to the form.

    What was typed is kept when it is refused, and what somebody else changed meanwhile is not undone.
    """
    current = policy.current(db.session())
    typed = policy_form.typed(request.form)
    if overtaken(current):
        return _overtaken(current, typed, _policy_of_the_form() or current.policy)
    texts = policy_form.texts(current.policy) | typed
    step = request.form.get("step", "")
    if step == "edit":
        return _form(current, texts)
    document = policy_form.document(typed, current.policy)
    try:
        return _review(current, Policy.from_document(document), texts) if step == "review" else _save(current, document)
    except Conflict:
        return _overtaken(policy.current(db.session()), typed, current.policy)
    except InvalidPolicy as error:
        return _form(current, texts, error.problems, 422)
    except BadInput as error:
        return _form(current, texts, {error.field: error.reason}, 422)


@bp.post(f"{HOME}/preview")
@role("admin")
def preview() -> Response:
    """The difference while one types; stores nothing."""
    current = policy.current(db.session())
    problems: Mapping[str, str] = {}
    wanted = current.policy
    try:
        wanted = Policy.from_document(policy_form.document(policy_form.typed(request.form), current.policy))
    except InvalidPolicy as error:
        problems = error.problems
    return answer(*PREVIEW, problems=problems, fields=FIELDS, **_difference(current.policy, wanted))


def overtaken(current: PolicyRecord) -> bool:
    """Whether the form was filled on another version than the one in force; a program need not say which."""
    return request.form.get("version", str(current.version)) != str(current.version)


def _difference(before: Policy, after: Policy) -> dict[str, Any]:
    """What a draft means: its changes, what is odd about them, and what it would have made of the last day."""
    changed = policy_form.changes(before, after)
    names = {change.name for change in changed}
    seen = look_back(decisions.recent(db.session()), after) if names & JUDGED else None
    return {
        "changes": changed,
        "cautions": {name: text for name, text in cautions(after).items() if name in names},
        "hindsight": policy_form.hindsight_words(seen) if seen else "",
        "costs": sorted(names - JUDGED),
    }


def _save(current: PolicyRecord, document: Mapping[str, Any]) -> Any:
    """Raises Conflict when somebody else's version came between, also after ``current`` was read."""
    reason = request.form.get("reason")
    changed = policy.change(db.session(), document, by=current_actor(), reason=reason, based_on=current.version)
    if changed.version == current.version:
        flash("Nothing was different, so the policy stays as it is.", "warn")
    else:
        flash(f"Policy version {changed.version} is in force.", "good")
    return see_other(HOME)


def _review(current: PolicyRecord, wanted: Policy, texts: Mapping[str, str]) -> Any:
    difference = _difference(current.policy, wanted)
    if not difference["changes"]:
        flash("Nothing is different, so there is nothing to put in force.", "warn")
        return see_other(HOME)
    reason = request.form.get("reason", "")
    return answer(*REVIEW, current=current, texts=texts, typed_reason=reason, fields=FIELDS, **difference)


def _policy_of_the_form() -> Policy | None:
    """The policy that the form was filled on, if there ever was one of that version."""
    version = request.form.get("version", "")
    return surroundings.policy_of(db.session(), int(version)) if version.isdecimal() and len(version) < 10 else None


def _overtaken(current: PolicyRecord, typed: Mapping[str, str], base: Policy) -> Response:
    """Somebody else's version came between: the form on theirs, with one's own changes to ``base`` kept."""
    merged, meanwhile = policy_form.merge(typed, base, current.policy)
    return _form(current, merged, {}, 409, meanwhile=meanwhile)


def _form(
    current: PolicyRecord,
    texts: Mapping[str, str],
    problems: Mapping[str, str] | None = None,
    status: int = 200,
    meanwhile: Any = None,
) -> Response:
    return answer(
        "policy/index.html",
        "policy/_table.html",
        status,
        current=current,
        groups=GROUPS,
        fields=FIELDS,
        in_force=policy_form.texts(current.policy),
        readings=policy_form.readings(current.policy),
        values=texts,
        typed_reason=request.form.get("reason", ""),
        problems=problems or {},
        cautions=cautions(current.policy),
        meanwhile=meanwhile,
        may_edit=has_role("admin"),
        **context_of(PAGE),
    )
