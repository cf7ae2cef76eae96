"""The checks of one smoke run: does the node answer, does the wallet exist there, would a signed transfer succeed."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from time import sleep
from typing import Any

from solders.hash import Hash, ParseHashError
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from webapp.smoke.rpc import RpcError, SolanaRpc

LAMPORTS_PER_SOL = 10**9
TRANSFER_LAMPORTS = 1_000_000
NEEDED_LAMPORTS = 2_000_000
"""The transfer, its fee, and what an account must keep so that it may exist (rent: 890,880)."""
AIRDROP_LAMPORTS = 100_000_000
AIRDROP_SECONDS = 8.0
"""A devnet confirms an airdrop within a few seconds, or not at all."""

LOCAL_GENESIS = str(Hash.hash(b"paperdesk local test chain"))
DEVNET_GENESIS = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"
CHAINS = {LOCAL_GENESIS: "local test chain", DEVNET_GENESIS: "devnet"}
NO_TEST_CHAINS = {
    "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d": "mainnet-beta",
    "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY": "testnet",
}
CONFIRMED = {"commitment": "confirmed"}


@dataclass(frozen=True)
class SmokeOutcome:
    """What a run found, as it is stored. ``rpc_latency_ms`` is None when the node gave no answer to time."""

    status: str
    rpc_latency_ms: int | None
    wallet_check: str
    tx_simulation: str

    @property
    def passed(self) -> bool:
        return self.status == "passed"


class CheckFailed(Exception):
    """A check that did not pass; the message is its reason."""


class _Run:
    """One run; each finding is written down when it is made, so that a failure keeps what was found before it."""

    def __init__(self, rpc: SolanaRpc, wallet: Keypair, transfer_lamports: int, pause: Callable[[float], None]) -> None:
        self.rpc, self.wallet, self.pause = rpc, wallet, pause
        self.transfer_lamports = transfer_lamports
        self.latency_ms: int | None = None
        self.wallet_check: str | None = None
        self.tx_simulation: str | None = None

    def outcome(self) -> SmokeOutcome:
        """Every check in turn; the first that fails ends the run, and the rest say why they were not run."""
        try:
            blockhash = self._check_node()
            chain = self._check_chain()
            self._check_wallet(chain)
            self._check_transfer(blockhash)
        except (RpcError, CheckFailed) as error:
            return self._failed(str(error))
        return SmokeOutcome("passed", self.latency_ms, self.wallet_check or "", self.tx_simulation or "")

    def _failed(self, reason: str) -> SmokeOutcome:
        wallet = self.wallet_check or f"failed: {reason}"
        simulation = f"failed: {reason}" if self.wallet_check else "not run, because the wallet check failed"
        return SmokeOutcome("failed", self.latency_ms, wallet, simulation)

    def _check_node(self) -> Hash:
        """A healthy node, timed on the question every transaction begins with; the connection is warm by then."""
        health = self.rpc.call("getHealth")
        if health != "ok":
            raise CheckFailed(f"getHealth: {self.rpc.host} says {str(health)[:60]!r} instead of 'ok'")
        begun = self.rpc.clock()
        answer = self.rpc.call("getLatestBlockhash", CONFIRMED)
        self.latency_ms = ceil((self.rpc.clock() - begun) * 1000)
        try:
            return Hash.from_string(_value("getLatestBlockhash", answer)["blockhash"])
        except (KeyError, TypeError, ValueError, ParseHashError):
            raise CheckFailed("getLatestBlockhash: the answer holds no blockhash") from None

    def _check_chain(self) -> str:
        """Which chain this is. Anything but a devnet is refused; a chain of one's own is fine on one's own machine."""
        genesis = str(self.rpc.call("getGenesisHash"))[:64]
        if genesis in CHAINS:
            return CHAINS[genesis]
        if genesis in NO_TEST_CHAINS or not self.rpc.is_local:
            raise CheckFailed(
                f"not a devnet: {self.rpc.host} is {NO_TEST_CHAINS.get(genesis, 'a chain of genesis ' + genesis)}"
            )
        return f"local chain of genesis {genesis}"

    def _check_wallet(self, chain: str) -> None:
        """The wallet's balance, after an airdrop when it cannot pay for the transfer."""
        address = str(self.wallet.pubkey())
        balance, how = self._balance(address), ""
        if balance < NEEDED_LAMPORTS:
            balance, how = self._airdrop(address, balance), " after an airdrop"
        self.wallet_check = f"{chain}: wallet {address} holds {_sol(balance)} SOL{how}"

    def _balance(self, address: str) -> int:
        value = _value("getBalance", self.rpc.call("getBalance", address, CONFIRMED))
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise CheckFailed("getBalance: the answer is no balance")
        return value

    def _airdrop(self, address: str, before: int) -> int:
        try:
            self.rpc.call("requestAirdrop", address, AIRDROP_LAMPORTS)
        except RpcError as error:
            raise CheckFailed(f"wallet {address} holds {_sol(before)} SOL and gets no more ({error})") from None
        end = self.rpc.clock() + AIRDROP_SECONDS
        while (balance := self._balance(address)) < NEEDED_LAMPORTS:
            if self.rpc.clock() > end:
                raise CheckFailed(f"wallet {address}: the airdrop did not arrive within {AIRDROP_SECONDS:.0f} s")
            self.pause(0.5)
        return balance

    def _check_transfer(self, blockhash: Hash) -> None:
        """A transfer to a fresh address, really signed, simulated with its signature checked, and never sent."""
        self.tx_simulation = None
        answer = self.rpc.call(
            "simulateTransaction",
            signed_transfer(self.wallet, blockhash, self.transfer_lamports),
            {"encoding": "base64", "sigVerify": True, **CONFIRMED},
        )
        value = _value("simulateTransaction", answer)
        if not isinstance(value, dict) or "err" not in value:
            raise CheckFailed("simulateTransaction: the answer is no simulation")
        amount = f"a signed transfer of {_sol(self.transfer_lamports)} SOL"
        if value["err"] is not None:
            raise CheckFailed(f"{amount} would fail with {str(value['err'])[:200]}{_last_log(value.get('logs'))}")
        self.tx_simulation = f"{amount} would succeed, using {value.get('unitsConsumed')} compute units"


def run_checks(
    rpc: SolanaRpc,
    wallet: Keypair | None = None,
    transfer_lamports: int = TRANSFER_LAMPORTS,
    pause: Callable[[float], None] = sleep,
) -> SmokeOutcome:
    """All checks against the node; never raises for anything the node does. A throwaway wallet when none is given."""
    return _Run(rpc, wallet or Keypair(), transfer_lamports, pause).outcome()


def signed_transfer(wallet: Keypair, blockhash: Hash, lamports: int) -> str:
    """A signed transfer to an address nobody has, in base64."""
    payment = TransferParams(from_pubkey=wallet.pubkey(), to_pubkey=Keypair().pubkey(), lamports=lamports)
    message = MessageV0.try_compile(wallet.pubkey(), [transfer(payment)], [], blockhash)
    return b64encode(bytes(VersionedTransaction(message, [wallet]))).decode()


def _value(method: str, answer: Any) -> Any:
    """The part of an answer that Solana wraps in its context."""
    if not isinstance(answer, dict) or "value" not in answer:
        raise CheckFailed(f"{method}: the answer has no value")
    return answer["value"]


def _last_log(logs: Any) -> str:
    """The program's own words about a failure: the line before the last says what, the last only that."""
    lines = [str(line) for line in logs if "insufficient" in str(line).lower()] if isinstance(logs, list) else []
    return f" ({lines[-1][:200]})" if lines else ""


def _sol(lamports: int) -> str:
    return f"{lamports // LAMPORTS_PER_SOL}.{lamports % LAMPORTS_PER_SOL:09}".rstrip("0").rstrip(".")
