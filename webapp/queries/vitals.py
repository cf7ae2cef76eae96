"""The few numbers a monitoring system asks for every few seconds, in one cheap statement."""

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from webapp.models import Account, Cycle, Heartbeat, KillSwitchState, MarketTick, PortfolioSnapshot


def revision(session: Session) -> str | None:
    """The migration the database is at; None when it has none."""
    if session.execute(select(func.to_regclass("alembic_version"))).scalar() is None:
        return None
    return session.execute(text("SELECT version_num FROM alembic_version")).scalar()


def read(session: Session) -> dict[str, float]:
    """Vital signs by name; one that cannot be known yet is left out. Ages in seconds, money in USDC."""
    clock = func.clock_timestamp()
    columns = {
        "kill_switch": select(KillSwitchState.enabled).scalar_subquery(),
        "newest_quote_age_seconds": func.extract(
            "epoch", clock - select(func.max(MarketTick.event_at)).scalar_subquery()
        ),
        "last_cycle_age_seconds": func.extract("epoch", clock - select(func.max(Cycle.created_at)).scalar_subquery()),
        "engine_heartbeat_age_seconds": func.extract(
            "epoch", clock - select(Heartbeat.beat_at).where(Heartbeat.process == "engine").scalar_subquery()
        ),
        "snapshot_age_seconds": func.extract(
            "epoch", clock - select(func.max(PortfolioSnapshot.captured_at)).scalar_subquery()
        ),
        "nav_usdc": select(Account.last_nav).scalar_subquery(),
        "peak_nav_usdc": select(Account.peak_nav).scalar_subquery(),
    }
    row = session.execute(select(*(column.label(name) for name, column in columns.items()))).mappings().one()
    found = {name: float(value) for name, value in row.items() if value is not None}
    found.setdefault("kill_switch", 1.0)  # unknown counts as halted
    return found
