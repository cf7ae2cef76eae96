"""Smoke runs as the desk stores them: whatever happens, one row, and nothing else."""

import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from solders.keypair import Keypair
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from webapp.models import Base, DevnetSmokeRun
from webapp.services import smoke
from webapp.services.leadership import Fenced, Lease
from webapp.smoke import rpc
from webapp.smoke.localnode import LocalNode
from webapp.smoke.wallet import BadWallet, load_wallet

NOWHERE = "http://127.0.0.1:9"
NOW = datetime(2025, 11, 20, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def node() -> Iterator[LocalNode]:
    with LocalNode() as node:
        yield node


def counts(session: Session) -> dict[str, int]:
    return {name: session.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one() for name in Base.metadata.tables}


def test_run_of_an_engine_that_leads_no_more_is_not_stored(session: Session) -> None:
    session.execute(text("INSERT INTO engine_lease (id, epoch, holder, beat_at) VALUES (1, 8, 'other', now())"))
    session.commit()
    smoke.run(session, NOWHERE, by="engine", lease=Lease(8, "other"))
    with pytest.raises(Fenced):
        smoke.run(session, NOWHERE, by="engine", lease=Lease(7, "was frozen"))
    session.rollback()
    assert counts(session)["devnet_smoke_runs"] == 1


def test_passed_run_is_stored_and_given_back(session: Session, node: LocalNode) -> None:
    row = smoke.run(session, node.url, by="user:olga", now=NOW)
    assert (row["status"], row["ran_at"]) == ("passed", NOW)
    assert row["rpc_latency_ms"] >= 0
    stored = session.get_one(DevnetSmokeRun, row["run_id"])
    assert stored.wallet_check == row["wallet_check"]
    assert "local test chain" in (stored.wallet_check or "")
    assert "would succeed" in (stored.tx_simulation or "")


def test_unreachable_node_is_a_stored_failed_run_with_its_reason(session: Session) -> None:
    row = smoke.run(session, NOWHERE, by="engine")
    assert (row["status"], row["rpc_latency_ms"]) == ("failed", None)
    assert "cannot be reached" in row["wallet_check"]
    assert session.execute(text("SELECT clock_timestamp() - ran_at FROM devnet_smoke_runs")).scalar_one() < timedelta(
        minutes=1
    )


def test_smoke_run_writes_its_row_and_nothing_else(session: Session, node: LocalNode) -> None:
    before = counts(session)
    smoke.run(session, node.url, by="cli")
    smoke.run(session, NOWHERE, by="cli")
    assert counts(session) == before | {"devnet_smoke_runs": before["devnet_smoke_runs"] + 2}


def test_no_address_is_the_public_devnet(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Nowhere(rpc.SolanaRpc):
        def __init__(self, url: str) -> None:
            asked.append(url)
            super().__init__(NOWHERE)

    monkeypatch.setattr(rpc, "SolanaRpc", Nowhere)
    smoke.run(session, None, by="cli")
    assert asked == ["https://api.devnet.solana.com"]


def test_no_transaction_is_open_while_the_node_is_waited_for(
    session: Session, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.execute(text("SELECT 1"))  # a page has read something
    open_transactions: list[bool] = []
    asked = rpc.SolanaRpc.call

    def call(self: rpc.SolanaRpc, *arguments: object) -> object:
        open_transactions.append(session.in_transaction())
        return asked(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rpc.SolanaRpc, "call", call)
    smoke.run(session, NOWHERE, by="cli")
    assert open_transactions == [False]


def test_kept_wallet_is_the_same_from_run_to_run(session: Session, node: LocalNode, tmp_path: Path) -> None:
    kept = tmp_path / "instance" / "smoke-wallet.json"
    first, second = (smoke.run(session, node.url, by="cli", wallet_file=kept)["wallet_check"] for _ in range(2))
    assert first == f"{second} after an airdrop"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_wallet_of_solanas_own_tools_is_read(tmp_path: Path) -> None:
    wallet = Keypair()
    path = tmp_path / "id.json"
    path.write_text(json.dumps(list(bytes(wallet))))
    assert load_wallet(path) == wallet


@pytest.mark.parametrize("content", ["", "{}", "[1,2,3]", "[256]", '"text"', "[null]"])
def test_unusable_wallet_is_a_failed_run_that_names_the_file(session: Session, tmp_path: Path, content: str) -> None:
    path = tmp_path / "wallet.json"
    path.write_text(content)
    with pytest.raises(BadWallet, match=r"wallet\.json: is not a usable Solana key file"):
        load_wallet(path)
    row = smoke.run(session, NOWHERE, by="cli", wallet_file=path)
    assert row["status"] == "failed"
    assert str(path) in row["wallet_check"]


def test_two_processes_that_make_the_wallet_at_once_agree_on_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wallet.json"
    other = load_wallet(path)
    monkeypatch.setattr(Path, "exists", lambda _: False)  # this process looked before the other one wrote
    assert load_wallet(path) == other
    assert list(tmp_path.iterdir()) == [path]
