"""Settings are read once and refused at start when they are nonsense, by name and in one line."""

import itertools
import subprocess
import sys

import pytest

from webapp.config import ROOT, Config, ConfigError, environment, secret_of

NAMES = [name.upper() for name in Config.model_fields] + ["FLASK_RUN_FROM_CLI"]


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch, tmp_path):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(Config.model_config, "env_file", tmp_path / ".env")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://localhost/desk"),
        ("DATABASE_URL", "sqlite:///desk.db"),
        ("DATABASE_URL", "postgresql+psycopg://localhost/desk"),
        ("DATABASE_URL", "postgresql://localhost"),
        ("DATABASE_URL", "not an address"),
        ("DATABASE_REPLICA_URL", "mysql://localhost/desk"),
        ("HOST", "nowhere at all"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", "80.5"),
        ("ALLOWED_HOSTS", "desk.example:8000"),
        ("ALLOWED_HOSTS", "https://desk.example"),
        ("ALLOWED_HOSTS", "desk.example,,other.example"),
        ("ALLOWED_HOSTS", "*"),
        ("TRUSTED_PROXIES", "yes"),
        ("TRUSTED_PROXIES", "-1"),
        ("SECRET_KEY", "   "),
        ("PUBLIC_READ", "maybe"),
        ("PUBLIC_READ", "1"),
        ("OIDC_ISSUER", "http://login.example"),
        ("OIDC_ISSUER", "login.example"),
        ("OIDC_ISSUER", "https://"),
        ("OIDC_ISSUER", "https://me:secret@login.example"),
        ("OIDC_ISSUER", "https://login.example/?tenant=1"),
        ("OIDC_ISSUER", "https://login.example/#x"),
        ("OIDC_ISSUER", "https://login.example:port"),
        ("OIDC_CLIENT_SECRET", " "),
        ("OIDC_CLAIM", "name"),
        ("OIDC_NAME", "x" * 41),
        ("RELEASE_ROLE", "viewer"),
        ("RELEASE_ROLE", "root"),
        ("FEED", "ccxt"),
        ("FEED", "ccxt:"),
        ("FEED", "ccxt:../../etc"),
        ("FEED", "simulated:fast"),
        ("FEED", "random"),
        ("FEED_SPEED", "0"),
        ("FEED_SPEED", "nan"),
        ("SYMBOLS", "SOL-USDC,sol-usdc"),
        ("SYMBOLS", "SOL-USDC,,BTC-USDC"),
        ("SYMBOLS", "SOL-USDC,SOL-USDC"),
        ("SYMBOLS", "A" * 33),
        ("STRATEGIES", "astrology"),
        ("CYCLE_SECONDS", "0"),
        ("SOLANA_RPC_URL", "ftp://node"),
        ("ENGINE", "on"),
        ("DEMO_HISTORY", "y"),
        ("WEB_THREADS", "0"),
        ("RATE_LIMIT_READS", "-1"),
        ("RATE_LIMIT_WRITES", "many"),
        ("LOG_LEVEL", "chatty"),
    ],
)
def test_nonsense_is_refused_by_name_in_one_line(monkeypatch, name, value):
    monkeypatch.setenv("SECRET_KEY", "key")
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as told:
        Config.from_env()
    assert str(told.value).startswith(f"{name}: ")
    assert "\n" not in str(told.value)


TOGETHER = {"OIDC_ISSUER": "https://login.example", "OIDC_CLIENT_ID": "desk", "OIDC_CLIENT_SECRET": "hunter2"}


@pytest.mark.parametrize(
    "given", [set(names) for count in (1, 2) for names in itertools.combinations(sorted(TOGETHER), count)]
)
def test_provider_to_log_in_through_is_set_as_a_whole_or_not_at_all(monkeypatch, given):
    for name in given:
        monkeypatch.setenv(name, TOGETHER[name])
    with pytest.raises(ConfigError) as told:
        Config.read()
    named, _, rest = str(told.value).partition(": ")
    assert named in TOGETHER.keys() - given
    assert rest in {f"must be set too, as {name} is" for name in given}
    for name, value in TOGETHER.items():
        monkeypatch.setenv(name, value)
    assert (Config.read().oidc_issuer, Config.read().oidc_claim) == ("https://login.example", "email")


@pytest.mark.parametrize("issuer", ["https://login.example:8443/realms/desk/", "http://127.0.0.1:9000"])
def test_issuer_is_kept_as_it_is_written(monkeypatch, issuer):
    for name, value in TOGETHER.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OIDC_ISSUER", issuer)
    assert Config.read().oidc_issuer == issuer


def test_refusal_does_not_print_the_password_of_the_database(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "mysql://desk:hunter2@localhost/desk")
    with pytest.raises(ConfigError) as told:
        Config.read()
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_spelling_of_postgresql_gets_the_driver_that_is_installed(monkeypatch, scheme):
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://desk:p%40ss@db:5433/paper?sslmode=require")
    assert Config.read().database_url == "postgresql+psycopg2://desk:p%40ss@db:5433/paper?sslmode=require"


def test_defaults_are_those_of_the_contract():
    config = Config.read()
    assert (config.database_url, config.host, config.port) == (None, "127.0.0.1", 8000)
    assert (config.public_read, config.engine, config.demo_history) == (False, True, True)
    assert (config.feed, config.symbols) == ("simulated", ("SOL-USDC", "BTC-USDC", "ETH-USDC"))
    assert config.instance_path == ROOT / "instance"
    assert config.release_role == "operator"


def test_empty_variable_counts_as_unset(monkeypatch):
    monkeypatch.setenv("SYMBOLS", "")
    monkeypatch.setenv("PORT", "")
    assert Config.read() == Config(_env_file=None)


def test_lists_are_comma_separated_and_may_have_spaces(monkeypatch):
    monkeypatch.setenv("SYMBOLS", "BTCUSDT_PERP, EUR.USD")
    monkeypatch.setenv("STRATEGIES", "mean_reversion")
    assert Config.read().symbols == ("BTCUSDT_PERP", "EUR.USD")
    assert Config.read().strategies == ("mean_reversion",)


def test_file_is_read_and_the_environment_wins(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("PORT=9000\nPUBLIC_READ=yes\n")
    monkeypatch.setenv("PORT", "9001")
    assert Config.read().port == 9001
    assert Config.read().public_read is True


def test_web_server_without_a_key_is_refused_and_a_command_is_not(monkeypatch):
    with pytest.raises(ConfigError, match=r"^SECRET_KEY: "):
        Config.from_env()
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")
    config = Config.from_env()
    assert config.command
    assert len(secret_of(config)) == 64


def test_production_without_a_database_is_refused():
    with pytest.raises(ConfigError, match=r"^DATABASE_URL: "):
        Config.read().for_production()


def test_secrets_do_not_show_when_settings_are_printed(monkeypatch):
    for name in ("SECRET_KEY", "DEMO_PASSWORD", "DEMO_TOKEN", "JUPITER_API_KEY"):
        monkeypatch.setenv(name, "hunter2")
    for name, value in TOGETHER.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATABASE_URL", "postgresql://desk:hunter2@localhost/desk")
    assert "hunter2" not in f"{Config.read()!r} {Config.read()}"


def test_child_processes_are_not_taken_for_flask_commands(monkeypatch):
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")
    assert "FLASK_RUN_FROM_CLI" not in environment()
    assert environment(PORT="9")["PORT"] == "9"


def test_example_file_names_every_setting_and_only_those():
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = {line.lstrip("#").partition("=")[0] for line in lines if "=" in line and not line.startswith("# ")}
    internal = {"TESTING", "COMMAND", "FLASK_RUN_FROM_CLI"}
    assert named == set(NAMES) - internal


def test_server_that_is_started_on_nonsense_ends_with_that_line():
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"],
        cwd=ROOT,
        env=environment(PORT="no"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1].startswith("paperdesk: PORT: ")
    assert "Traceback" not in done.stderr
