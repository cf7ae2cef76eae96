"""Smoke runs against a real runtime over real HTTP, and against every way in which a node can fail."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

import pytest
from solders.keypair import Keypair

from webapp.smoke.checks import DEVNET_GENESIS, NO_TEST_CHAINS, SmokeOutcome, run_checks
from webapp.smoke.localnode import LocalNode
from webapp.smoke.rpc import RpcError, SolanaRpc

MAINNET = next(genesis for genesis, name in NO_TEST_CHAINS.items() if name == "mainnet-beta")
TESTNET = next(genesis for genesis, name in NO_TEST_CHAINS.items() if name == "testnet")


@pytest.fixture(scope="module")
def node() -> Iterator[LocalNode]:
    with LocalNode() as node:
        yield node


def checked(url: str, **options: Any) -> SmokeOutcome:
    with SolanaRpc(url, call_seconds=0.5) as rpc:
        return run_checks(rpc, **options)


@contextmanager
def http_server(handle: Callable[[BaseHTTPRequestHandler, bytes], None]) -> Iterator[str]:
    """A server whose every POST is answered by ``handle``, which gets the body, too."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            # Closing a connection with something unread resets it, and the answer with it.
            handle(self, self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def reply(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def altered(node: LocalNode, **answers: Any) -> Iterator[str]:
    """The real node behind a proxy that answers some methods itself: a value, or a function of the real answer."""

    def handle(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        question = json.loads(body)
        document = {"jsonrpc": "2.0", "id": question["id"]}
        if question["method"] in answers:
            told = answers[question["method"]]
            document |= told if isinstance(told, dict) and "error" in told else {"result": told}
        else:
            document["result"] = node.chain.answer(question["method"], question["params"])
        reply(handler, json.dumps(document).encode())

    with http_server(handle) as url:
        yield url


def test_healthy_node_passes_and_says_that_it_is_a_local_chain(node: LocalNode) -> None:
    wallet = Keypair()
    outcome = checked(node.url, wallet=wallet)
    assert outcome.passed
    assert outcome.rpc_latency_ms is not None
    assert 0 < outcome.rpc_latency_ms < 500
    assert outcome.wallet_check == f"local test chain: wallet {wallet.pubkey()} holds 0.1 SOL after an airdrop"
    assert outcome.tx_simulation == "a signed transfer of 0.001 SOL would succeed, using 150 compute units"


def test_second_run_with_the_same_wallet_needs_no_airdrop_and_costs_nothing(node: LocalNode) -> None:
    wallet = Keypair()
    checked(node.url, wallet=wallet)
    again = checked(node.url, wallet=wallet)
    assert again.passed
    assert again.wallet_check.endswith("holds 0.1 SOL")


def test_transfer_of_more_than_the_wallet_holds_fails_the_simulation_and_moves_nothing(node: LocalNode) -> None:
    wallet = Keypair()
    outcome = checked(node.url, wallet=wallet, transfer_lamports=5 * 10**9)
    assert not outcome.passed
    assert outcome.wallet_check.startswith("local test chain: wallet")
    assert "would fail with {'InstructionError': [0, {'Custom': 1}]}" in outcome.tx_simulation
    assert "insufficient lamports" in outcome.tx_simulation
    assert node.chain.answer("getBalance", [str(wallet.pubkey())])["value"] == 10**8


def test_node_is_told_to_check_the_signature(node: LocalNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without being told, a real node simulates without looking at it."""
    asked: dict[str, tuple[Any, ...]] = {}
    call = SolanaRpc.call

    def recorded(self: SolanaRpc, method: str, *params: Any) -> Any:
        asked[method] = params
        return call(self, method, *params)

    monkeypatch.setattr(SolanaRpc, "call", recorded)
    assert checked(node.url).passed
    assert asked["simulateTransaction"][1]["sigVerify"] is True
    assert "sendTransaction" not in asked


def test_dead_port_fails_with_its_reason_and_without_a_latency() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    outcome = checked(f"http://127.0.0.1:{port}")
    assert outcome.status == "failed"
    assert outcome.rpc_latency_ms is None
    assert "getHealth: 127.0.0.1 cannot be reached" in outcome.wallet_check
    assert outcome.tx_simulation == "not run, because the wallet check failed"


def test_host_that_does_not_exist_fails_with_its_reason() -> None:
    assert "cannot be reached" in checked("http://no-such-host.invalid").wallet_check


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://127.0.0.1:99999", "ftp://127.0.0.1", "nonsense"])
def test_address_that_is_none_fails_with_its_reason(url: str) -> None:
    outcome = checked(url)
    assert outcome.status == "failed"
    assert outcome.wallet_check.startswith("failed: ")


def test_hanging_node_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = monotonic()
        outcome = checked(f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert monotonic() - begun < 60
    assert "getHealth: no answer within 0.5 s" in outcome.wallet_check


def test_trickling_node_is_given_up_in_time() -> None:
    """Every byte comes in time, the answer never: a timeout that starts anew with each byte would wait for ever."""
    over = Event()

    def trickle(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not over.is_set():
            handler.wfile.write(b" ")
            handler.wfile.flush()
            sleep(0.05)

    with http_server(trickle) as url:
        begun = monotonic()
        outcome = checked(url)
        took = monotonic() - begun
        over.set()
    assert "no answer within 0.5 s" in outcome.wallet_check
    assert took < 60


def test_calls_of_one_run_share_its_time(node: LocalNode) -> None:
    ticks = iter(range(0, 10_000, 4))
    with SolanaRpc(node.url, run_seconds=10, clock=lambda: float(next(ticks))) as rpc:
        assert "no time left for this run" in run_checks(rpc).wallet_check


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"<html>502</html>", 200, "the answer is not JSON"),
        (b"", 200, "the answer is not JSON"),
        (b"\xff\xfe", 200, "the answer is not JSON"),
        (b"[" * 100_000, 200, "the answer is not JSON"),
        (b"[]", 200, "not one to this question"),
        (b'{"jsonrpc":"2.0","id":77,"result":"ok"}', 200, "not one to this question"),
        (b'{"jsonrpc":"2.0","id":1}', 200, "has no result"),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"Node is behind"}}', 200, "-32005: Node is behind"),
        (b'{"jsonrpc":"2.0","id":1,"error":"down"}', 200, "refused with None: down"),
        (b'{"jsonrpc":"2.0","id":1,"result":"behind"}', 200, "says 'behind' instead of 'ok'"),
        (b"too many requests", 429, "HTTP 429"),
        (b"", 301, "HTTP 301"),
        (b" " * (2 << 20), 200, "too large"),
    ],
)
def test_garbage_answer_fails_with_its_reason(body: bytes, status: int, reason: str) -> None:
    with http_server(lambda handler, _: reply(handler, body, status)) as url:
        outcome = checked(url)
    assert outcome.status == "failed"
    assert outcome.rpc_latency_ms is None
    assert reason in outcome.wallet_check
    assert "\n" not in outcome.wallet_check


@pytest.mark.parametrize("genesis", [MAINNET, TESTNET])
def test_mainnet_and_testnet_are_refused_before_any_wallet_is_asked_for(node: LocalNode, genesis: str) -> None:
    with altered(node, getGenesisHash=genesis, requestAirdrop={"error": {"code": 1, "message": "was asked"}}) as url:
        outcome = checked(url)
    assert outcome.status == "failed"
    assert outcome.wallet_check == f"failed: not a devnet: 127.0.0.1 is {NO_TEST_CHAINS[genesis]}"
    assert outcome.rpc_latency_ms is not None


def test_devnet_is_called_devnet(node: LocalNode) -> None:
    with altered(node, getGenesisHash=DEVNET_GENESIS) as url:
        assert checked(url).wallet_check.startswith("devnet: wallet ")


def test_unknown_chain_is_fine_on_this_machine_and_refused_elsewhere(node: LocalNode) -> None:
    with altered(node, getGenesisHash="GH7ome3EiwEr7tu9JuTh2dpYWBJK3z69Xm1ZE3MEE6JC") as url:
        with SolanaRpc(url) as rpc:
            assert run_checks(rpc).wallet_check.startswith("local chain of genesis GH7ome3E")
        with SolanaRpc(url) as rpc:
            rpc.is_local = False
            assert "not a devnet" in run_checks(rpc).wallet_check


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"getLatestBlockhash": {"context": {}}}, "getLatestBlockhash: the answer has no value"),
        ({"getLatestBlockhash": {"value": {"blockhash": "xx"}}}, "the answer holds no blockhash"),
        ({"getLatestBlockhash": {"value": None}}, "the answer holds no blockhash"),
        ({"getBalance": {"value": "1"}}, "getBalance: the answer is no balance"),
        ({"getBalance": {"value": -1}}, "getBalance: the answer is no balance"),
        ({"requestAirdrop": {"error": {"code": 429, "message": "airdrop limit"}}}, "holds 0 SOL and gets no more"),
    ],
)
def test_strange_answer_along_the_way_fails_the_wallet_check(node: LocalNode, answers: Any, reason: str) -> None:
    with altered(node, **answers) as url:
        outcome = checked(url)
    assert outcome.status == "failed"
    assert reason in outcome.wallet_check


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"value": {}}, "no simulation"),
        ({"value": None}, "no simulation"),
        ({"value": {"err": "AccountNotFound", "logs": None}}, "would fail with AccountNotFound"),
        ({"error": {"code": -32003, "message": "signature failure"}}, "refused with -32003: signature failure"),
    ],
)
def test_strange_simulation_fails_only_the_simulation(node: LocalNode, answer: Any, reason: str) -> None:
    with altered(node, simulateTransaction=answer) as url:
        outcome = checked(url)
    assert outcome.status == "failed"
    assert outcome.wallet_check.startswith("local test chain: wallet")
    assert reason in outcome.tx_simulation


def test_airdrop_that_never_arrives_is_given_up(node: LocalNode) -> None:
    time = [0.0]

    def pause(seconds: float) -> None:
        time[0] += seconds

    with altered(node, requestAirdrop="sig") as url, SolanaRpc(url, clock=lambda: time[0]) as rpc:
        outcome = run_checks(rpc, pause=pause)
    assert "the airdrop did not arrive within 8 s" in outcome.wallet_check
    assert time[0] < 10


def test_access_key_in_the_address_is_not_written_down() -> None:
    outcome = checked("http://127.0.0.1:9/?api-key=s3cret")
    assert "s3cret" not in outcome.wallet_check + outcome.tx_simulation


def test_answer_with_control_characters_is_written_on_one_line(node: LocalNode) -> None:
    with altered(node, getHealth={"error": {"code": 1, "message": "a\nb\x1b[31m" + "c" * 500}}) as url:
        check = checked(url).wallet_check
    assert check.isprintable()
    assert len(check) < 300


def test_method_the_node_does_not_know_is_refused(node: LocalNode) -> None:
    with SolanaRpc(node.url) as rpc, pytest.raises(RpcError, match="getSupply: refused with -32601: Method not found"):
        rpc.call("getSupply")
