"""The client that bots copy: one file of the standard library that trades once, whatever the network does."""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.api.conftest import ALL, Bot
from webapp import client
from webapp.client import Blocked, Desk, DeskError, DipBuyer, Forbidden, Halted, Paused, Proposal, Unconfirmed
from webapp.services import tokens

SOL = "SOL-USDC"
BUY = ("buy", "1", "0.9")


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No test waits for real; gives the pauses the client made."""
    pauses: list[float] = []
    monkeypatch.setattr(client, "time", SimpleNamespace(sleep=pauses.append, monotonic=time.monotonic))
    return pauses


@pytest.fixture
def desk(live_server: str, bearer: Callable[..., dict[str, str]]) -> Desk:
    secret = bearer(*ALL)["Authorization"].removeprefix("Bearer ")
    return Desk(live_server, secret, patience=1)


def test_the_file_runs_alone_without_a_package_beside_it(tmp_path: Path) -> None:
    copy = shutil.copy(client.__file__, tmp_path / "anything.py")
    words = [sys.executable, "-I", "-S", copy, "--help"]
    done = subprocess.run(words, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--symbol" in done.stdout


def test_a_proposal_is_checked_traded_and_found_again(desk: Desk, bot: Bot, session: Session) -> None:
    bot.quote()
    proposal = Proposal(SOL, *BUY, why={"model": "m-1"})
    assert desk.check(proposal)["allowed"] is True
    done = desk.propose(proposal)
    assert done["outcome"] == "executed"
    assert desk.propose(proposal) == done
    assert session.execute(text("SELECT count(*) FROM fills")).scalar_one() == 1
    assert [order["status"] for order in desk.items("/orders", symbol=SOL, limit="1")] == ["executed"]
    assert desk.status()["mode"] == "paper"


def test_every_page_of_a_list_is_followed(desk: Desk, bot: Bot) -> None:
    for ago in range(7):
        bot.quote(ago=ago)
    assert len(list(desk.items("/market/ticks", limit="3"))) == 7


def test_refusals_have_names_numbers_and_advice(desk: Desk, bot: Bot, session: Session) -> None:
    with pytest.raises(Blocked) as stale:
        desk.propose(Proposal(SOL, *BUY))
    assert (stale.value.rule, stale.value.limit) == ("STALE_MARKET_DATA", 30)
    bot.quote()
    desk.propose(Proposal(SOL, *BUY))
    with pytest.raises(Blocked) as blocked:
        desk.propose(Proposal(SOL, *BUY))
    assert (blocked.value.rule, blocked.value.limit) == ("COOLDOWN_SECONDS", Decimal(60))
    assert 50 < (blocked.value.retry_after or 0) <= 60
    assert "new idempotency_key" in blocked.value.next
    reused = Proposal(SOL, "buy", "2", "0.9", key=Proposal(SOL, *BUY).key)
    with pytest.raises(Blocked):
        desk.propose(reused)
    with pytest.raises(DeskError) as conflict:
        desk.propose(Proposal(SOL, "buy", "3", "0.9", key=reused.key))
    assert conflict.value.code == "CONFLICT"
    desk.halt("test")
    with pytest.raises(Halted) as halted:
        desk.propose(Proposal(SOL, *BUY))
    assert "released" in halted.value.next
    own = next(one["name"] for one in desk.items("/bots") if one["cycles"])
    tokens.pause_token(session, own, "test", "test")
    with pytest.raises(Paused):
        desk.propose(Proposal(SOL, *BUY))
    with pytest.raises(Forbidden):
        Desk(desk._url, "unknown").status()


class Script:
    """A server that answers as it is told, and notes what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"] or 0)
                script.asked.append(json.loads(self.rfile.read(length) or b"null"))
                status, headers, body = script.answers.pop(0)
                if status is None:
                    self.connection.close()
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def scripted() -> Iterator[Callable[..., Script]]:
    made: list[Script] = []

    def make(*answers: Any) -> Script:
        made.append(Script(*answers))
        return made[-1]

    yield make
    for script in made:
        script.server.shutdown()
        script.server.server_close()


def error(status: int, code: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    body = {"error": {"code": code, "message": "no", "details": {}}}
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(body).encode()


DONE = (202, {}, b'{"outcome": "executed", "fills": []}')
LOST = (None, {}, b"")
PROXY = (502, {}, b"<html>bad gateway</html>")


def test_after_429_503_a_lost_answer_and_a_broken_proxy_the_same_body_is_sent_again(
    scripted: Callable[..., Script], hurry: list[float]
) -> None:
    script = scripted(
        error(429, "RATE_LIMITED", Retry_After="7"), error(503, "UNAVAILABLE", Retry_After="2"), LOST, PROXY, DONE
    )
    assert Desk(script.url, "t").propose(Proposal(SOL, *BUY))["outcome"] == "executed"
    assert len(script.asked) == 5
    assert len({json.dumps(body) for body in script.asked}) == 1
    assert hurry[:2] == [7, 2]
    assert all(0 < pause <= 8 for pause in hurry[2:])


def test_patience_ends_and_says_that_nothing_is_known(scripted: Callable[..., Script]) -> None:
    script = scripted(*[error(503, "UNAVAILABLE", Retry_After="40")] * 9)
    with pytest.raises(Unconfirmed):
        Desk(script.url, "t", patience=30).propose(Proposal(SOL, *BUY))
    assert len(script.asked) == 1


def test_quotes_are_not_sent_twice_and_what_is_wrong_not_again(scripted: Callable[..., Script]) -> None:
    script = scripted(LOST, error(400, "BAD_REQUEST"))
    desk = Desk(script.url, "t")
    with pytest.raises(Unconfirmed):
        desk.quotes([])
    with pytest.raises(DeskError):
        desk.propose(Proposal(SOL, *BUY))
    assert len(script.asked) == 2


def test_a_redirect_never_gets_the_token(scripted: Callable[..., Script]) -> None:
    elsewhere = scripted(DONE)
    for status in (301, 302, 303, 307, 308):
        away = (status, {"Location": f"{elsewhere.url}/v1/elsewhere"}, b"")
        desk = Desk(scripted(away, away).url, "t", patience=0)
        for ask in (desk.status, lambda desk=desk: desk.propose(Proposal(SOL, *BUY))):
            with pytest.raises(Unconfirmed):
                ask()
    assert elsewhere.asked == []


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="http"):
        Desk("file:///etc/passwd", "t")


def test_the_example_bot_trades_waits_where_told_and_asks_again_under_the_same_key(
    desk: Desk, bot: Bot, session: Session, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ago in range(12, 0, -1):
        bot.quote(ago=ago / 10)
    bot.quote("98.99", "99.01")
    buyer = DipBuyer(desk, SOL, Decimal(100))
    answered = desk.propose

    def lost(proposal: Proposal) -> Any:
        answered(proposal)
        raise Unconfirmed(0, {"code": "NO_ANSWER", "message": "lost"})

    monkeypatch.setattr(desk, "propose", lost)
    assert buyer.step() == 5
    assert buyer.unanswered is not None
    assert buyer.held == 0
    monkeypatch.setattr(desk, "propose", answered)
    assert buyer.step() == 5
    assert (buyer.held, buyer.unanswered) == (Decimal("1.0101"), None)
    assert session.execute(text("SELECT count(*), sum(qty) FROM fills")).one() == (1, Decimal("1.0101"))
    session.rollback()
    bot.quote("100.49", "100.51")
    desk.halt("test")
    assert buyer.step() == 10
    assert buyer.held == Decimal("1.0101")
