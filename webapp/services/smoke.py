"""Smoke runs: check the Solana node and write down what was found. They never touch the paper books."""

import logging
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import RowMapping, insert
from sqlalchemy.orm import Session

from webapp.models import DevnetSmokeRun
from webapp.services import leadership
from webapp.services.leadership import Lease
from webapp.services.transaction import database_now, transaction

if TYPE_CHECKING:
    from webapp.smoke.checks import SmokeOutcome

log = logging.getLogger(__name__)
RUNS: Any = DevnetSmokeRun.__table__


def run(
    session: Session,
    rpc_url: str | None,
    by: str,
    now: datetime | None = None,
    wallet_file: Path | None = None,
    lease: Lease | None = None,
) -> RowMapping:
    """Check the node (the public devnet when None) and store the outcome, whatever it is; gives the stored row.

    ``wallet_file`` keeps the wallet from run to run, so that the devnet's faucet is asked once. With a ``lease``,
    raises :class:`Fenced` instead of storing anything when another engine has taken over meanwhile.
    """
    # A page may have read through this session: its transaction must not stay open while a node is waited for.
    session.rollback()
    outcome = _outcome(rpc_url, wallet_file)
    with transaction(session):
        leadership.hold(session, lease)
        row = session.execute(
            insert(RUNS)
            .values(
                run_id=uuid4(),
                status=outcome.status,
                rpc_latency_ms=outcome.rpc_latency_ms,
                wallet_check=outcome.wallet_check,
                tx_simulation=outcome.tx_simulation,
                ran_at=now or database_now(session),
            )
            .returning(RUNS)
        )
        stored = row.mappings().one()
    log.info("smoke run by %s: %s", by, outcome.status)
    return stored


def _outcome(rpc_url: str | None, wallet_file: Path | None) -> "SmokeOutcome":
    # Here, because Solana's library and an HTTP client take 26 MB, and most processes never run a check.
    from webapp.smoke.checks import SmokeOutcome, run_checks
    from webapp.smoke.rpc import PUBLIC_DEVNET, SolanaRpc
    from webapp.smoke.wallet import BadWallet, load_wallet

    try:
        wallet = load_wallet(wallet_file)
    except BadWallet as error:
        return SmokeOutcome("failed", None, f"failed: {error.message}", "not run, because the wallet check failed")
    with SolanaRpc(rpc_url or PUBLIC_DEVNET) as rpc:
        return run_checks(rpc, wallet)
