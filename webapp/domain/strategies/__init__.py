"""The strategies the desk can run, by name."""

from collections.abc import Mapping

from webapp.domain.errors import BadInput
from webapp.domain.strategies.mean_reversion import MeanReversion
from webapp.domain.strategies.momentum import Momentum
from webapp.domain.strategies.protocol import Strategy

STRATEGIES: Mapping[str, Strategy] = {strategy.name: strategy for strategy in (Momentum(), MeanReversion())}


def get_strategy(name: str) -> Strategy:
    """The strategy of that name. Raises :class:`BadInput`."""
    try:
        return STRATEGIES[name]
    except KeyError:
        raise BadInput("strategy", f"must be one of {', '.join(STRATEGIES)}") from None


__all__ = ["STRATEGIES", "Strategy", "get_strategy"]
