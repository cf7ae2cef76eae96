"""Paperdesk for programs: a client, and a bot that uses it. One file of the standard library, made to be copied.

    try:
        done = Desk(url, token).propose(Proposal("SOL-USDC", "buy", "0.5", "0.9", why={"model": "m-1"}))
    except Blocked as no:      # 409: judged and refused; no.rule, no.value, no.limit, and no.next in words
        ...
    except Halted as no:       # 423: propose nothing more until somebody releases the kill switch
        ...
    except Unconfirmed as no:  # no answer came: it may have traded or not; the same Proposal again finds out
        ...

A request that is safe to repeat is repeated by itself: after a 429 and a 503 as soon as Retry-After allows it, after a
lost connection with growing pauses, always with the same idempotency key, so it never trades twice.

    TOKEN=... python -m webapp.client --symbol SOL-USDC      # the example bot
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import os
import random
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener
from uuid import uuid4

log = logging.getLogger("bot")
Document = dict[str, Any]


class DeskError(Exception):
    """An error answer: `code`, a sentence, `details`, and seconds to wait where waiting helps."""

    def __init__(self, status: int, error: Mapping[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.code: str = error["code"]
        self.details: Mapping[str, Any] = error.get("details", {})
        self.retry_after = retry_after
        super().__init__(f"{status} {self.code}: {error['message']}")

    @property
    def next(self) -> str:
        """What to do about it."""
        return str(self.details.get("next") or "")


class Blocked(DeskError):
    """409: the risk gate said no, or there is no fresh quote. To try again takes a new proposal with a new key."""

    @property
    def rule(self) -> str:
        """The rule that bound, such as COOLDOWN_SECONDS."""
        return str(self.details["rule"])

    @property
    def value(self) -> Decimal | None:
        """What was measured."""
        return None if self.details["value"] is None else Decimal(self.details["value"])

    @property
    def limit(self) -> Decimal | None:
        """What it was held against."""
        return None if self.details["limit"] is None else Decimal(self.details["limit"])


class Halted(Blocked):
    """423: the kill switch is on."""


class Forbidden(DeskError):
    """401 or 403: this token may not. Trying again changes nothing."""


class Paused(Forbidden):
    """403: somebody has stopped this bot alone, and may resume it."""


class Unconfirmed(DeskError):
    """No answer within the client's patience: what was asked may have been done. The same thing again finds out."""


class _NoRedirects(HTTPRedirectHandler):
    """The desk never sends elsewhere; following would hand the token to whoever does."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass(frozen=True)
class Proposal:
    """What to trade. Amounts are text, so that no digit is lost; `why` is shown beside the order on the desk."""

    symbol: str
    side: str
    qty: str
    confidence: str
    limit_price: str | None = None
    why: Document = field(default_factory=dict)
    key: str = field(default_factory=lambda: str(uuid4()))

    def body(self, source: str) -> Document:
        """As POST /v1/trade/cycle and POST /v1/risk/check take it."""
        wish = {"side": self.side, "qty": self.qty, "confidence": self.confidence, "payload": self.why}
        wish |= {"limit_price": self.limit_price} if self.limit_price is not None else {}
        return {"symbol": self.symbol, "trigger_source": source, "idempotency_key": self.key, "proposal": wish}


class Desk:
    """One desk and one token. `patience`: seconds for which a request that got no answer is repeated."""

    def __init__(
        self, url: str, token: str, source: str = "client.py", timeout: float = 10, patience: float = 90
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"{url!r} is not an http:// or https:// address")
        self._url = url.rstrip("/")
        self._token = token
        self._source = source
        self._timeout = timeout
        self._patience = patience
        self._opener = build_opener(_NoRedirects())

    def status(self) -> Document:
        """`state` (running, halted or stale), `nav`, `drawdown`, ages."""
        return self.call("GET", "/bot/status")

    def check(self, proposal: Proposal) -> Document:
        """What the gate would say: `allowed`, and every rule with value, limit and headroom. Writes nothing."""
        return self.call("POST", "/risk/check", proposal.body(self._source))

    def propose(self, proposal: Proposal) -> Document:
        """Run a trade cycle; `outcome` is executed or resting. Raises Blocked, Halted, Forbidden or Unconfirmed."""
        return self.call("POST", "/trade/cycle", proposal.body(self._source))

    def cancel(self, order_id: str, reason: str = "") -> Document:
        """Cancel a resting order. 409 CONFLICT when it no longer rests, also because an earlier try got through."""
        return self.call("POST", f"/orders/{order_id}/cancellation", {"reason": reason} if reason else {})

    def halt(self, reason: str) -> Document:
        """Stop the whole desk at once. Once this has returned, nothing fills. Safe to repeat, and repeated."""
        return self.call("POST", "/kill-switch", {"enabled": True, "reason": reason})

    def quotes(self, ticks: list[Document]) -> Document:
        """Send quotes. Not repeated when the answer is lost: they may have been stored."""
        return self.call("POST", "/market/ticks", {"ticks": ticks}, repeat=False)

    def items(self, path: str, **filters: str) -> Iterator[Document]:
        """Every row of a list, newest first, page by page: `desk.items("/orders", symbol="SOL-USDC")`."""
        cursor: str | None = ""
        while cursor is not None:
            query = urlencode({**filters, **({"cursor": cursor} if cursor else {})})
            page = self.call("GET", f"{path}?{query}" if query else path)
            yield from page["items"]
            cursor = page["next_cursor"]

    def call(self, method: str, path: str, body: Document | None = None, *, repeat: bool = True) -> Document:
        """One call of /v1, sent again as long as that is safe and there is patience."""
        deadline = time.monotonic() + self._patience
        pause = 0.25
        while True:
            try:
                return self._once(method, path, body)
            except DeskError as error:
                again = error.status == 429 or (repeat and isinstance(error, Unconfirmed))
                wait = pause * random.uniform(0.5, 1) if error.retry_after is None else error.retry_after  # noqa: S311
                if not again or time.monotonic() + wait > deadline:
                    raise
                log.info("%s; again in %.1f s", error, wait)
            time.sleep(wait)
            pause = min(pause * 2, 8)

    def _once(self, method: str, path: str, body: Document | None) -> Document:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = Request(f"{self._url}/v1{path}", data, headers, method=method)  # noqa: S310  # checked by __init__
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                found: Document = json.load(answer)
                return found
        except HTTPError as error:
            with error:
                raise _error(error.code, error.read(), error.headers.get("Retry-After")) from None
        except (URLError, HTTPException, OSError, ValueError) as error:
            lost = {"code": "NO_ANSWER", "message": f"no answer from {self._url}: {error}"}
            raise Unconfirmed(0, lost) from error


def _error(status: int, raw: bytes, retry_after: str | None) -> DeskError:
    """The error an answer stands for; one that is not the desk's own (a proxy's) confirms nothing."""
    wait = float(retry_after) if retry_after is not None and retry_after.isdecimal() else None
    try:
        error: Document = json.loads(raw)["error"]
        code = error["code"]
    except (ValueError, KeyError, TypeError):
        return Unconfirmed(status, {"code": "NO_ANSWER", "message": "this is not an answer of the desk"}, wait)
    if status >= 500:
        return Unconfirmed(status, error, wait)
    kinds = {"KILL_SWITCH_ACTIVE": Halted, "RISK_BLOCKED": Blocked, "STALE_MARKET_DATA": Blocked}
    kind = Forbidden if status in (401, 403) else kinds.get(code, DeskError)
    if kind is Forbidden and error.get("details", {}).get("rule") == "BOT_PAUSED":
        kind = Paused
    return kind(status, error, wait)


# --- the example bot ---
@dataclass
class DipBuyer:
    """Buys when the price is below its recent average and sells what it bought when it is above. Not to get rich by."""

    desk: Desk
    symbol: str
    notional: Decimal
    held: Decimal = Decimal(0)
    unanswered: Proposal | None = None

    def step(self) -> float:
        """Look, propose at most once, and say in how many seconds to look again."""
        proposal = self.unanswered or self.decide()
        if proposal is None:
            return 5
        self.unanswered = proposal  # until the desk has said what became of it
        try:
            done = self.desk.propose(proposal)
        except Halted as no:
            log.warning("%s %s", no, no.next)
            wait = 10.0
        except Paused as no:
            log.warning("%s %s", no, no.next)
            wait = 30.0
        except Blocked as no:
            log.info("blocked by %s: %s against %s. %s", no.rule, no.value, no.limit, no.next)
            wait = no.retry_after or 15
        except Unconfirmed as no:
            log.warning("not confirmed, so the same again later: %s", no)
            return 5
        else:
            for fill in done["fills"]:
                self.held += Decimal(fill["qty"]) * (1 if fill["side"] == "buy" else -1)
                log.info("%s %s at %s; holding %s", fill["side"], fill["qty"], fill["fill_price"], self.held)
            wait = 5
        self.unanswered = None
        return wait

    def decide(self) -> Proposal | None:
        """The newest price against the average of the last quotes."""
        page = self.desk.call("GET", f"/market/ticks?{urlencode({'symbol': self.symbol, 'limit': 60})}")
        mids = [Decimal(tick["mid_price"]) for tick in page["items"]]
        if len(mids) < 10:
            return None
        newest, average = mids[0], sum(mids) / len(mids)
        why: Document = {"newest": str(newest), "average": f"{average:.8f}", "quotes": len(mids)}
        if newest < average and not self.held:
            qty = (self.notional / newest).quantize(Decimal("0.0001"), ROUND_DOWN)
            return Proposal(self.symbol, "buy", str(qty), "0.7", why=why) if qty else None
        if newest > average and self.held:
            return Proposal(self.symbol, "sell", str(self.held), "0.7", why=why)
        return None


def main() -> int:
    """Run the example bot until Ctrl-C."""
    parser = argparse.ArgumentParser(description="The example bot of Paperdesk. The token comes from TOKEN.")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--symbol", default="SOL-USDC")
    parser.add_argument("--notional", type=Decimal, default=Decimal(100), help="USDC a trade")
    parser.add_argument("--steps", type=int, default=0, help="stop after so many looks at the market; 0: never")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    token = os.environ.get("TOKEN")
    if not token:
        parser.error("set TOKEN to the token of a bot with the scopes read and trade")
    bot = DipBuyer(Desk(given.url, token, source="example-bot"), given.symbol, given.notional)
    steps = range(given.steps) if given.steps else itertools.count()
    try:
        for _ in steps:
            time.sleep(bot.step())
    except DeskError as no:
        log.warning("%s %s", no, no.next)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
