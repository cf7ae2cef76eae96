"""One JSON line an event, and a name for every request, so that an answer can be found again in the log."""

import logging
import re
import sys
import time
from collections.abc import MutableMapping
from typing import Any
from uuid import uuid4

import structlog
from flask import Flask, Response, g, request

from webapp.config import Config

REQUEST_ID = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}", re.ASCII)
"""What is echoed: enough for every tracing system, nothing that could break a header or a log line."""
SECRET_WORDS = ("password", "secret", "token", "authorization", "cookie")
URL_PASSWORD = re.compile(r"(?<=://)([^:/?#\s]*):[^@\s]+@")

log = structlog.stdlib.get_logger("webapp")


def install(app: Flask) -> None:
    """Set up logging for the process and the request hooks for the app."""
    config: Config = app.config["PAPERDESK"]
    if config.testing:
        _through_logging()  # and no further: what becomes of the lines is the test's business
    else:
        configure("warning" if config.command else config.log_level)
    app.before_request(_begin)
    app.after_request(_end)


def configure(level: str) -> None:
    """Every log line of this process as JSON on standard error, those of libraries included.

    Commands speak to a person and log from `warning` on; one that runs for days calls this with `log_level`.
    """
    _through_logging()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_steps(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)  # it greets with a line for each plugin


def _through_logging() -> None:
    """Send structlog's events through the standard library's loggers, where those of libraries go, too."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_steps(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _steps() -> list[Any]:
    """What is added to every event, and taken out of it."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]


def hide_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last guard: what is named like a secret, or is a password inside an address, never reaches the log."""
    for key, value in event.items():
        if any(word in key.lower() for word in SECRET_WORDS):
            event[key] = "[hidden]"
        elif isinstance(value, str):
            event[key] = URL_PASSWORD.sub(r"\1:[hidden]@", value)
    return event


def _begin() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if REQUEST_ID.fullmatch(given) else str(uuid4())
    g.began = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _path() -> str:
    """The path without its query, which may name people and keys, and without the secret of a share link."""
    return "/share/[hidden]" if request.path.startswith("/share/") else request.path


def _end(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    log.info(
        "request",
        method=request.method,
        path=_path(),
        status=response.status_code,
        address=request.remote_addr,
        ms=round((time.perf_counter() - g.began) * 1000, 1),
    )
    return response
