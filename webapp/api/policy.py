"""The risk policy: read the limits in force, or put a whole new set in force."""

from __future__ import annotations

import re
from typing import Any, Final

from flask import Response, g, request

from webapp.api import answers
from webapp.api.calls import call
from webapp.api.schemas import ABOUT, PolicyIn
from webapp.api.wire import answer
from webapp.domain.errors import BadInput
from webapp.domain.policy import FIELDS
from webapp.extensions import db
from webapp.services import policy
from webapp.services.policy import PolicyRecord
from webapp.web.params import printable


@call("GET", "/risk/policy", scopes=("read",), answer=answers.PolicyOut, errors=(404,))
def get_policy() -> Response:
    """The policy in force"""
    return answer(_document(policy.current(db.session())))


VERSION: Final = '^("[0-9]{1,9}"|[0-9]{1,9})$'
IF_MATCH: Final = {
    "description": "The `version` that was read; 409 when another one is in force by now.",
    "schema": {"type": "string", "pattern": VERSION},
}


@call(
    "PUT",
    "/risk/policy",
    scopes=("admin",),
    body=PolicyIn,
    answer=answers.PolicyOut,
    errors=(400, 409),
    takes={"If-Match": IF_MATCH},
)
def put_policy(body: PolicyIn) -> Response:
    """Put a whole policy in force

    Every limit must be there. Each change is a new version with who, when, why and the difference; a policy that
    changes nothing stays the version it is. Send the version that was read as the header `If-Match`, so that nobody's
    change made meanwhile is undone: if another version is in force, the answer is 409 CONFLICT with that `version`, and
    nothing is changed. Without the header the policy is replaced whichever version is in force.
    """
    based_on = _version_read()
    limits = dict(body.model_extra or {})
    nested = limits.pop("policy", None)
    for name in ABOUT:
        limits.pop(name, None)
    if nested is not None:
        if limits or not isinstance(nested, dict):
            raise BadInput("policy", "must be an object with every limit, and the only one beside `reason`")
        limits = nested
    unknown = next((name for name in limits if name not in FIELDS), None)
    if unknown is not None:
        raise BadInput(printable(unknown), "is not part of the policy")
    changed = policy.change(db.session(), limits, by=g.actor, reason=body.reason, based_on=based_on)
    return answer(_document(changed))


def _version_read() -> int | None:
    """The version that If-Match names, quoted as an entity tag is or bare. Raises BadInput on anything else."""
    written = request.headers.get("If-Match")
    if written is None:
        return None
    if re.fullmatch(VERSION, written) is None:
        raise BadInput("If-Match", "must be the version of the policy that was read, a whole number")
    return int(written.strip('"'))


def _document(record: PolicyRecord) -> dict[str, Any]:
    return {
        **record.policy.to_document(),
        "version": record.version,
        "actor": record.actor,
        "reason": record.reason,
        "created_at": record.created_at,
        "difference": record.difference,
    }
