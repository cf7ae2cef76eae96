"""What a demo makes up once and keeps, so that the same logins and tokens work at its next start."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import SecretStr

from webapp.config import Config


@dataclass(frozen=True)
class Kept:
    """Secrets of one demo desk."""

    password: str
    token: str
    secret_key: str


def secrets_of(config: Config) -> Kept:
    """The secrets that are set, and for the others the kept ones."""
    kept = _read_or_make(config.instance_path / "demo.json")
    return Kept(
        password=_chosen(config.demo_password, kept.password),
        token=_chosen(config.demo_token, kept.token),
        secret_key=_chosen(config.secret_key, kept.secret_key),
    )


def _chosen(given: SecretStr | None, kept: str) -> str:
    return given.get_secret_value() if given else kept


def _read_or_make(file: Path) -> Kept:
    try:
        return Kept(**json.loads(file.read_text()))
    except FileNotFoundError:
        made = Kept(secrets.token_urlsafe(9), f"pd_{secrets.token_urlsafe(32)}", secrets.token_hex(32))
    except (ValueError, TypeError) as error:
        raise OSError(f"{file} is damaged ({error}); delete it to get new logins") from error
    file.parent.mkdir(parents=True, exist_ok=True)
    # Readable by its owner alone from the first byte on.
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump(asdict(made), out)
    return made
