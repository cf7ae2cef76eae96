"""Paperdesk: a control room for paper trading."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apiflask import APIFlask

    from webapp.config import Config


def create_app(config: "Config | None" = None) -> "APIFlask":
    """The web application. Importing a part of this package must not cost the whole of it, so all imports are here."""
    from apiflask import APIFlask

    from webapp import api, cli, extensions, health, logs, pages, web
    from webapp import config as settings
    from webapp.version import VERSION
    from webapp.web import hosts

    app = APIFlask(
        "webapp",
        title="Paperdesk API",
        version=VERSION,
        spec_path=None,
        docs_path=None,
        json_errors=False,
        template_folder=str(settings.ROOT / "templates"),
        static_folder=str(settings.ROOT / "static"),
    )
    settings.install(app, config or settings.Config.from_env())
    for part in (logs, hosts, extensions, health, web, pages, api, cli):
        part.install(app)
    return app
