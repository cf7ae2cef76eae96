"""A release that takes two people: who asked first, whether somebody else asks now, and who is somebody else.

A token is the person who made it: two tokens of one maker are one person, and so are a maker and their token. What was
made on the server itself is the server's, which is one person as well. A token of which nobody knows the maker is
nobody, and can neither be first nor second.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from webapp.domain.acts import SERVER
from webapp.domain.reasons import LONGEST_REASON
from webapp.services import acts

SECOND_PERSON_WITHIN = timedelta(minutes=15)
_ASKED = "SELECT actor, reason, requested_at FROM release_requests"
_ASK = """
INSERT INTO release_requests (id, actor, reason, requested_at) VALUES (1, :actor, :reason, :at)
ON CONFLICT (id) DO UPDATE SET actor = excluded.actor, reason = excluded.reason, requested_at = excluded.requested_at
"""
_MAKER = "SELECT created_by FROM api_tokens WHERE name = :name"


@dataclass(frozen=True)
class Asked:
    """A release that somebody asked for."""

    actor: str
    reason: str


def first_of_two(connection: Connection, own: Asked, at: datetime) -> Asked | None:
    """What somebody else asked for lately; None when nobody has, and then ``own`` is the wish that waits.

    In the caller's transaction, which holds the gate exclusively.
    """
    row = connection.execute(text(_ASKED)).one_or_none()
    first = None if row is None or at - row.requested_at > SECOND_PERSON_WITHIN else Asked(row.actor, row.reason)
    if first is not None and not _two_people(connection, first.actor, own.actor):
        first = None
    if first is None:
        connection.execute(text(_ASK), {"actor": own.actor, "reason": own.reason, "at": at})
        record(connection, own, at)
    return first


def record(connection: Connection, own: Asked, at: datetime) -> None:
    """Put a wish into the audit with its whole reason, as the caller's last statement but for the release itself."""
    acts.record(connection, "release_asked", own.actor, at=at, reason=own.reason)


def both_reasons(own: Asked, first: Asked) -> str:
    """Why two people released, as one reason: it names the first one, and is cut where both do not fit."""
    room = LONGEST_REASON - len(_told("", first.actor, ""))
    second = _cut(own.reason, max(room // 2, room - len(first.reason)))
    return _told(second, first.actor, _cut(first.reason, room - len(second)))


def _told(second: str, actor: str, first: str) -> str:
    return f"{second} (asked for first by {actor}: {first})"


def _cut(reason: str, most: int) -> str:
    return reason if len(reason) <= most else f"{reason[: most - 1]}…"


def _two_people(connection: Connection, one: str, other: str) -> bool:
    first, second = _person(connection, one), _person(connection, other)
    return first is not None and second is not None and first != second


def _person(connection: Connection, actor: str) -> str | None:
    """Who answers for what an actor does; None when that is not known."""
    kind, _, name = actor.partition(":")
    if kind != "token":
        return actor
    maker: str | None = connection.execute(text(_MAKER), {"name": name}).scalar_one_or_none()
    return maker if maker is None or maker.startswith("user:") else SERVER
