"""Solana mainnet prices from Jupiter's quotes (`FEED=jupiter`): read only, no wallet, nothing is ever swapped.

Jupiter quotes swaps, not books. The ask of SOL-USDC is what 1,000 USDC buy, the bid what selling just that much back
would bring, so both include the depth an order of the desk's size would meet.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import httpx2

from webapp.domain.errors import DomainError
from webapp.domain.market import Tick
from webapp.feeds.network import FeedError, Trouble, exact_tick

BASE_URL = "https://api.jup.ag"
TIMEOUT_SECONDS = 5.0
REQUESTS_A_MINUTE = 60
"""Of a free key."""
PROBE = Decimal(1000)
"""Of the quote token: about one order of the default policy."""

log = logging.getLogger(__name__)


class Token(NamedTuple):
    """Where a token lives on mainnet, and how many decimals its integer amounts have."""

    mint: str
    decimals: int


TOKENS = {
    "SOL": Token("So11111111111111111111111111111111111111112", 9),
    "USDC": Token("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 6),
    "USDT": Token("Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", 6),
    "BTC": Token("3NZ9JMVBmGAqocybic2c7LQCJScmgsAZ6vQqTDzcqmJh", 8),
    "ETH": Token("7vfCXTUXx5WJV5JADk17DUJ4ksgau7utNKj4b963voxs", 8),
    "JUP": Token("JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN", 6),
    "BONK": Token("DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263", 5),
}
"""BTC and ETH are the Wormhole tokens."""


class BadAnswer(Exception):
    """An answer of Jupiter that is no quote."""


def pair_of(symbol: str) -> tuple[Token, Token]:
    """Base and quote token of SOL-USDC. Raises :class:`FeedError` for a token whose mint is not known here."""
    base, _, quote = symbol.partition("-")
    if base == quote or base not in TOKENS or quote not in TOKENS:
        raise FeedError(f"FEED=jupiter cannot quote {symbol}: SYMBOLS must be pairs of {', '.join(TOKENS)}")
    return TOKENS[base], TOKENS[quote]


def seconds_between_polls(symbols: Sequence[str]) -> float:
    """Two requests a symbol, kept a little below what a free key allows."""
    return 2 * len(symbols) * 60 / REQUESTS_A_MINUTE * 1.1


class JupiterFeed:
    """Bid and ask of each symbol by quoting both ways. Trouble is logged and leaves the symbol out."""

    def __init__(self, symbols: Sequence[str], api_key: str, transport: httpx2.BaseTransport | None = None) -> None:
        self._pairs = {symbol: pair_of(symbol) for symbol in symbols}
        self._client = httpx2.Client(
            base_url=BASE_URL, headers={"x-api-key": api_key}, timeout=TIMEOUT_SECONDS, transport=transport
        )
        self._trouble = Trouble(log, "jupiter")

    def poll(self, now: datetime) -> Sequence[Tick]:
        """One quote a symbol, stamped ``now``: a quote is good for the moment it is asked for."""
        return list(self._ticks(now))

    def _ticks(self, now: datetime) -> Iterator[Tick]:
        failed = None
        for symbol, (base, quote) in self._pairs.items():
            try:
                yield self._tick(symbol, base, quote, now)
            except (httpx2.HTTPError, BadAnswer, DomainError) as error:
                failed = f"{symbol}: {type(error).__name__}: {error}"
        if failed:
            self._trouble.began(failed)
        else:
            self._trouble.ended()

    def _tick(self, symbol: str, base: Token, quote: Token, now: datetime) -> Tick:
        spent = int(PROBE.scaleb(quote.decimals))
        bought = self._out_amount(quote, base, spent)
        back = self._out_amount(base, quote, bought)
        amount = Decimal(bought).scaleb(-base.decimals)
        bid, ask = Decimal(back).scaleb(-quote.decimals) / amount, PROBE / amount
        return exact_tick(symbol, bid, ask, now)

    def _out_amount(self, sold: Token, bought: Token, amount: int) -> int:
        """What selling ``amount`` smallest units brings, in smallest units of the other token."""
        answer = self._client.get(
            "/swap/v1/quote",
            params={"inputMint": sold.mint, "outputMint": bought.mint, "amount": str(amount), "slippageBps": "50"},
        )
        answer.raise_for_status()
        try:
            document = answer.json()
            got, asked = int(document["outAmount"]), int(document["inAmount"])
            mints = (document["inputMint"], document["outputMint"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadAnswer(f"not a quote ({type(error).__name__})") from None
        if got <= 0 or asked != amount or mints != (sold.mint, bought.mint):
            raise BadAnswer("a quote of something else")
        return got
