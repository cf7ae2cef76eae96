"""`flask tokens`: what an operator reads of the bots, and how one of them is stopped."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from click.testing import Result
from sqlalchemy.orm import Session

from tests.services.desks import CALM, cycle, limits, quote, take
from webapp.services import tokens

Run = Callable[..., Result]


def test_the_list_says_what_each_bot_may_and_did(run: Run, session: Session) -> None:
    run("tokens", "create", "busy", "--scope", "trade", "--max-order-notional", "250.5", "--cycles-per-minute", "6")
    run("tokens", "create", "idle", "--scope", "read")
    run("tokens", "create", "gone", "--scope", "read")
    run("tokens", "revoke", "gone")
    limits(session, **CALM)
    take(session, quote(100))
    for qty in (1, 1, 100):
        cycle(session, qty=qty, by="token:busy")
    told = run("tokens", "list")
    assert told.exit_code == 0
    heading, idle, busy = told.output.splitlines()
    assert heading.split()[:3] == ["NAME", "STATE", "SCOPES"]
    assert re.fullmatch(r"idle +active +read +0 +0 +0 +0 +0 +no caps +never", idle)
    wanted = (
        r"busy +active +trade +3 +2 +1 \(1 MAX_ORDER_NOTIONAL\) +0 +0 +250.5 USDC an order, 6 cycles a minute +2026-.*"
    )
    assert re.fullmatch(wanted, busy)
    assert len(run("tokens", "list", "--all").output.splitlines()) == 4


def test_a_bot_is_paused_with_a_reason_and_resumed(run: Run, session: Session) -> None:
    run("tokens", "create", "bot", "--scope", "trade")
    assert run("tokens", "pause", "bot").exit_code == 2
    done = run("tokens", "pause", "bot", "--reason", "runs wild")
    assert (done.exit_code, done.output.strip()[-11:]) == (0, ": runs wild")
    assert re.search(r"^bot +paused", run("tokens", "list").output, re.MULTILINE)
    assert (run("tokens", "resume", "bot").output, run("tokens", "resume", "bot").exit_code) == (
        "token bot may go on\n",
        1,
    )
    assert run("tokens", "pause", "nobody", "--reason", "x").exit_code == 1


def test_caps_are_set_and_taken_away(run: Run) -> None:
    run("tokens", "create", "bot", "--scope", "trade")
    assert run("tokens", "cap", "bot", "--max-order-notional", "100").output == "token bot: 100 USDC an order\n"
    assert run("tokens", "cap", "bot").output == "token bot: no caps\n"
    for words in (("--max-order-notional", "0"), ("--max-order-notional", "1e3"), ("--cycles-per-minute", "0")):
        told = run("tokens", "cap", "bot", *words)
        assert told.exit_code in (1, 2)
        assert told.output.count("\n") == 1


def test_a_token_may_expire_by_itself(run: Run, session: Session) -> None:
    secret = run("tokens", "create", "bot", "--scope", "read", "--expires-in", "12h").stdout.strip()
    found = tokens.token_for(session, secret)
    assert found is not None
    assert found.expires_at is not None
    assert abs(found.expires_at - datetime.now(UTC) - timedelta(hours=12)) < timedelta(minutes=5)
    for span in ("12", "0d", "-1d", "1w", "99999d", "1d "):
        assert run("tokens", "create", "other", "--scope", "read", "--expires-in", span).exit_code == 2
