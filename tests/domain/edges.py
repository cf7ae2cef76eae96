"""Every rule at its limit: contexts just inside, exactly at and just outside."""

from decimal import Decimal
from typing import Any, NamedTuple

from tests.domain.contexts import TINY
from tests.domain.desks import after, buy, sell


class Edge(NamedTuple):
    """A rule at its limit: the contexts just inside, exactly at and just outside, and whether being at it passes."""

    rule: str
    inside: dict[str, Any]
    at: dict[str, Any]
    outside: dict[str, Any]
    value: str
    limit: str
    unit: str
    at_passes: bool = True


def sold(qty: str | int, **more: Any) -> dict[str, Any]:
    return {"proposal": sell(qty), **more}


THOUSAND = Decimal(1000)
EDGES = (
    Edge(
        "KILL_SWITCH_ACTIVE", {"halted": False}, {"halted": True}, {"halted": True}, "1", "0", "bool", at_passes=False
    ),
    Edge(
        "STALE_MARKET_DATA",
        {"quote_age_seconds": Decimal("29.999999")},
        {"quote_age_seconds": Decimal(30)},
        {"quote_age_seconds": Decimal("30.000001")},
        "30",
        "30",
        "s",
    ),
    Edge(
        "MAX_ORDER_NOTIONAL",
        {"proposal": buy("9.99999999")},
        {"proposal": buy(10)},
        {"proposal": buy("10.00000001")},
        "1000",
        "1000",
        "USDC",
    ),
    Edge(
        "MAX_POSITION_NOTIONAL",
        {"qty_after": 50 - TINY},
        {"qty_after": Decimal(50)},
        {"qty_after": 50 + TINY},
        "5000",
        "5000",
        "USDC",
    ),
    Edge(
        "MAX_GROSS_EXPOSURE",
        {"exposure_elsewhere": 7900 - TINY},
        {"exposure_elsewhere": Decimal(7900)},
        {"exposure_elsewhere": 7900 + TINY},
        "8000",
        "8000",
        "USDC",
    ),
    Edge(
        "MAX_OPEN_POSITIONS",
        {"open_elsewhere": 3},
        {"open_elsewhere": 4},
        {"open_elsewhere": 5},
        "5",
        "5",
        "positions",
    ),
    Edge(
        "MAX_LOSS_PER_TRADE",
        {"round_trip_cost": 100 - TINY},
        {"round_trip_cost": Decimal(100)},
        {"round_trip_cost": 100 + TINY},
        "100",
        "100",
        "USDC",
    ),
    Edge(
        "MAX_DAILY_LOSS",
        {"nav": Decimal("9700.2") + TINY},
        {"nav": Decimal("9700.2")},
        {"nav": Decimal("9700.2") - TINY},
        "300",
        "300",
        "USDC",
    ),
    Edge(
        "MAX_DRAWDOWN",
        {"drawdown": THOUSAND - TINY},
        {"drawdown": THOUSAND},
        {"drawdown": THOUSAND + TINY},
        "1000",
        "1000",
        "USDC",
        at_passes=False,
    ),
    Edge(
        "COOLDOWN_SECONDS",
        {"last_trade_at": after(-60.000001)},
        {"last_trade_at": after(-60)},
        {"last_trade_at": after(-59.999999)},
        "60",
        "60",
        "s",
    ),
    Edge(
        "MAX_TRADES_PER_HOUR",
        {"trades_last_hour": 98},
        {"trades_last_hour": 99},
        {"trades_last_hour": 100},
        "100",
        "100",
        "trades",
    ),
    Edge(
        "MAX_TRADES_PER_DAY",
        {"trades_today": 1198},
        {"trades_today": 1199},
        {"trades_today": 1200},
        "1200",
        "1200",
        "trades",
    ),
    Edge(
        "MIN_CONFIDENCE",
        {"proposal": buy(1, confidence=Decimal("0.60001"))},
        {"proposal": buy(1, confidence=Decimal("0.6"))},
        {"proposal": buy(1, confidence=Decimal("0.59999"))},
        "0.6",
        "0.6",
        "ratio",
    ),
    Edge(
        "MIN_PRICE_MOVE_5M",
        {"policy_min_price_move_5m_pct": Decimal(2), "move_5m_pct": Decimal("2.00000001")},
        {"policy_min_price_move_5m_pct": Decimal(2), "move_5m_pct": Decimal(2)},
        {"policy_min_price_move_5m_pct": Decimal(2), "move_5m_pct": Decimal("1.99999999")},
        "2",
        "2",
        "%",
    ),
    Edge(
        "PRICE_COLLAR",
        {"price": Decimal("104.99999999")},
        {"price": Decimal(105)},
        {"price": Decimal("105.00000001")},
        "5",
        "5",
        "%",
    ),
    Edge(
        "INSUFFICIENT_CASH",
        {"cash_available": Decimal("100.1") + TINY},
        {"cash_available": Decimal("100.1")},
        {"cash_available": Decimal("100.1") - TINY},
        "100.1",
        "100.1",
        "USDC",
    ),
    Edge(
        "SHORT_NOT_ALLOWED",
        sold(1, position_qty=1 + TINY, qty_after=TINY),
        sold(1, position_qty=Decimal(1), qty_after=Decimal(0)),
        sold(1, position_qty=1 - TINY, qty_after=-TINY),
        "0",
        "0",
        "qty",
    ),
)
