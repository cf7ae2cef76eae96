"""A Solana node of one's own: JSON-RPC over HTTP in front of LiteSVM, the real runtime without a network.

Signatures are checked and programs run; it lacks consensus, other validators and a disk. By its genesis hash and its
version it says of itself that it is a local test chain.
"""

import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self

from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata, TransactionMetadata
from solders.transaction_status import (
    InstructionErrorCustom,
    TransactionErrorFieldless,
    TransactionErrorInstructionError,
)

from webapp.smoke.checks import LAMPORTS_PER_SOL, LOCAL_GENESIS

VERSION = "paperdesk local test chain (LiteSVM)"
LARGEST_BODY = 64 * 1024
LARGEST_AIRDROP = 10 * LAMPORTS_PER_SOL
PATIENCE_SECONDS = 10
BLOCKHASH_SLOTS = 150

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
TRANSACTION_FAILED = -32002


class Refused(Exception):
    """A question the node does not answer, with JSON-RPC's code for it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Chain:
    """The methods of the node by their JSON-RPC names."""

    def __init__(self) -> None:
        self._svm = LiteSVM()
        # LiteSVM is one machine: requests of several connections take turns.
        self._lock = Lock()
        self._methods: dict[str, Callable[[list[Any]], Any]] = {
            "getHealth": lambda _: "ok",
            "getVersion": lambda _: {"solana-core": VERSION, "feature-set": 0},
            "getGenesisHash": lambda _: LOCAL_GENESIS,
            "getLatestBlockhash": self._latest_blockhash,
            "getBalance": self._balance,
            "requestAirdrop": self._airdrop,
            "simulateTransaction": self._simulate,
            "sendTransaction": self._send,
        }

    def answer(self, method: object, params: object) -> Any:
        """The result of one call. Raises :class:`Refused`."""
        run = self._methods.get(method) if isinstance(method, str) else None
        if run is None:
            raise Refused(METHOD_NOT_FOUND, "Method not found")
        if not isinstance(params, list):
            raise Refused(INVALID_PARAMS, "Invalid params: expected a list")
        with self._lock:
            return run(params)

    def _in_context(self, value: Any) -> dict[str, Any]:
        return {"context": {"slot": self._svm.get_clock().slot, "apiVersion": VERSION}, "value": value}

    def _latest_blockhash(self, _params: list[Any]) -> Any:
        height = self._svm.get_clock().slot + BLOCKHASH_SLOTS
        return self._in_context({"blockhash": str(self._svm.latest_blockhash()), "lastValidBlockHeight": height})

    def _balance(self, params: list[Any]) -> Any:
        return self._in_context(self._svm.get_balance(_address(params)) or 0)

    def _airdrop(self, params: list[Any]) -> str:
        address, lamports = _address(params), params[1] if len(params) > 1 else None
        if not isinstance(lamports, int) or not 0 < lamports <= LARGEST_AIRDROP:
            raise Refused(INVALID_PARAMS, f"Invalid params: lamports must be from 1 to {LARGEST_AIRDROP}")
        outcome = self._svm.airdrop(address, lamports)
        if (
            isinstance(outcome, FailedTransactionMetadata)
            and outcome.err() == TransactionErrorFieldless.AlreadyProcessed
        ):
            # The same amount to the same wallet again is the same transaction, unless the blockhash is another.
            self._svm.expire_blockhash()
            outcome = self._svm.airdrop(address, lamports)
        return _signature(outcome)

    def _simulate(self, params: list[Any]) -> Any:
        outcome = self._svm.simulate_transaction(_transaction(params))
        meta = outcome.meta()
        error = _error(outcome.err()) if isinstance(outcome, FailedTransactionMetadata) else None
        return self._in_context(
            {
                "err": error,
                "logs": meta.logs(),
                "accounts": None,
                "unitsConsumed": meta.compute_units_consumed(),
                "returnData": None,
            }
        )

    def _send(self, params: list[Any]) -> str:
        return _signature(self._svm.send_transaction(_transaction(params)))


def _signature(outcome: TransactionMetadata | FailedTransactionMetadata) -> str:
    if isinstance(outcome, FailedTransactionMetadata):
        raise Refused(TRANSACTION_FAILED, f"Transaction failed: {json.dumps(_error(outcome.err()))}")
    return str(outcome.signature())


def _address(params: list[Any]) -> Pubkey:
    try:
        return Pubkey.from_string(params[0])
    except (IndexError, TypeError, ValueError):
        raise Refused(INVALID_PARAMS, "Invalid params: the first must be an address in base58") from None


def _transaction(params: list[Any]) -> VersionedTransaction:
    options = params[1] if len(params) > 1 and isinstance(params[1], dict) else {}
    if options.get("encoding") != "base64":
        raise Refused(INVALID_PARAMS, "Invalid params: this node reads transactions in encoding base64 only")
    try:
        return VersionedTransaction.from_bytes(b64decode(params[0], validate=True))
    except (IndexError, TypeError, ValueError, Base64Error):
        raise Refused(INVALID_PARAMS, "Invalid params: the first must be a transaction in base64") from None


def _error(error: Any) -> Any:
    """A transaction's error in the form nodes give it, such as {"InstructionError": [0, {"Custom": 1}]}."""
    if isinstance(error, TransactionErrorFieldless):
        return _last_word(error)
    name = type(error).__name__.removeprefix("TransactionError")
    if not isinstance(error, TransactionErrorInstructionError):
        return {name: json.loads(error.to_json())}
    custom = error.err.code if isinstance(error.err, InstructionErrorCustom) else None
    return {name: [error.index, _last_word(error.err) if custom is None else {"Custom": custom}]}


def _last_word(value: object) -> str:
    """`InstructionErrorFieldless.InvalidArgument` is just InvalidArgument to a node."""
    return str(value).rpartition(".")[2]


class _Handler(BaseHTTPRequestHandler):
    """One JSON-RPC call a request; batches are refused."""

    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_SECONDS
    # Headers and body in one packet: in two, the caller's delayed acknowledgement adds 40 ms to every answer.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "LocalNode"

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            self.close_connection = True
            self.send_error(413 if length.isdecimal() else 411)
            return
        body = json.dumps(self._answer(self.rfile.read(int(length)))).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, body: bytes) -> dict[str, Any]:
        number = None
        try:
            question = _question(body)
            number = question.get("id")
            result = self.server.chain.answer(question.get("method"), question.get("params", []))
        except Refused as refusal:
            return {"jsonrpc": "2.0", "id": number, "error": {"code": refusal.code, "message": str(refusal)}}
        return {"jsonrpc": "2.0", "id": number, "result": result}

    def log_message(self, *_: object) -> None:
        """A node that is asked every few seconds has nothing to say about it."""


def _question(body: bytes) -> dict[str, Any]:
    try:
        question = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(PARSE_ERROR, "Parse error") from None
    if not isinstance(question, dict) or question.get("jsonrpc") != "2.0":
        raise Refused(INVALID_REQUEST, "Invalid request")
    return question


class LocalNode(ThreadingHTTPServer):
    """The node. `serve_forever` runs it here; as a context manager it runs beside its caller."""

    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((host, port), _Handler)
        self.chain = Chain()

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="local-node", daemon=True).start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()
