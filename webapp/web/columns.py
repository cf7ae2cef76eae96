"""One vocabulary for every table: what a column is called on screen and how its values are drawn.

Labels carry the unit, so that a cell can stay a bare number. A column without an entry here is drawn as text.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Column:
    """How one column is headed and drawn; `kind` selects the formatter in cells.py."""

    label: str
    kind: str


_IDS = {
    "order_id": "Order",
    "cycle_id": "Cycle",
    "signal_id": "Signal",
    "fill_id": "Fill",
    "tick_id": "Tick",
    "snapshot_id": "Snapshot",
    "risk_event_id": "Event",
    "event_id": "Event",
    "run_id": "Run",
    "transition_id": "Step",
    "policy_id": "Policy",
    "act_id": "Act",
}
_TIMES = {
    "created_at": "Time",
    "filled_at": "Filled",
    "captured_at": "Captured",
    "event_at": "Quoted",
    "ran_at": "Ran",
    "started_at": "Started",
    "expires_at": "Expires",
}
_AGES = {"updated_at": "Updated", "beat_at": "Last beat", "last_seen_at": "Last seen", "last_used_at": "Last used"}
_NUMBERS = {
    "qty": ("Quantity", "qty"),
    "limit_price": ("Limit, USDC", "price"),
    "fill_price": ("Fill price, USDC", "price"),
    "fee": ("Fee, USDC", "fee"),
    "slippage_bps": ("Slippage, bps", "int"),
    "avg_entry_price": ("Average entry, USDC", "price"),
    "mark_price": ("Mark, USDC", "price"),
    "bid_price": ("Bid, USDC", "price"),
    "ask_price": ("Ask, USDC", "price"),
    "mid_price": ("Mid, USDC", "price"),
    "spread_bps": ("Spread, bps", "int"),
    "unrealized_pnl": ("Unrealized PnL, USDC", "signed"),
    "realized_pnl": ("Realized PnL, USDC", "signed"),
    "nav": ("NAV, USDC", "money"),
    "cash": ("Cash, USDC", "money"),
    "market_value": ("Value, USDC", "money"),
    "notional": ("Notional, USDC", "money"),
    "cost": ("Cost, USDC", "money"),
    "confidence": ("Confidence, 0 to 1", "share"),
    "rpc_latency_ms": ("Latency, ms", "int"),
    "policy_version": ("Policy version", "int"),
    "version": ("Version", "int"),
    "open": ("Open, USDC", "price"),
    "high": ("High, USDC", "price"),
    "low": ("Low, USDC", "price"),
    "close": ("Close, USDC", "price"),
    "ticks": ("Quotes", "int"),
    "pid": ("PID", "int"),
    "sessions": ("Browsers in", "int"),
    "proposals": ("Proposals", "int"),
    "accepted": ("Accepted", "int"),
    "blocked": ("Blocked", "int"),
}
_WORDS = {
    "symbol": ("Symbol", "symbol"),
    "side": ("Side", "side"),
    "status": ("Status", "status"),
    "action": ("Action", "action"),
    "outcome": ("Outcome", "outcome"),
    "rule": ("Rule", "rule"),
    "risk_reason": ("Refused by", "rule"),
    "enabled": ("Switch", "switch"),
    "strategy_payload": ("What the strategy said", "payload"),
    "details": ("In words", "sentence"),
    "limits": ("Limits", "text"),
    "difference": ("What changed", "text"),
    "reason": ("Reason", "reason"),
    "actor": ("By", "word"),
    "trigger_source": ("Trigger", "word"),
    "strategy": ("Strategy", "word"),
    "wallet_check": ("Wallet", "text"),
    "tx_simulation": ("Simulation", "text"),
    "from_status": ("From", "status"),
    "to_status": ("To", "status"),
    "process": ("Process", "word"),
    "host": ("Host", "word"),
    "act": ("Act", "rule"),
    "subject": ("Whom or what", "text"),
    "address": ("From", "word"),
    "browser": ("Browser", "word"),
    "name": ("Name", "word"),
    "role": ("Role", "word"),
    "label": ("For whom", "text"),
    "created_by": ("Made by", "word"),
    "closing": ("Way out", "word"),
}

COLUMNS: Final[dict[str, Column]] = {
    **{name: Column(label, "id") for name, label in _IDS.items()},
    **{name: Column(label, "time") for name, label in _TIMES.items()},
    **{name: Column(label, "age") for name, label in _AGES.items()},
    **{name: Column(label, kind) for name, (label, kind) in (_NUMBERS | _WORDS).items()},
}


def column(name: str) -> Column:
    """The entry for `name`, or a readable default."""
    return COLUMNS.get(name) or Column(name.replace("_", " ").capitalize(), "text")
