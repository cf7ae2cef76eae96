"""The statistics of a range, in groups that each name their basis."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from webapp.domain.analytics import Statistics, statistics
from webapp.domain.money import BPS
from webapp.domain.trades import Tally
from webapp.queries.portfolio import Performance, Window
from webapp.queries.trades import Traded
from webapp.web import filters
from webapp.web.told import moment_text

ANNUAL_FROM: Final = timedelta(days=1)
FEW_DAYS: Final = 30
Value = Decimal | int | timedelta | None


class Stat(NamedTuple):
    """One figure. `kind` says how it reads: a change or a size in percent, a ratio, USDC, a count, a duration."""

    name: str
    label: str
    value: Value
    kind: str
    note: str = ""

    @property
    def exact(self) -> str:
        """As a machine reads it; empty where it is undefined."""
        if self.value is None:
            return ""
        if isinstance(self.value, Decimal):
            return format(self.value, ".18f")
        return str(int(self.value.total_seconds()) if isinstance(self.value, timedelta) else self.value)

    @property
    def text(self) -> str:
        """As people read it, with its unit."""
        return "n/a" if self.value is None else _READ[self.kind](self.value)

    @property
    def tone(self) -> str:
        """The colour of a gain or a loss, where the figure is one."""
        return filters.tone(self.value) if self.kind in ("change", "signed") and self.value else ""  # type: ignore[arg-type]  # these kinds are numbers


_READ: Final = {
    "change": lambda value: filters.percent(value, 2, plus=True),
    "size": lambda value: filters.percent(value, 2),
    "ratio": lambda value: filters.number(value, 2),
    "signed": lambda value: f"{filters.signed(value)} USDC",
    "money": lambda value: f"{filters.money(value)} USDC",
    "count": lambda value: filters.number(value, 0),
    "bps": lambda value: f"{filters.number(value, 1)} bps",
    "span": filters.duration,
}


class Group(NamedTuple):
    """Figures on one basis."""

    title: str
    stats: list[Stat]
    basis: str


def groups(view: Window, found: Performance, traded: Traded) -> list[Group]:
    """All figures in reading order: what came of it, at what risk, by which trades, at what cost."""
    return [
        Group("Return", _returns(view, found), _days(view, found)),
        Group("Risk", _risk(view, found), _risk_basis(found)),
        Group("Closed trades", _trades(traded.tally), _trades_basis(traded)),
        Group("Costs", _costs(traded.tally), "From every fill of the range, opening and closing alike."),
    ]


def _annual(view: Window, found: Performance) -> Statistics:
    """Less than a day has no annual figures: an hour stretched to a year is a number without a meaning."""
    return statistics([]) if view.end - view.start < ANNUAL_FROM else found.daily


def _returns(view: Window, found: Performance) -> list[Stat]:
    daily = _annual(view, found)
    return [
        Stat("change", "NAV, first to last", view.change, "signed"),
        Stat("total_return", "Total return", found.daily.total_return, "change"),
        Stat("cagr", "Annual growth (CAGR)", daily.cagr, "change"),
        Stat("mean_return", "Mean daily return", daily.mean_return, "change"),
    ]


def _risk(view: Window, found: Performance) -> list[Stat]:
    daily, fall = _annual(view, found), found.max_drawdown.drawdown
    return [
        Stat("annual_volatility", "Volatility, annual", daily.annual_volatility, "size"),
        Stat("downside_deviation", "Downside, annual", daily.downside_deviation, "size"),
        Stat("sharpe", "Sharpe ratio", daily.sharpe, "ratio"),
        Stat("sortino", "Sortino ratio", daily.sortino, "ratio"),
        Stat("max_drawdown", "Deepest drawdown", fall.ratio, "size"),
    ]


def _trades(tally: Tally) -> list[Stat]:
    split = f"{filters.number(tally.wins, 0)} won, {filters.number(tally.losses, 0)} lost" if tally.trades else ""
    return [
        Stat("trades", "Closed trades", tally.trades, "count", split),
        Stat("win_rate", "Win rate", tally.win_rate, "size"),
        Stat("profit_factor", "Profit factor", tally.profit_factor, "ratio", "won / lost"),
        Stat("expectancy", "Expectancy a trade", tally.expectancy, "signed"),
        Stat("average_win", "Average win", tally.average_win, "money"),
        Stat("average_loss", "Average loss", tally.average_loss, "money"),
        Stat("average_holding", "Average holding", tally.average_held, "span"),
    ]


def _costs(tally: Tally) -> list[Stat]:
    turnover = tally.turnover
    return [
        Stat("fees", "Fees", tally.fees, "money"),
        Stat("turnover", "Turnover", turnover, "money", "bought and sold"),
        Stat("fee_rate", "Fees of turnover", tally.fees / turnover * BPS if turnover else None, "bps"),
        Stat("fills", "Fills", tally.fills, "count"),
    ]


def _days(view: Window, found: Performance) -> str:
    opened = max(view.opening[0], view.start)
    days = f"{found.closes} daily close{'' if found.closes == 1 else 's'}"
    said = (
        f"Basis: {days} (UTC days, today as far as it has come) after the opening {filters.money(view.opening[1])} "
        f"USDC of {moment_text(opened)}; simple returns, 365 days a year, no risk-free rate; n/a where undefined."
    )
    few = found.closes < FEW_DAYS and view.end - view.start >= ANNUAL_FROM
    return said + (" Annual figures stretched from so few days say little." if few else "")


def _risk_basis(found: Performance) -> str:
    fall = found.max_drawdown.drawdown
    basis = "Volatility and ratios from the same daily closes (deviation with n − 1). Drawdown from every snapshot"
    basis += "" if found.max_drawdown.exact else ", to the minute"
    if fall.peak is None or fall.peak_at is None or fall.trough is None or fall.trough_at is None:
        return f"{basis}: NAV never fell below where it had been."
    back = fall.recovered_at
    ended = f"back at the peak on {moment_text(back)}" if back else "not back at the peak yet"
    return (
        f"{basis}: from {filters.money(fall.peak)} USDC on {moment_text(fall.peak_at)} "
        f"to {filters.money(fall.trough)} on {moment_text(fall.trough_at)}, "
        f"in {filters.duration(fall.trough_at - fall.peak_at)}; {ended}."
    )


def _trades_basis(traded: Traded) -> str:
    said = (
        "A trade goes from flat to flat of one symbol and counts where it closed; profit after all its fees. "
        "What is still open is not in it."
    )
    if traded.since.complete_to is not None:
        said += f" Fills after {moment_text(traded.since.complete_to)} are not counted yet."
    return said
