"""`flask smoke run` and `flask smoke node`, as an operator meets them."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from apiflask import APIFlask
from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.cli.smoke import smoke
from webapp.config import Config
from webapp.smoke.checks import run_checks
from webapp.smoke.localnode import LocalNode
from webapp.smoke.rpc import SolanaRpc


@pytest.fixture(scope="module")
def node() -> Iterator[LocalNode]:
    with LocalNode() as node:
        yield node


@pytest.fixture
def settings(settings: Config, request: pytest.FixtureRequest) -> Config:
    """The desk's settings with the node of this test: the local one, unless the test names another."""
    url = getattr(request, "param", None) or request.getfixturevalue("node").url
    return settings.model_copy(update={"solana_rpc_url": url})


def test_smoke_run_says_in_one_line_what_it_found_and_stores_it(app: APIFlask, session: Session) -> None:
    done = app.test_cli_runner().invoke(smoke, ["run"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("smoke run passed: ")
    assert "local test chain" in done.output
    assert done.output.count("\n") == 1
    assert session.execute(text("SELECT status FROM devnet_smoke_runs")).scalars().all() == ["passed"]


@pytest.mark.parametrize("settings", ["http://127.0.0.1:9"], indirect=True)
def test_smoke_run_that_fails_exits_with_1_and_is_stored(app: APIFlask, session: Session) -> None:
    done = app.test_cli_runner().invoke(smoke, ["run"])
    assert done.exit_code == 1
    assert "smoke run failed: no answer; failed: getHealth: 127.0.0.1 cannot be reached" in done.output
    assert session.execute(text("SELECT status FROM devnet_smoke_runs")).scalars().all() == ["failed"]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_smoke_node_serves_until_it_is_stopped(ending: signal.Signals) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-c", "from webapp.cli.smoke import node; node()", "--port", str(port)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"local test chain (not the devnet) at http://127.0.0.1:{port}\n"
        with SolanaRpc(f"http://127.0.0.1:{port}") as rpc:
            assert run_checks(rpc).passed
        process.send_signal(ending)
        assert process.wait(10) == 0
        assert process.stdout.read() == "the local test chain has stopped\n"


def test_smoke_node_on_a_taken_port_says_so(node: LocalNode, app: APIFlask) -> None:
    done = app.test_cli_runner().invoke(smoke, ["node", "--port", str(node.server_address[1])])
    assert done.exit_code == 1
    assert done.output == f"Error: cannot listen on {node.url.removeprefix('http://')}: Address already in use\n"
