"""`flask smoke`: check the Solana node, or be one."""

import signal
from threading import Thread

import click
from flask import current_app
from flask.cli import AppGroup

from webapp.config import Config
from webapp.extensions import db

smoke = AppGroup("smoke", help="Operational checks against a Solana node.")


@smoke.command("run")
def run() -> None:
    """Run the checks once and store what they found; exit status 1 when they failed."""
    # Here, because Solana's library is large and no other command needs it.
    from webapp.services import smoke as service

    config: Config = current_app.config["PAPERDESK"]
    row = service.run(db.session(), config.solana_rpc_url, by="cli", wallet_file=config.smoke_wallet)
    latency = "no answer" if row["rpc_latency_ms"] is None else f"{row['rpc_latency_ms']} ms"
    said = f"smoke run {row['status']}: {latency}; {row['wallet_check']}; {row['tx_simulation']}"
    if row["status"] != "passed":
        raise click.ClickException(said)
    click.echo(said)


@smoke.command("node", short_help="Be a local test chain until stopped.", with_appcontext=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(1, 65535), default=8899, show_default=True)
def node(host: str, port: int) -> None:
    """Serve Solana's JSON-RPC in front of LiteSVM: set SOLANA_RPC_URL to the address it prints. Nothing is kept."""
    from webapp.smoke.localnode import LocalNode

    try:
        server = LocalNode(host, port)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for the loop, which a signal handler interrupts: it must come from another thread.
        signal.signal(number, lambda *_: Thread(target=server.shutdown).start())
    click.echo(f"local test chain (not the devnet) at {server.url}")
    server.serve_forever()
    server.server_close()
    click.echo("the local test chain has stopped")
