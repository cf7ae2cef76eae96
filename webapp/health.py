"""For load balancers and Prometheus: is the process up, can it work, what has it done. No login, no secrets."""

import time

from flask import Blueprint, Flask, Response, current_app, g, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from webapp import migrating
from webapp.extensions import db
from webapp.queries import vitals

bp = Blueprint("health", __name__)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The numbers of one app. Each app has its own registry, so that tests can make many."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "paperdesk_http_requests",
            "Answers by route and status",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "paperdesk_http_request_seconds", "Time to answer", ["route"], registry=self.registry, buckets=BUCKETS
        )
        self.up = Gauge("paperdesk_database_up", "1 when the database answered this scrape", registry=self.registry)
        self.vitals = Gauge("paperdesk", "The desk, read at the scrape", ["vital"], registry=self.registry)


def install(app: Flask) -> None:
    """The three routes, and the counting of every answer."""
    app.extensions["paperdesk_metrics"] = Metrics()
    app.register_blueprint(bp)
    app.after_request(_count)


def _metrics() -> Metrics:
    metrics: Metrics = current_app.extensions["paperdesk_metrics"]
    return metrics


def _count(response: Response) -> Response:
    # The rule, not the path: ids in labels would make a series for every order there ever was.
    route = request.url_rule.rule if request.url_rule else "(none)"
    method = request.method if request.method in METHODS else "(other)"
    _metrics().requests.labels(method, route, response.status_code).inc()
    _metrics().seconds.labels(route).observe(time.perf_counter() - g.began)
    return response


def reasons_not_ready() -> list[str]:
    """Why this process cannot serve; empty when it can."""
    try:
        found = vitals.revision(db.session())
    except SQLAlchemyError:
        db.session.rollback()
        return ["the database does not answer"]
    wanted = migrating.newest()
    if found != wanted:
        return [
            f"the database is at migration {found or 'none'}, this code needs {wanted}: run flask --app wsgi db upgrade"
        ]
    return []


@bp.get("/healthz")
def healthz() -> Response:
    """The process is up and answers. Says nothing about the database."""
    return jsonify(status="ok")


@bp.get("/readyz")
def readyz() -> tuple[Response, int]:
    """The database is reachable and migrated; else 503 with every reason."""
    reasons = reasons_not_ready()
    return jsonify(status="unready" if reasons else "ready", reasons=reasons), 503 if reasons else 200


@bp.get("/metrics")
def metrics() -> Response:
    """Prometheus text. A database that is away leaves its gauges out rather than showing old values as new."""
    current = _metrics()
    current.vitals.clear()
    try:
        for name, value in vitals.read(db.session()).items():
            current.vitals.labels(name).set(value)
        current.up.set(1)
    except SQLAlchemyError:
        db.session.rollback()
        current.up.set(0)
    return Response(generate_latest(current.registry), content_type=CONTENT_TYPE_LATEST)
