"""How each list looks: its columns in reading order, where they lead, and what a row is called."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from webapp.domain.money import quantise
from webapp.pages.rulings import audit_words
from webapp.web.filters import act_words, times
from webapp.web.rows import Row, Shown, shown


@dataclass(frozen=True)
class Look:
    """One list as a table. `tone` gives the class of a row, where some are drawn otherwise."""

    noun: str
    caption: str
    columns: tuple[Shown, ...]
    tone: Callable[[Row], str] = lambda _row: ""


LOOKS: Final = {
    "orders": Look(
        noun="order",
        caption="Orders, newest first",
        columns=shown(
            *("order_id", "created_at", "symbol", "side", "qty"),
            Shown("limit_price", text=lambda row: "market" if row["limit_price"] is None else None),
            *("status", "risk_reason", "cycle_id"),
            Shown("signal_id", link="/signals/?cycle_id={cycle_id}"),
        ),
    ),
    "fills": Look(
        noun="fill",
        caption="Fills, newest first",
        columns=shown(
            "fill_id",
            *("filled_at", "symbol", "side", "qty", "fill_price"),
            Shown("notional", value=lambda row: quantise(times(row["qty"], row["fill_price"]))),
            *("fee", "slippage_bps"),
            # No cycle: its order leads there, and fifty more ids would weigh as much as all the prices.
            Shown("order_id", link="/orders/{order_id}#fill-{fill_id}"),
        ),
    ),
    "signals": Look(
        noun="signal",
        caption="Signals, newest first",
        columns=shown("signal_id", "created_at", "symbol", "side", "confidence", "strategy_payload", "cycle_id"),
    ),
    "cycles": Look(
        noun="cycle",
        caption="Cycles, newest first",
        columns=shown(
            *("cycle_id", "created_at", "symbol", "outcome", "reason", "strategy", "trigger_source", "actor"),
            *("policy_version", "order_id", "signal_id", "tick_id"),
        ),
    ),
    "positions": Look(
        noun="position",
        caption="Positions by symbol",
        columns=shown(
            Shown("symbol", link="/orders/?symbol={symbol}"),
            *("qty", "avg_entry_price", "mark_price"),
            Shown("market_value", value=lambda row: times(row["qty"], row["mark_price"])),
            *("unrealized_pnl", "updated_at"),
            Shown(
                "closing",
                link="/positions/{symbol}/closing",
                value=lambda row: "Close …" if row["qty"] else None,
                role="operator",
            ),
        ),
        tone=lambda row: "" if row["qty"] else "row-flat",
    ),
    "risk_events": Look(
        noun="decision",
        caption="Risk decisions, newest first",
        columns=shown(
            *("created_at", "action"),
            Shown("details", text=audit_words),
            *("rule", "symbol", "order_id", "cycle_id", "risk_event_id"),
        ),
    ),
    "acts": Look(
        noun="act",
        caption="Acts, newest first",
        columns=shown(
            *("created_at", "act"),
            Shown("actor", link="/admin/acts/?actor={actor}"),
            "subject",
            Shown("details", text=lambda row: act_words(row["details"])),
            *("address", "act_id"),
        ),
    ),
    "policies": Look(
        noun="version",
        caption="Versions of the policy, newest first",
        columns=shown("version", "created_at", "actor", "reason", "difference", "limits", "policy_id"),
    ),
    "smoke_runs": Look(
        noun="run",
        caption="Smoke runs, newest first",
        columns=shown("ran_at", "status", "rpc_latency_ms", "wallet_check", "tx_simulation", "run_id"),
    ),
}
