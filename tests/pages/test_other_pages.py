"""Positions, the risk audit, smoke runs and the system page."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from tests import builders
from webapp.models import AuditHead, DevnetSmokeRun, EngineLease, ReplayRun, SelfCheck
from webapp.services import kill_switch, self_checks, smoke


def smoke_run(session, at, status="passed", latency=90):
    run = {"run_id": builders.new_id(at), "status": status, "rpc_latency_ms": latency, "ran_at": at}
    builders.add(session, DevnetSmokeRun, run | {"wallet_check": "ok", "tx_simulation": "ok"})


def test_positions_add_up_to_the_totals_above_them(visit, session):
    builders.position(session, "SOL-USDC", qty="2", avg=100, mark=110)
    builders.position(session, "ETH-USDC", qty="-1", avg=2000, mark=2100)
    builders.position(session, "BTC-USDC", qty=0, avg=0, mark=60000)
    page = visit("/positions/", title="Positions")

    assert [row["symbol"] for row in page.table("positions")] == ["BTC-USDC", "ETH-USDC", "SOL-USDC"]
    assert "Open positions 2" in page.text
    assert "Gross exposure, USDC 2,320.00" in page.text
    assert "Net value, USDC −1,880.00" in page.text
    assert "Unrealized PnL, USDC −80.00" in page.text


def test_gain_and_loss_carry_a_sign_and_not_only_a_colour(visit, session):
    builders.position(session, "SOL-USDC", qty="2", avg=100, mark=110)
    builders.position(session, "ETH-USDC", qty="2", avg=100, mark=90)
    shown = {row["symbol"]: row["unrealized_pnl"] for row in visit("/positions/").shown("positions")}

    assert shown == {"SOL-USDC": "+20.00", "ETH-USDC": "−20.00"}


def test_value_of_a_position_keeps_every_digit(visit, session):
    builders.position(session, qty="1234567890.12345678", avg=1, mark="8.10000007")
    (row,) = visit("/positions/").table("positions")

    assert row["market_value"] == str(
        Decimal("1234567890") * Decimal("8.10000007") + Decimal("0.12345678") * Decimal("8.10000007")
    )


def test_audit_reads_as_sentences(visit, trader):
    trader.cycle("buy", "50")
    page = visit("/risk/", title="Risk audit")
    first = page.shown("risk_events")[-1]

    assert {row["rule"] for row in page.table("risk_events")} >= {"MAX_ORDER_NOTIONAL"}
    assert first["details"].endswith(".")
    assert "{" not in page.dom.one("table", data_table="risk_events").text


def test_event_of_another_program_is_put_into_words(visit, session):
    order_id = builders.order(session)
    builders.risk_event(
        session, order_id, "blocked", "MAX_DRAWDOWN", details={"drawdown": "1200", "limit": "1000", "hard": True}
    )

    said = visit("/risk/").shown("risk_events")[0]["details"]
    assert set(said.split(", ")) == {"Drawdown 1200", "Limit 1000", "Hard yes"}


def test_audit_filters_by_rule_action_and_symbol(visit, trader):
    trader.cycle("buy", "50")
    trader.cycle("buy", "1", symbol="ETH-USDC")

    def rules(query):
        return {row["rule"] for row in visit(f"/risk/?{query}").table("risk_events")}

    assert rules("rule=MAX_ORDER_NOTIONAL") == {"MAX_ORDER_NOTIONAL"}
    assert rules("action=allowed") == {"ALL_RULES"}
    assert rules("symbol=ETH-USDC") == {"ALL_RULES"}


def test_smoke_latency_is_a_line_with_gaps_where_nothing_answered(visit, session):
    for minute, latency in enumerate([80, 90, None, 70, 100]):
        smoke_run(
            session, builders.NOON + timedelta(minutes=minute), "failed" if latency is None else "passed", latency
        )
    page = visit("/smoke-runs/", title="Smoke runs")
    lines = page.dom.one("svg", class_="line-chart").all("polyline")

    assert [len(line["points"].split()) for line in lines] == [2, 2]
    assert "Latency of the last 5 runs, from 70 to 100 ms" in page.text
    assert len(page.dom.one("svg", class_="line-chart").all("path")) == 1
    assert "1 failed; dashed where nothing answered" in page.text


@pytest.mark.parametrize(
    ("url", "said"),
    [(None, "the public Solana devnet"), ("http://127.0.0.1:8899", "the local test chain"),
     ("https://rpc.example/?api-key=secret", "rpc.example")],
)  # fmt: skip
def test_smoke_page_names_the_node_and_never_its_key(visit, app, url, said):
    app.config["PAPERDESK"] = app.config["PAPERDESK"].model_copy(update={"solana_rpc_url": url})
    page = visit("/smoke-runs/")

    assert said in page.text
    assert "secret" not in page.text


def test_operator_runs_one_now_and_is_told_the_outcome(visit, logged_in, session, monkeypatch):
    operator = logged_in("operator")
    form = visit("/smoke-runs/", client=operator).fill("smoke-run")
    asked = {}

    def run(_session, url, by, wallet_file):
        asked.update(url=url, by=by, wallet=wallet_file.name)
        smoke_run(session, builders.now(), "failed", None)
        return {"status": "failed", "run_id": "r-1"}

    monkeypatch.setattr(smoke, "run", run)
    sent = operator.post("/smoke-runs/", data=form)
    answer = operator.get("/smoke-runs/")

    assert asked == {"url": None, "by": "user:operator", "wallet": "smoke-wallet.json"}
    assert sent.location == "/smoke-runs/#row-r-1"
    assert "The smoke run failed; its row, marked below, says why." in answer.text
    assert not visit("/smoke-runs/").has_form("smoke-run")


def test_system_page_tells_the_living_from_the_silent(visit, session):
    builders.heartbeat(session, "engine")
    builders.heartbeat(session, "old", builders.now() - timedelta(minutes=5))
    builders.add(session, EngineLease, {"id": 1, "epoch": 7, "holder": "engine-1"})
    page = visit("/system/", title="System")
    beats = {row["process"]: row["beat_at"] for row in page.shown("heartbeats")}

    assert beats["engine"].startswith("alive")
    assert beats["old"].startswith("silent 5 min")
    assert "Epoch 7" in page.text
    assert "Flask" in page.text
    assert "PostgreSQL" in page.text


def test_empty_system_page_says_what_to_start(visit):
    page = visit("/system/")

    assert "make engine" in page.text
    assert "No engine runs" in page.dom.one(data_standing=None).text


def test_halted_engine_does_not_look_dead_nor_a_dead_one_halted(visit, session, engine):
    builders.heartbeat(session, "engine")
    assert "alive and may trade" in visit("/system/").dom.one(data_standing=None).text
    kill_switch.halt(engine, "a drill", by="user:olga")
    assert "alive and halted" in visit("/system/").dom.one(data_standing=None).text
    session.execute(text("DELETE FROM heartbeats"))
    session.commit()
    builders.heartbeat(session, "engine", builders.now() - timedelta(minutes=5))
    said = visit("/system/").dom.one(data_standing=None).text

    assert "The engine is silent" in said
    assert "The kill switch is on as well." in said


def test_system_page_shows_what_the_desk_found_out_about_itself(visit, session):
    at = builders.now()
    for name, ok, detail in (("books", True, "NAV follows"), ("audit", False, "the chain is broken: link 7")):
        row = {"name": name, "ok": ok, "rows": 1234, "detail": detail, "checked_at": at}
        builders.add(session, SelfCheck, row)
    checks = {node["data-check"]: node for node in visit("/system/").dom.all(data_check=None)}

    assert "reconciled Books" in checks["books"].text
    assert "NAV follows." in checks["books"].text
    assert checks["audit"]["data-ok"] == "no"
    assert "BROKEN" in checks["audit"].text


def test_system_page_says_which_check_is_overdue(visit, session):
    for name, late in (("books", timedelta(minutes=1)), ("audit", timedelta(minutes=-1))):
        at = builders.now() - self_checks.OVERDUE - late
        builders.add(session, SelfCheck, {"name": name, "ok": True, "rows": 1, "detail": "fine", "checked_at": at})
    checks = {node["data-check"]: node for node in visit("/system/").dom.all(data_check=None)}

    assert (checks["books"]["data-ok"], "reconciled overdue Books" in checks["books"].text) == ("no", True)
    assert (checks["audit"]["data-ok"], "overdue" in checks["audit"].text) == ("yes", False)


def test_system_page_shows_the_head_of_the_audit_and_the_replays(visit, session, engine):
    row = {"replay_id": builders.new_id(builders.NOON), "fingerprint": "f", "files": [], "rows_read": 10,
           "rows_taken": 8, "refused": {}, "started_at": builders.NOON, "finished_at": None}  # fmt: skip
    builders.add(session, ReplayRun, row)
    page = visit("/system/")

    assert "8 of 10 rows, not finished" in page.text
    assert session.query(AuditHead).one().hash[:16] in page.text
