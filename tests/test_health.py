"""What load balancers and Prometheus are told."""

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.config import Config
from webapp.services import kill_switch


def test_ready_desk_is_healthy_and_ready_without_login(client: FlaskClient):
    assert client.get("/healthz").json == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json) == (200, {"status": "ready", "reasons": []})


def test_database_at_another_migration_is_not_ready_and_says_which(client: FlaskClient, session: Session):
    session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    session.commit()
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert re.fullmatch(r"the database is at migration 0001, this code needs \w+: run .*", ready.json["reasons"][0])
    assert client.get("/healthz").status_code == 200


class TestDatabaseAway:
    @pytest.fixture
    def settings(self, settings: Config) -> Config:
        return settings.model_copy(update={"database_url": "postgresql+psycopg2://nobody@127.0.0.1:1/nothing"})

    def test_process_is_up_but_not_ready(self, client: FlaskClient):
        assert client.get("/healthz").status_code == 200
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json["reasons"]) == (503, ["the database does not answer"])

    def test_metrics_say_so_and_show_no_old_values(self, client: FlaskClient):
        told = client.get("/metrics").get_data(as_text=True)
        assert "paperdesk_database_up 0.0" in told
        assert "nav_usdc" not in told


def metric(client: FlaskClient, name: str) -> float:
    told = client.get("/metrics").get_data(as_text=True)
    found = re.search(rf"^{re.escape(name)} (\S+)$", told, re.MULTILINE)
    assert found, f"{name} is not in\n{told}"
    return float(found[1])


def test_metrics_count_answers_by_route_not_by_path(client: FlaskClient):
    for _ in range(3):
        client.get("/orders/00000000-0000-0000-0000-000000000000")
    told = client.get("/metrics").get_data(as_text=True)
    assert "00000000" not in told
    assert metric(client, 'paperdesk_http_requests_total{method="GET",route="/metrics",status="200"}') >= 1


def test_unknown_paths_and_methods_share_one_series(client: FlaskClient):
    for number in range(5):
        client.get(f"/no/such/page/{number}")
        client.open("/healthz", method=f"VERB{number}")
    told = client.get("/metrics").get_data(as_text=True)
    assert "no/such/page" not in told
    assert "VERB" not in told


def test_metrics_follow_the_kill_switch(client: FlaskClient, session: Session):
    assert metric(client, 'paperdesk{vital="kill_switch"}') == 0
    kill_switch.halt(session.get_bind(), "drill", "test")
    assert metric(client, 'paperdesk{vital="kill_switch"}') == 1


def test_switch_without_a_row_counts_as_halted(client: FlaskClient, session: Session):
    session.execute(text("SET session_replication_role = replica"))
    session.execute(text("DELETE FROM kill_switch"))
    session.commit()
    assert metric(client, 'paperdesk{vital="kill_switch"}') == 1
