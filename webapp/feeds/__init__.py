"""Where quotes come from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from webapp.domain.market import Feed
from webapp.feeds.network import BackgroundFeed, FeedError
from webapp.feeds.simulated import SimulatedFeed

CCXT_SECONDS = 2.0
"""Between two questions to an exchange."""


class FeedConfig(Protocol):
    """What of the settings a feed needs."""

    @property
    def feed(self) -> str: ...
    @property
    def feed_files(self) -> Sequence[Path]: ...
    @property
    def feed_speed(self) -> float: ...
    @property
    def symbols(self) -> Sequence[str]: ...
    @property
    def jupiter_api_key(self) -> SecretStr | None: ...


def open_feed(config: FeedConfig) -> Feed:
    """The feed the setting FEED names. Raises DomainError, in one line, when it cannot be had.

    Adapters are imported here, because most desks never need them.
    """
    name, _, exchange = config.feed.partition(":")
    if name == "simulated":
        return SimulatedFeed(config.symbols)
    if name == "replay":
        return _replay(config)
    if name == "ccxt":
        from webapp.feeds.ccxt import open_ccxt

        return BackgroundFeed(open_ccxt(exchange, config.symbols), CCXT_SECONDS)
    if name == "jupiter":
        return _jupiter(config)
    raise FeedError(f"FEED={config.feed}: no such feed")


def _replay(config: FeedConfig) -> Feed:
    from webapp.feeds.replay import ReplayFeed

    if not config.feed_files:
        raise FeedError("FEED=replay needs FEED_FILES, the quotes files to play, separated by commas")
    return ReplayFeed(config.feed_files, config.feed_speed)


def _jupiter(config: FeedConfig) -> Feed:
    from webapp.feeds.jupiter import JupiterFeed, seconds_between_polls

    if config.jupiter_api_key is None:
        raise FeedError("FEED=jupiter needs JUPITER_API_KEY, an API key of api.jup.ag")
    feed = JupiterFeed(config.symbols, config.jupiter_api_key.get_secret_value())
    return BackgroundFeed(feed, seconds_between_polls(config.symbols))


__all__ = ["Feed", "FeedConfig", "FeedError", "open_feed"]
