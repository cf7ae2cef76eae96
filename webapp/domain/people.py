"""Who may do what: the roles of people and the scopes of tokens."""

ROLES = ("viewer", "operator", "admin")
"""Each may do what those before it may."""
SCOPES = ("read", "trade", "halt", "admin")
