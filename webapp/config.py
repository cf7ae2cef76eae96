"""The settings of the desk: read from the environment once, typed, refused at start when nonsense.

Nothing else reads the environment, so this file is the whole list of what an operator can set (CONTRACT section 2).
"""

import os
import re
import secrets
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from flask import Flask
from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from webapp.domain.errors import BadInput
from webapp.domain.market import check_symbol
from webapp.domain.oidc import is_issuer

ROOT = Path(__file__).resolve().parent.parent
DRIVER = "postgresql+psycopg2"
DEFAULT_SYMBOLS = ("SOL-USDC", "BTC-USDC", "ETH-USDC")
COMMAND_MARK = "FLASK_RUN_FROM_CLI"
"""Set by the `flask` command for itself."""
EXCHANGE_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


class ConfigError(Exception):
    """A setting that cannot be used. The message is one line that names the variable."""


def _yes_or_no(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    answer = {"yes": True, "no": False}.get(str(value).strip().lower())
    if answer is None:
        raise ValueError(f"must be yes or no, not {value!r}")
    return answer


def _count(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _database_url(value: str | None) -> str | None:
    """Any spelling of a PostgreSQL address, with the driver named: SQLAlchemy 2.1 would take another one by itself."""
    if value is None:
        return None
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValueError("is not a database address such as postgresql://user:password@host:5432/paperdesk") from None
    if url.drivername not in ("postgres", "postgresql", DRIVER):
        raise ValueError(f"must be a PostgreSQL address, not {url.drivername}://")
    if not url.database:
        raise ValueError("must name a database, such as postgresql://user:password@host:5432/paperdesk")
    return url.set(drivername=DRIVER).render_as_string(hide_password=False)


def _feed(value: str) -> str:
    name, colon, exchange = value.partition(":")
    if not colon and name in ("simulated", "replay", "jupiter"):
        return value
    if name == "ccxt" and exchange and EXCHANGE_LETTERS.issuperset(exchange):
        return value
    raise ValueError(f"must be simulated, replay, jupiter or ccxt:EXCHANGE (such as ccxt:kraken), not {value!r}")


def _comma_separated(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _symbols(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        try:
            check_symbol(name)
        except BadInput as error:
            raise ValueError(f"{name!r} {error.reason}") from None
    if len(set(names)) != len(names):
        raise ValueError("names a symbol twice")
    return names


def _strategies(names: tuple[str, ...]) -> tuple[str, ...]:
    # Here, not above: most commands never need the strategies.
    from webapp.domain.strategies import STRATEGIES

    for name in names:
        if name not in STRATEGIES:
            raise ValueError(f"{name!r} is not one of {', '.join(sorted(STRATEGIES))}")
    return names


HOST_NAME = re.compile(r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]", re.ASCII | re.IGNORECASE)


def _host_names(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not HOST_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a host name such as desk.example or .desk.example; ports are left out")
    return names


def _not_blank(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not value.get_secret_value().strip():
        raise ValueError("must not be blank")
    return value


def _http_url(value: str | None) -> str | None:
    if value is not None and not value.startswith(("http://", "https://")):
        raise ValueError("must be an http:// or https:// address")
    return value


def _issuer(value: str | None) -> str | None:
    if value is not None and not is_issuer(value):
        raise ValueError("must be an https:// address, as the provider writes it (or http://127.0.0.1, for tests)")
    return value


YesNo = Annotated[bool, BeforeValidator(_yes_or_no)]
DatabaseUrl = Annotated[str | None, AfterValidator(_database_url), Field(repr=False)]  # it may hold a password
Secret = Annotated[SecretStr | None, AfterValidator(_not_blank)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)]


class Config(BaseSettings):
    """Every setting under its variable's name in lower case. Durations are whole seconds."""

    model_config = SettingsConfigDict(
        env_file=ROOT / ".env", extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    database_url: DatabaseUrl = None
    """None: the embedded server under ``instance_path``."""
    database_replica_url: DatabaseUrl = None
    instance_path: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] = ROOT / "instance"
    host: Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9.:_-]+$")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    allowed_hosts: Annotated[Names, AfterValidator(_host_names)] = ()
    """Names the desk answers to. None: this machine's own when it alone can reach ``host``, else any."""
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    """How many reverse proxies stand before the web server; 0: what X-Forwarded-* say is ignored."""
    secure_cookies: YesNo = False
    """Cookies travel by https only, always; without it they do whenever the request came that way."""
    secret_key: Secret = None
    """Signs sessions and cursors. Commands can do without it (see :meth:`from_env`)."""
    public_read: YesNo = False
    oidc_issuer: Annotated[str | None, AfterValidator(_issuer)] = None
    """The OpenID provider people may log in through, as well as with their passwords. None: there is none."""
    oidc_client_id: Annotated[str | None, Field(min_length=1, max_length=500)] = None
    oidc_client_secret: Secret = None
    oidc_name: Annotated[str, Field(min_length=1, max_length=40)] = "single sign-on"
    """What the button calls it."""
    oidc_claim: Literal["email", "preferred_username", "sub"] = "email"
    """What the provider says of somebody that is their name here."""
    release_role: Literal["operator", "admin"] = "operator"
    release_people: Annotated[Literal[1, 2], BeforeValidator(_count)] = 1
    """2: a release takes effect when a second person asks for it too."""
    dead_man_seconds: Annotated[int, Field(ge=0, le=3_600)] = 30
    """An engine silent for this long halts the desk; 0: never."""
    feed: Annotated[str, AfterValidator(_feed)] = "simulated"
    feed_files: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_comma_separated)] = ()
    """The quote files of ``FEED=replay``, in order."""
    feed_speed: Annotated[float, Field(gt=0, le=1_000)] = 1.0
    """How fast ``FEED=replay`` plays them; 60 makes an hour a minute."""
    jupiter_api_key: Secret = None
    symbols: Annotated[Names, AfterValidator(_symbols)] = DEFAULT_SYMBOLS
    strategies: Annotated[Names, AfterValidator(_strategies)] = ("mean_reversion", "momentum", "rebalance")
    """Dealt to the symbols in turn."""
    cycle_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    rate_limit_reads: Annotated[int, Field(ge=0, le=1_000_000)] = 6_000
    rate_limit_writes: Annotated[int, Field(ge=0, le=1_000_000)] = 1_200
    """Requests a token may send in a minute, per web process; 0: any number. Halting is never limited."""
    solana_rpc_url: Annotated[str | None, AfterValidator(_http_url)] = None
    """None: the public devnet."""
    engine: YesNo = True
    demo_history: YesNo = True
    demo_password: Secret = None
    demo_token: Secret = None
    web_threads: Annotated[int, Field(ge=1, le=256)] = 16
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    testing: bool = False
    command: Annotated[bool, Field(validation_alias=AliasChoices("command", COMMAND_MARK))] = False
    """True under the ``flask`` command, which answers no visitor and may take its time in the database."""

    @classmethod
    def read(cls) -> Self:
        """The settings of the environment and of the file ``.env``, if there is one. Raises :class:`ConfigError`."""
        try:
            return cls()._whole()
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]).upper() if first["loc"] else "settings"
            raise ConfigError(f"{name}: {_sentence(first['msg'])}") from None

    def _whole(self) -> Self:
        """These settings, if those that only work together are all there. Raises :class:`ConfigError`."""
        together = ("oidc_issuer", "oidc_client_id", "oidc_client_secret")
        missing = [name.upper() for name in together if getattr(self, name) is None]
        if 0 < len(missing) < len(together):
            given = next(name.upper() for name in together if name.upper() not in missing)
            raise ConfigError(f"{missing[0]}: must be set too, as {given} is")
        return self

    @classmethod
    def from_env(cls) -> Self:
        """The settings of this process, with a key if it is to serve browsers. Raises :class:`ConfigError`."""
        config = cls.read()
        if config.secret_key is None and not config.command:
            raise ConfigError("SECRET_KEY: must be set, for example to the output of: openssl rand -hex 32")
        return config

    @property
    def smoke_wallet(self) -> Path:
        """Where the throwaway wallet of the smoke runs is kept, so that the devnet's faucet is asked once."""
        return self.instance_path / "smoke-wallet.json"

    def for_production(self) -> Self:
        """These settings, if they name a database of their own. Raises :class:`ConfigError`."""
        if self.database_url is None:
            raise ConfigError("DATABASE_URL: must be set here; `make demo` is the way to run without a database")
        return self


def environment(**settings: str) -> dict[str, str]:
    """The environment of a child process: this one's, with some variables set (and `flask`'s own mark taken out)."""
    return {name: value for name, value in os.environ.items() if name != COMMAND_MARK} | settings


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ").replace("Input should be", "must be")


def secret_of(config: Config) -> str:
    """The key that signs; a throwaway one for commands, which never meet a browser."""
    return config.secret_key.get_secret_value() if config.secret_key else secrets.token_hex(32)


def install(app: Flask, config: Config) -> None:
    """Put the settings on the app, and what Flask itself needs of them."""
    app.config.update(
        PAPERDESK=config,
        SECRET_KEY=secret_of(config),
        TESTING=config.testing,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=config.secure_cookies,
    )


if __name__ == "__main__":
    try:
        Config.read().for_production()
    except ConfigError as error:
        sys.exit(f"paperdesk: {error}")
