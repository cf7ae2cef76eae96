"""What a UTC day began with: one rule, for the daily loss that the gate judges and the day's profit that pages show."""


def day_start(midnight: str) -> str:
    """SQL of the last snapshot before ``midnight`` (an SQL expression) of the account as it is now; no row without one.

    An account that was opened anew with other starting cash has no past: what it had before is no loss of today.
    """
    return f"""
        SELECT nav, captured_at FROM portfolio_snapshots
        WHERE captured_at < {midnight}
          AND captured_at >= coalesce((SELECT opened_at FROM account WHERE account_id = 1), '-infinity')
        ORDER BY captured_at DESC, snapshot_id DESC LIMIT 1
    """  # noqa: S608  # an expression of ours
