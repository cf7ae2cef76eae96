"""The strategies the desk can run, by name."""

from collections.abc import Mapping, Sequence

from webapp.domain.errors import BadInput
from webapp.domain.strategies.closing import Closing
from webapp.domain.strategies.mean_reversion import MeanReversion
from webapp.domain.strategies.momentum import Momentum
from webapp.domain.strategies.protocol import Strategy
from webapp.domain.strategies.rebalance import Rebalance

_ALL: tuple[Strategy, ...] = (Momentum(), MeanReversion(), Rebalance())
STRATEGIES: Mapping[str, Strategy] = {strategy.name: strategy for strategy in _ALL}


def get_strategy(name: str) -> Strategy:
    """The strategy of that name. Raises :class:`BadInput`."""
    try:
        return STRATEGIES[name]
    except KeyError:
        raise BadInput("strategy", f"must be one of {', '.join(STRATEGIES)}") from None


def deal(names: Sequence[str], symbols: Sequence[str]) -> dict[str, Strategy]:
    """The strategy of each symbol: the named ones dealt in turn, as cards are. Raises :class:`BadInput`."""
    return {symbol: get_strategy(names[number % len(names)]) for number, symbol in enumerate(symbols)}


__all__ = ["STRATEGIES", "Closing", "Strategy", "deal", "get_strategy"]
