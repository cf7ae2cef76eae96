"""The local test chain: real signatures and a real runtime, and it never falls over what it is asked."""

import json
import socket
from base64 import b64decode, b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from solders.hash import Hash
from solders.keypair import Keypair

from webapp.smoke.checks import LOCAL_GENESIS, signed_transfer
from webapp.smoke.localnode import VERSION, LocalNode
from webapp.smoke.rpc import RpcError, SolanaRpc

BASE64 = {"encoding": "base64"}


@pytest.fixture(scope="module")
def node() -> Iterator[LocalNode]:
    with LocalNode() as node:
        yield node


@pytest.fixture
def rpc(node: LocalNode) -> Iterator[SolanaRpc]:
    with SolanaRpc(node.url) as rpc:
        yield rpc


@pytest.fixture
def wallet(rpc: SolanaRpc) -> Keypair:
    wallet = Keypair()
    rpc.call("requestAirdrop", str(wallet.pubkey()), 10**9)
    return wallet


def blockhash(rpc: SolanaRpc) -> Hash:
    return Hash.from_string(rpc.call("getLatestBlockhash")["value"]["blockhash"])


def simulated(rpc: SolanaRpc, transaction: str) -> Any:
    return rpc.call("simulateTransaction", transaction, BASE64)["value"]


def test_node_says_what_it_is(rpc: SolanaRpc) -> None:
    assert rpc.call("getHealth") == "ok"
    assert rpc.call("getVersion")["solana-core"] == VERSION
    assert "local test chain" in VERSION
    assert rpc.call("getGenesisHash") == LOCAL_GENESIS


def test_simulation_checks_and_moves_nothing(rpc: SolanaRpc, wallet: Keypair) -> None:
    value = simulated(rpc, signed_transfer(wallet, blockhash(rpc), 10**6))
    assert (value["err"], value["unitsConsumed"]) == (None, 150)
    assert rpc.call("getBalance", str(wallet.pubkey()))["value"] == 10**9


def test_simulation_of_an_overdraft_fails_as_on_a_real_node(rpc: SolanaRpc, wallet: Keypair) -> None:
    value = simulated(rpc, signed_transfer(wallet, blockhash(rpc), 2 * 10**9))
    assert value["err"] == {"InstructionError": [0, {"Custom": 1}]}
    assert any("insufficient lamports" in line for line in value["logs"])


def test_forged_signature_is_refused(rpc: SolanaRpc, wallet: Keypair) -> None:
    forged = bytearray(b64decode(signed_transfer(wallet, blockhash(rpc), 10**6)))
    forged[5] ^= 1
    assert simulated(rpc, b64encode(forged).decode())["err"] == "SignatureFailure"


def test_unknown_blockhash_wallet_and_rent_are_refused_by_name(rpc: SolanaRpc, wallet: Keypair) -> None:
    assert simulated(rpc, signed_transfer(wallet, Hash.new_unique(), 10**6))["err"] == "BlockhashNotFound"
    assert simulated(rpc, signed_transfer(Keypair(), blockhash(rpc), 10**6))["err"] == "AccountNotFound"
    assert simulated(rpc, signed_transfer(wallet, blockhash(rpc), 1))["err"] == {
        "InsufficientFundsForRent": {"account_index": 1}
    }


def test_sent_transaction_moves_money_and_is_not_taken_twice(rpc: SolanaRpc, wallet: Keypair) -> None:
    transaction = signed_transfer(wallet, blockhash(rpc), 10**6)
    assert rpc.call("sendTransaction", transaction, BASE64)
    assert rpc.call("getBalance", str(wallet.pubkey()))["value"] == 10**9 - 10**6 - 5000
    with pytest.raises(RpcError, match="-32002"):
        rpc.call("sendTransaction", transaction, BASE64)


def test_airdrops_to_one_wallet_add_up(rpc: SolanaRpc, wallet: Keypair) -> None:
    rpc.call("requestAirdrop", str(wallet.pubkey()), 10**9)
    assert rpc.call("getBalance", str(wallet.pubkey()))["value"] == 2 * 10**9


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("getBalance", []),
        ("getBalance", ["xx"]),
        ("getBalance", [7]),
        ("requestAirdrop", ["11111111111111111111111111111111"]),
        ("requestAirdrop", ["11111111111111111111111111111111", -1]),
        ("requestAirdrop", ["11111111111111111111111111111111", 10**30]),
        ("requestAirdrop", ["11111111111111111111111111111111", "1"]),
        ("simulateTransaction", []),
        ("simulateTransaction", ["AAAA"]),
        ("simulateTransaction", ["AAAA", BASE64]),
        ("simulateTransaction", ["not base64!", BASE64]),
        ("simulateTransaction", [None, BASE64]),
        ("sendTransaction", ["AAAA", BASE64]),
    ],
)
def test_bad_parameters_are_refused_not_fatal(rpc: SolanaRpc, method: str, params: list[Any]) -> None:
    with pytest.raises(RpcError, match="-32602: Invalid params"):
        rpc.call(method, *params)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff", -32700),
        (b"[" * 60_000, -32700),
        (b"[]", -32600),
        (b"7", -32600),
        (b'{"method":"getHealth","id":1}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":["getHealth"]}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"__init__"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"getHealth","params":{}}', -32602),
    ],
)
def test_request_that_is_no_call_is_refused_with_its_code(node: LocalNode, body: bytes, code: int) -> None:
    answer = httpx2.post(node.url, content=body, trust_env=False)
    assert answer.status_code == 200
    assert answer.json()["error"]["code"] == code


def test_body_without_a_length_or_too_large_is_refused(node: LocalNode) -> None:
    assert httpx2.post(node.url, content=b" " * 100_000, trust_env=False).status_code == 413
    with socket.create_connection(("127.0.0.1", node.server_address[1]), timeout=5) as raw:
        raw.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n")
        assert b" 411 " in raw.recv(200)


def test_only_posts_are_answered(node: LocalNode) -> None:
    assert httpx2.get(node.url, trust_env=False).status_code == 501


def test_many_callers_at_once_are_all_answered(node: LocalNode) -> None:
    def work(_: int) -> int:
        with SolanaRpc(node.url) as rpc:
            wallet = str(Keypair().pubkey())
            rpc.call("requestAirdrop", wallet, 10**7)
            return int(rpc.call("getBalance", wallet)["value"])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(40))) == [10**7] * 40


def test_port_in_use_is_an_error_at_once(node: LocalNode) -> None:
    with pytest.raises(OSError, match="in use"):
        LocalNode(port=int(node.server_address[1]))


def test_answers_carry_the_question_s_id(node: LocalNode) -> None:
    for number in (7, "seven", None):
        body = json.dumps({"jsonrpc": "2.0", "id": number, "method": "getHealth"})
        assert httpx2.post(node.url, content=body, trust_env=False).json()["id"] == number
