"""The web server: one process, many threads. `make web` and `make demo` use it.

One process, because metrics and the login throttle are kept in it; threads, because the work is waiting for PostgreSQL.
More processes are more machines' business: each needs its own port and Prometheus target.
"""

import gc
import sys
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from webapp import dead_man, logs  # noqa: E402  (the path must be there first)
from webapp.config import Config, ConfigError  # noqa: E402

try:
    settings = Config.from_env()
except ConfigError as error:
    sys.exit(f"paperdesk: {error}")

chdir = str(ROOT)
wsgi_app = "wsgi:app"
bind = f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"
worker_class = "webapp.serving.Worker"
workers = 1
threads = settings.web_threads
keepalive = 15
graceful_timeout = 8
# What may be read before anything of ours sees it: a list's longest address has 2 kB, a browser sends about 20 fields.
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190
# gunicorn itself believes no proxy, not even one of this machine: TRUSTED_PROXIES alone says who is believed.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}


class JsonLogger(Logger):
    """gunicorn's own messages in the same JSON lines as ours."""

    def setup(self, cfg: Any) -> None:
        """Leave the writing to the root logger, which `logs` set up."""
        super().setup(cfg)
        logs.configure(settings.log_level)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


logger_class = JsonLogger
# Its socket would lie in the user's home, one for all servers of that user; signals are enough.
control_socket_disable = True


def post_worker_init(_worker: Any) -> None:
    """Watch the engine; and keep the garbage collector away from what lives as long as the process, because it was most
    of the slowest answers.
    """
    dead_man.start(settings)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 1_000)
