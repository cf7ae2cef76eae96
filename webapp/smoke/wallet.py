"""The key that signs the simulated transfer. It holds play money of a test chain and is worth nothing."""

import json
import os
from pathlib import Path

from solders.keypair import Keypair

from webapp.domain.errors import DomainError


class BadWallet(DomainError):
    """A key file that cannot be used; the message names it."""


def load_wallet(path: Path | None) -> Keypair:
    """The key in the file, in the form of Solana's own tools (64 numbers); made and kept there when there is none.

    A kept wallet asks the devnet's faucet once; without a file every run has a new one.
    """
    if path is None:
        return Keypair()
    try:
        return _read(path) if path.exists() else _create(path)
    except (OSError, ValueError, TypeError) as error:
        raise BadWallet(f"{path}: is not a usable Solana key file ({type(error).__name__})") from None


def _read(path: Path) -> Keypair:
    return Keypair.from_bytes(bytes(json.loads(path.read_text())))


def _create(path: Path) -> Keypair:
    wallet = Keypair()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(wallet.to_json())
    try:
        # Unlike a rename, a link fails when another process was first: then its wallet is the one.
        os.link(draft, path)
    except FileExistsError:
        return _read(path)
    finally:
        draft.unlink()
    return wallet
