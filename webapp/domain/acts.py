"""What is done to the doors of the desk, and who asked for a release, by the names under which the audit keeps it."""

ACTS = (
    "login",
    "login_failed",
    "login_throttled",
    "logout",
    "session_ended",
    "password_changed",
    "password_set",
    "user_created",
    "user_role",
    "user_disabled",
    "user_enabled",
    "token_created",
    "token_changed",
    "token_revoked",
    "token_paused",
    "token_resumed",
    "token_capped",
    "share_created",
    "share_revoked",
    "release_asked",
)
NOBODY = "nobody"
"""The actor of an act by somebody who did not get in."""
SERVER = "cli"
"""The actor of what is done by commands, on the server itself."""
