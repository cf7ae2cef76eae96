"""The risk policy: read the limits in force, or put a whole new set in force."""

from __future__ import annotations

from typing import Any

from flask import Response, g

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


@call("PUT", "/risk/policy", scopes=("admin",), body=PolicyIn, answer=answers.PolicyOut, errors=(400,))
def put_policy(body: PolicyIn) -> Response:
    """Put a whole policy in force

    Every limit must be there. Each change is a new version with who, when, why and the difference; a policy that
    changes nothing stays the version it is.
    """
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
    return answer(_document(policy.change(db.session(), limits, by=g.actor, reason=body.reason)))


def _document(record: PolicyRecord) -> dict[str, Any]:
    return {
        **record.policy.to_document(),
        "version": record.version,
        "actor": record.actor,
        "reason": record.reason,
        "created_at": record.created_at,
        "difference": record.difference,
    }
