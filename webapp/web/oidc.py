"""Logging in through an OpenID provider, where one is set (OIDC_ISSUER): who it is, and what may go wrong there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import Flask, current_app

if TYPE_CHECKING:
    from webapp.web.provider import Provider

_PROVIDER: Final = "paperdesk_oidc"


class RefusedError(Exception):
    """What came back proves nothing: it is somebody else's, too old, used already, or not the provider's word."""


class AwayError(Exception):
    """The provider cannot be asked now, or its answers make no sense."""


def provider() -> Provider | None:
    """The provider of this desk, if it has one."""
    found: Provider | None = current_app.extensions[_PROVIDER]
    return found


def install(app: Flask) -> None:
    """Know the provider, without asking it anything."""
    app.extensions[_PROVIDER] = None
    if app.config["PAPERDESK"].oidc_issuer is None:
        return
    # Its libraries take half a second and 17 MB, which a desk without the option need not spend.
    from webapp.web.provider import Provider

    app.extensions[_PROVIDER] = Provider(app)
