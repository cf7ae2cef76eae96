"""The tables, as SQLAlchemy models: the nine of the schema and their companions, one file per aggregate."""

from webapp.models.access import Act, ApiToken, LoginSession, ShareLink, User
from webapp.models.audit import AuditHead, AuditLink
from webapp.models.base import Base
from webapp.models.checks import ReleaseRequest, SelfCheck, SelfCheckMark
from webapp.models.fills import Fill, FillReceipt
from webapp.models.idempotency import IdempotencyKey
from webapp.models.kill_switch import KillSwitchEvent, KillSwitchState
from webapp.models.market import Candle, LateTick, MarketTick
from webapp.models.orders import Order, OrderTransition
from webapp.models.policies import PolicyVersion
from webapp.models.portfolio import Account, NavBucket, PortfolioSnapshot
from webapp.models.positions import Position, PositionCost
from webapp.models.processes import EngineLease, Heartbeat
from webapp.models.replays import ReplayRun
from webapp.models.risk_events import RiskEvent
from webapp.models.signals import Cycle, Signal
from webapp.models.smoke_runs import DevnetSmokeRun
from webapp.models.trades import RoundTrip, TradeBucket, TradeRollup

__all__ = [
    "Account",
    "Act",
    "ApiToken",
    "AuditHead",
    "AuditLink",
    "Base",
    "Candle",
    "Cycle",
    "DevnetSmokeRun",
    "EngineLease",
    "Fill",
    "FillReceipt",
    "Heartbeat",
    "IdempotencyKey",
    "KillSwitchEvent",
    "KillSwitchState",
    "LateTick",
    "LoginSession",
    "MarketTick",
    "NavBucket",
    "Order",
    "OrderTransition",
    "PolicyVersion",
    "PortfolioSnapshot",
    "Position",
    "PositionCost",
    "ReleaseRequest",
    "ReplayRun",
    "RiskEvent",
    "RoundTrip",
    "SelfCheck",
    "SelfCheckMark",
    "ShareLink",
    "Signal",
    "TradeBucket",
    "TradeRollup",
    "User",
]
