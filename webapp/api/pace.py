"""How fast a token may ask: so many requests in a minute that begins with the first of them.

Counted in the memory of the web process, of which there is one: a request that is turned away must cost next to
nothing, and counts that a restart forgets do no harm. Halting is never counted (see `urgent` in `calls.py`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final
from uuid import UUID

from flask import Flask, current_app

from webapp.api.errors import RateLimited
from webapp.services.tokens import TokenRecord

SECONDS: Final = 60.0
TOLD_SECONDS: Final = 10.0
"""How often at most the number of a token's refused requests is written down: a flood must not become writes."""
MOST_WINDOWS: Final = 10_000
_KEY: Final = "paperdesk_pace"


@dataclass(frozen=True)
class Allowance:
    """What is left of one budget: requests, and seconds until it is whole again."""

    budget: str
    limit: int
    remaining: int
    reset: int

    def headers(self) -> Mapping[str, str]:
        """As HTTP says it."""
        names = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
        return dict(zip(names, map(str, (self.limit, self.remaining, self.reset)), strict=True))


@dataclass
class _Window:
    began: float
    used: int = 0


class Limiter:
    """Budgets by token and name. `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._windows: dict[tuple[UUID, str], _Window] = {}
        self._refused: dict[UUID, int] = {}
        self._told: dict[UUID, float] = {}

    def take(self, token_id: UUID, budget: str, limit: int) -> Allowance:
        """One request out of a budget. Raises :class:`RateLimited` when nothing is left of it."""
        with self._lock:
            now = self._clock()
            window = self._window((token_id, budget), now)
            reset = max(math.ceil(window.began + SECONDS - now), 1)
            if window.used >= limit:
                self._refused[token_id] = self._refused.get(token_id, 0) + 1
                raise RateLimited(Allowance(budget, limit, 0, reset).headers(), budget, limit, reset)
            window.used += 1
            return Allowance(budget, limit, limit - window.used, reset)

    def to_tell(self, token_id: UUID, *, at_once: bool = False) -> int:
        """How many requests were refused since this was last asked; 0 as long as that was a moment ago."""
        with self._lock:
            now = self._clock()
            if token_id not in self._refused or (
                not at_once and now - self._told.get(token_id, -math.inf) < TOLD_SECONDS
            ):
                return 0
            self._told[token_id] = now
            return self._refused.pop(token_id)

    def refused(self) -> list[UUID]:
        """The tokens with refused requests that nobody was told of yet."""
        with self._lock:
            return list(self._refused)

    def _window(self, key: tuple[UUID, str], now: float) -> _Window:
        window = self._windows.get(key)
        if window is None or now - window.began >= SECONDS:
            if len(self._windows) >= MOST_WINDOWS:
                self._windows = {key: one for key, one in self._windows.items() if now - one.began < SECONDS}
            window = self._windows[key] = _Window(now)
        return window


def install(app: Flask) -> None:
    """A new app begins with whole budgets."""
    app.extensions[_KEY] = Limiter()


def limiter() -> Limiter:
    """The budgets of the app that answers."""
    found: Limiter = current_app.extensions[_KEY]
    return found


def take(token: TokenRecord, budget: str | None) -> Allowance | None:
    """Take a request out of the budgets it counts in; what is left of the scarcest. None: it counts nowhere."""
    if budget is None:
        return None
    config = current_app.config["PAPERDESK"]
    limit = config.rate_limit_reads if budget == "reads" else config.rate_limit_writes
    # A bot's own cap of its cycles is one more budget, in which nothing but cycles counts.
    limits = {"writes" if budget == "cycles" else budget: limit}
    if budget == "cycles":
        limits["cycles"] = token.cycles_per_minute or 0
    taken = [limiter().take(token.token_id, name, most) for name, most in limits.items() if most]
    return min(taken, key=lambda allowance: allowance.remaining, default=None)
