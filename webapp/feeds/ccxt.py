"""Quotes of an exchange through ccxt (`FEED=ccxt:EXCHANGE`), an optional extra: public prices only, no keys."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from importlib import import_module
from typing import Any

from webapp.domain.errors import DomainError
from webapp.domain.market import Tick
from webapp.domain.moments import EPOCH
from webapp.feeds.network import FeedError, Trouble, exact_tick

TIMEOUT_MS = 5_000
INSTALL = "pip install --require-hashes -r requirements-exchanges.txt"

log = logging.getLogger(__name__)


def open_ccxt(name: str, symbols: Sequence[str]) -> "CcxtFeed":
    """The feed of the exchange of that name. Raises :class:`FeedError` when ccxt, or the exchange, is not there."""
    try:
        ccxt = import_module("ccxt")
    except ImportError:
        raise FeedError(f"FEED=ccxt:{name} needs the optional package ccxt: {INSTALL}") from None
    if name not in ccxt.exchanges:
        raise FeedError(f"FEED=ccxt:{name}: ccxt knows no exchange of that name")
    exchange = getattr(ccxt, name)({"enableRateLimit": True, "timeout": TIMEOUT_MS})
    # ccxt then passes on the exchange's own digits; its default is float.
    exchange.number = str
    return CcxtFeed(exchange, symbols, ccxt.BaseError)


def market_of(symbol: str) -> str:
    """The desk's SOL-USDC is SOL/USDC to ccxt."""
    return symbol.replace("-", "/", 1)


class CcxtFeed:
    """Best bid and ask of each symbol. Trouble is logged and gives an empty poll."""

    def __init__(self, exchange: Any, symbols: Sequence[str], error: type[Exception]) -> None:
        self._exchange = exchange
        self._wanted = {market_of(symbol): symbol for symbol in symbols}
        self._trouble = Trouble(log, f"ccxt:{exchange.id}")
        self._error = error

    def poll(self, now: datetime) -> Sequence[Tick]:
        """One quote a symbol, stamped with the exchange's time where it gives one, never later than ``now``."""
        try:
            answers = self._ask()
        except self._error as error:
            self._trouble.began(f"{type(error).__name__}: {str(error)[:200]}")
            return ()
        return list(self._ticks(answers, now))

    def _ask(self) -> Mapping[str, Any]:
        known = self._exchange.load_markets()
        markets = [market for market in self._wanted if market in known]
        if not markets:
            return {}
        if self._exchange.has.get("fetchBidsAsks"):
            return dict(self._exchange.fetch_bids_asks(markets))
        if self._exchange.has.get("fetchTickers"):
            return dict(self._exchange.fetch_tickers(markets))
        return {market: self._exchange.fetch_ticker(market) for market in markets}

    def _ticks(self, answers: Mapping[str, Any], now: datetime) -> Iterator[Tick]:
        missing = []
        for market, symbol in self._wanted.items():
            try:
                yield self._tick(symbol, answers[market], now)
            except (KeyError, TypeError, InvalidOperation, DomainError):
                missing.append(symbol)
        if missing:
            self._trouble.began(f"no usable quote of {', '.join(missing)}")
        else:
            self._trouble.ended()

    @staticmethod
    def _tick(symbol: str, answer: Mapping[str, Any], now: datetime) -> Tick:
        stamp = answer.get("timestamp")
        at = now if stamp is None else min(now, EPOCH + timedelta(milliseconds=int(stamp)))
        return exact_tick(symbol, Decimal(answer["bid"]), Decimal(answer["ask"]), at)
