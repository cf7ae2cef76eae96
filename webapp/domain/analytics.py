"""Performance statistics of a NAV series: exact Decimal arithmetic, `None` wherever a figure is undefined.

Ratios are fractions (0.05 is 5 %), drawdowns are zero or negative, and annual figures use simple returns, a
risk-free rate and target of zero, and as many periods a year as the caller says (365 for daily closes). NAV is
counted without cash flows: the desk has one deposit, its starting cash.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal, Overflow
from itertools import pairwise

from webapp.domain.moments import midnight
from webapp.domain.money import ZERO, exact

DAYS_PER_YEAR = 365
ONE = Decimal(1)

Point = tuple[datetime, Decimal]


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall from a running peak; `ratio` <= 0, the times are None when NAV never fell.

    `recovered_at` is when NAV was first back at the peak, None while it is not.
    """

    ratio: Decimal
    peak: Decimal | None = None
    trough: Decimal | None = None
    peak_at: datetime | None = None
    trough_at: datetime | None = None
    recovered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Statistics:
    """Everything said of one evenly sampled curve."""

    n_returns: int
    total_return: Decimal | None
    cagr: Decimal | None
    mean_return: Decimal | None
    annual_volatility: Decimal | None
    downside_deviation: Decimal | None
    sharpe: Decimal | None
    sortino: Decimal | None


@exact
def returns(nav: Sequence[Decimal]) -> list[Decimal] | None:
    """Simple returns; None when one of them would be measured from nothing or from debt."""
    if any(base <= 0 for base in nav[:-1]):
        return None
    return [after / before - ONE for before, after in pairwise(nav)]


@exact
def total_return(nav: Sequence[Decimal]) -> Decimal | None:
    """Last over first, less one."""
    if not nav or nav[0] <= 0:
        return None
    return nav[-1] / nav[0] - ONE


@exact
def cagr(nav: Sequence[Decimal], periods_per_year: int) -> Decimal | None:
    """The same growth spread over a year of periods.

    None where no rate leads there (a NAV below zero) or where a few periods extrapolate beyond any number.
    """
    n = len(nav) - 1
    if n < 1 or nav[0] <= 0 or nav[-1] < 0:
        return None
    growth = nav[-1] / nav[0]
    try:
        return growth ** (Decimal(periods_per_year) / n) - ONE if growth else -ONE
    except Overflow:
        return None


@exact
def mean_return(nav: Sequence[Decimal]) -> Decimal | None:
    """Arithmetic mean of the simple returns."""
    series = returns(nav)
    return sum(series, ZERO) / len(series) if series else None


@exact
def annual_volatility(nav: Sequence[Decimal], periods_per_year: int) -> Decimal | None:
    """Sample standard deviation (n - 1 in the denominator) of the returns, annualised."""
    deviation = _sample_deviation(returns(nav))
    return None if deviation is None else deviation * Decimal(periods_per_year).sqrt()


@exact
def sharpe(nav: Sequence[Decimal], periods_per_year: int) -> Decimal | None:
    """Mean over sample deviation, annualised; undefined without deviation."""
    series = returns(nav)
    deviation = _sample_deviation(series)
    if not series or not deviation:
        return None
    return sum(series, ZERO) / len(series) / deviation * Decimal(periods_per_year).sqrt()


@exact
def downside_deviation(nav: Sequence[Decimal], periods_per_year: int) -> Decimal | None:
    """Root of the mean square of the losses, gains counting as zero in a denominator of all n, annualised."""
    series = returns(nav)
    if not series:
        return None
    losses = sum((r * r for r in series if r < 0), ZERO)
    return (losses / len(series)).sqrt() * Decimal(periods_per_year).sqrt()


@exact
def sortino(nav: Sequence[Decimal], periods_per_year: int) -> Decimal | None:
    """Annual mean over downside deviation; undefined without a loss or with a single return."""
    series = returns(nav)
    downside = downside_deviation(nav, periods_per_year)
    if not series or len(series) < 2 or not downside:
        return None
    return sum(series, ZERO) / len(series) * periods_per_year / downside


@exact
def max_drawdown(points: Iterable[Point]) -> Drawdown:
    """The deepest fall from a running peak, the first point being a peak like any other.

    `peak_at` is the first time that peak was reached, `trough_at` the first time of the minimum.
    """
    deepest = Drawdown(ZERO)
    peak: Point | None = None
    for at, nav in points:
        if _back(deepest, at, nav):
            deepest = replace(deepest, recovered_at=at)
        if peak is None or nav > peak[1]:
            peak = (at, nav)
        elif peak[1] > 0 and (ratio := nav / peak[1] - ONE) < deepest.ratio:
            deepest = Drawdown(ratio, peak[1], nav, peak[0], at)
    return deepest


def _back(fall: Drawdown, at: datetime, nav: Decimal) -> bool:
    """Whether this is the moment at which a fall was made good."""
    if fall.peak is None or fall.trough_at is None or fall.recovered_at is not None:
        return False
    return nav >= fall.peak and at > fall.trough_at


def daily_closes(points: Iterable[Point]) -> list[Point]:
    """Irregular snapshots, oldest first, as one close a UTC day after the very first snapshot as the base.

    A day without a snapshot carries the close before it forward. Each close is stamped with the day's start; the
    base keeps its own time. A snapshot at exactly 00:00 belongs to the day that begins.
    """
    closes: list[Point] = []
    for at, nav in points:
        day = midnight(at)
        if not closes:
            closes += [(at, nav), (day, nav)]
            continue
        last_day, last_nav = closes[-1]
        while last_day + timedelta(days=1) < day:
            last_day += timedelta(days=1)
            closes.append((last_day, last_nav))
        if last_day == day:
            closes[-1] = (day, nav)
        else:
            closes.append((day, nav))
    return closes


def statistics(nav: Sequence[Decimal], periods_per_year: int = DAYS_PER_YEAR) -> Statistics:
    """All figures of one evenly sampled curve; an empty one has none of them."""
    return Statistics(
        n_returns=max(len(nav) - 1, 0),
        total_return=total_return(nav),
        cagr=cagr(nav, periods_per_year),
        mean_return=mean_return(nav),
        annual_volatility=annual_volatility(nav, periods_per_year),
        downside_deviation=downside_deviation(nav, periods_per_year),
        sharpe=sharpe(nav, periods_per_year),
        sortino=sortino(nav, periods_per_year),
    )


def _sample_deviation(series: Sequence[Decimal] | None) -> Decimal | None:
    """Per-period deviation with n - 1; exactly zero for equal returns, not the noise of the last digit."""
    if series is None or len(series) < 2:
        return None
    if all(r == series[0] for r in series):
        return ZERO
    mean = sum(series, ZERO) / len(series)
    return (sum(((r - mean) ** 2 for r in series), ZERO) / (len(series) - 1)).sqrt()
