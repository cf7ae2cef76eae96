"""The scoreboard: what each bot was allowed to do and what it did, token by token."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

STATES = ("active", "paused", "expired", "revoked")

_TOKENS = """
SELECT name, 'token:' || name AS actor, scopes, created_by, created_at, expires_at, last_used_at, revoked_at,
       revoked_by, paused_at, paused_by, pause_reason, max_order_notional, cycles_per_minute, replays, limited, refused,
       CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= clock_timestamp() THEN 'expired'
            WHEN paused_at IS NOT NULL THEN 'paused' ELSE 'active' END AS state
FROM api_tokens WHERE name = coalesce(:name, name) ORDER BY created_at DESC, token_id DESC
"""
# The first condition is that of the index this is read from, which has all the columns.
_CYCLES = """
SELECT actor, outcome, CASE outcome WHEN 'blocked' THEN reason END AS rule, strategy IS NULL AS proposed,
       count(*) AS cycles, max(created_at) AS newest
FROM cycles
WHERE actor LIKE 'token:%' AND actor = coalesce(:actor, actor)
  AND created_at >= coalesce(CAST(:since AS timestamptz), '-infinity')
  AND created_at < coalesce(CAST(:until AS timestamptz), 'infinity')
GROUP BY 1, 2, 3, 4
"""


@dataclass(frozen=True)
class Bot:
    """One token and its deeds. Cycles are counted within the time asked for; what leaves no row is counted for good.

    ``proposals`` are cycles it decided itself, the others ran the desk's own strategy. ``accepted`` filled or rest;
    ``blocked_by`` counts the others by the rule that bound. ``replays`` are answers given again under the same key,
    ``limited`` requests that came too fast, ``refused`` those turned away while it was paused.
    """

    name: str
    actor: str
    state: str
    scopes: tuple[str, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None
    max_order_notional: Decimal | None
    cycles_per_minute: int | None
    last_seen_at: datetime | None
    last_cycle_at: datetime | None
    cycles: int
    proposals: int
    accepted: int
    executed: int
    resting: int
    no_signal: int
    blocked: int
    blocked_by: Mapping[str, int]
    replays: int
    limited: int
    refused: int


def scoreboard(
    session: Session, name: str | None = None, since: datetime | None = None, until: datetime | None = None
) -> list[Bot]:
    """Every bot there ever was, newest first, or the one of that name; cycles with `since` <= t < `until`."""
    actor = None if name is None else f"token:{name}"
    deeds: dict[str, list[RowMapping]] = defaultdict(list)
    for row in session.execute(text(_CYCLES), {"actor": actor, "since": since, "until": until}).mappings():
        deeds[row["actor"]].append(row)
    return [_bot(row, deeds[row["actor"]]) for row in session.execute(text(_TOKENS), {"name": name}).mappings()]


def _bot(token: RowMapping, deeds: list[RowMapping]) -> Bot:
    outcomes = Counter[str]()
    blocked_by = Counter[str]()
    for row in deeds:
        outcomes[row["outcome"]] += row["cycles"]
        if row["rule"] is not None:
            blocked_by[row["rule"]] += row["cycles"]
    last_cycle_at = max((row["newest"] for row in deeds), default=None)
    seen = [moment for moment in (token["last_used_at"], last_cycle_at) if moment is not None]
    own: dict[str, Any] = {name: value for name, value in token.items() if name != "last_used_at"}
    return Bot(
        **{**own, "scopes": tuple(token["scopes"])},
        last_seen_at=max(seen, default=None),
        last_cycle_at=last_cycle_at,
        cycles=outcomes.total(),
        proposals=sum(row["cycles"] for row in deeds if row["proposed"]),
        accepted=outcomes["executed"] + outcomes["resting"],
        executed=outcomes["executed"],
        resting=outcomes["resting"],
        no_signal=outcomes["no_signal"],
        blocked=outcomes["blocked"],
        blocked_by=dict(blocked_by.most_common()),
    )
