"""However many quotes a window holds, the engine keeps its lead, and what must halt the desk halts it."""

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.engine.test_engine import Quotes, alive, eventually, pooled, quick
from tests.services.desks import BOT, CALM, SOL, limits, one, wish
from webapp.domain.market import Tick
from webapp.services import kill_switch, market, trading
from webapp.services.trading import CycleRequest
from webapp.services.transaction import enter_gate, transaction

__all__ = ["pooled", "quick"]

QUOTES = 100_000
CYCLES = 10
FLOOD = """
INSERT INTO market_ticks (tick_id, symbol, bid_price, ask_price, mid_price, spread_bps, event_at, created_at)
SELECT gen_random_uuid(), :symbol, mid, mid, mid, 0, at, at FROM (
  SELECT 100 + n % 100 * 0.01 AS mid, clock_timestamp() - make_interval(secs => (:quotes - n) * 0.0001) AS at
  FROM generate_series(1, :quotes) AS n
) quotes
"""


def test_engine_keeps_its_lead_and_its_halts_however_many_quotes_a_window_holds(
    session: Session, pooled: Engine
) -> None:
    limits(session, **{**CALM, "anomaly_window_seconds": 3_600, "anomaly_warn_pct": "5", "anomaly_halt_pct": "10"})
    market.accept(session, [Tick(SOL, Decimal(100), Decimal(100), datetime.now(UTC))], BOT)
    bought = trading.run_cycle(session, CycleRequest(SOL, "test", wish("buy", 9)), BOT)
    assert bought.document["outcome"] == "executed"
    session.execute(text(FLOOD), {"symbol": SOL, "quotes": QUOTES})
    session.commit()

    with alive(pooled, Quotes(SOL)) as runner:
        eventually(lambda: runner.hand.counts.cycles >= CYCLES, "the engine does not get through its cycles")
        assert one(session, "SELECT epoch FROM engine_lease") == 1, "it lost its lead"
        with transaction(session):
            enter_gate(session)  # or a step that is under way would write the old peak again
            session.execute(text("UPDATE account SET peak_nav = 20000"))
        eventually(lambda: kill_switch.state(session).enabled, "a drawdown beyond its limit halted nothing")
        assert one(session, "SELECT epoch FROM engine_lease") == 1, "it lost its lead"
    assert str(kill_switch.state(session).reason).startswith("MAX_DRAWDOWN")
