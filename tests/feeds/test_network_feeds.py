"""Feeds that ask somebody else, with recorded answers: nothing here reaches the network."""

import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event
from time import monotonic, sleep
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from webapp.domain.errors import DomainError
from webapp.domain.market import Tick
from webapp.feeds import FeedError, open_feed
from webapp.feeds.ccxt import CcxtFeed, open_ccxt
from webapp.feeds.jupiter import TOKENS, JupiterFeed, seconds_between_polls
from webapp.feeds.network import BackgroundFeed
from webapp.feeds.replay import ReplayFeed
from webapp.feeds.simulated import SimulatedFeed

NOW = datetime(2025, 11, 20, 10, tzinfo=UTC)


class ExchangeDown(Exception):
    """What ccxt calls BaseError."""


class RecordedExchange:
    """The four things the adapter uses of a ccxt exchange, with tickers as ccxt gives them when `number` is str."""

    id = "kraken"

    def __init__(self, tickers: Mapping[str, Any], **has: bool) -> None:
        self.tickers, self.has, self.down = tickers, has, ""
        self.asked: list[tuple[str, object]] = []

    def load_markets(self) -> Mapping[str, Any]:
        if self.down:
            raise ExchangeDown(self.down)
        return {"SOL/USDC": {}, "BTC/USDC": {}}

    def fetch_tickers(self, markets: Sequence[str]) -> Mapping[str, Any]:
        self.asked.append(("tickers", markets))
        return {market: self.tickers[market] for market in markets if market in self.tickers}

    def fetch_bids_asks(self, markets: Sequence[str]) -> Mapping[str, Any]:
        self.asked.append(("bids_asks", markets))
        return self.tickers

    def fetch_ticker(self, market: str) -> Any:
        self.asked.append(("ticker", market))
        return self.tickers[market]


SOL = {"symbol": "SOL/USDC", "timestamp": None, "bid": "150.12000", "ask": "150.13000"}
BTC = {"symbol": "BTC/USDC", "timestamp": 1763632799500, "bid": "64000.1", "ask": "64000.10000001"}


def ccxt_feed(exchange: RecordedExchange, *symbols: str) -> CcxtFeed:
    return CcxtFeed(exchange, symbols or ("SOL-USDC", "BTC-USDC"), ExchangeDown)


def test_exchange_prices_keep_their_digits_and_their_time() -> None:
    sol, btc = ccxt_feed(RecordedExchange({"SOL/USDC": SOL, "BTC/USDC": BTC}, fetchTickers=True)).poll(NOW)
    assert sol == Tick("SOL-USDC", Decimal("150.12"), Decimal("150.13"), NOW)
    assert btc.ask_price == Decimal("64000.10000001")
    assert btc.event_at == NOW - timedelta(milliseconds=500)


def test_exchange_whose_clock_is_ahead_never_gives_a_quote_from_the_future() -> None:
    ahead = BTC | {"timestamp": 1763632800000 + 60_000}
    ticks = ccxt_feed(RecordedExchange({"BTC/USDC": ahead}, fetchTickers=True), "BTC-USDC").poll(NOW)
    assert [tick.event_at for tick in ticks] == [NOW]


@pytest.mark.parametrize(
    ("has", "asked"),
    [
        ({"fetchBidsAsks": True, "fetchTickers": True}, [("bids_asks", ["SOL/USDC", "BTC/USDC"])]),
        ({"fetchTickers": True}, [("tickers", ["SOL/USDC", "BTC/USDC"])]),
        ({"fetchTickers": False}, [("ticker", "SOL/USDC"), ("ticker", "BTC/USDC")]),
    ],
)
def test_exchange_is_asked_the_cheapest_question_it_knows(has: dict[str, bool], asked: list[object]) -> None:
    exchange = RecordedExchange({"SOL/USDC": SOL, "BTC/USDC": BTC}, **has)
    assert len(ccxt_feed(exchange).poll(NOW)) == 2
    assert exchange.asked == asked


def test_exchange_without_a_market_gives_the_others_and_says_which_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    feed = ccxt_feed(RecordedExchange({"SOL/USDC": SOL}, fetchTickers=True), "SOL-USDC", "XYZ-USDC")
    assert [tick.symbol for tick in feed.poll(NOW)] == ["SOL-USDC"]
    assert "no usable quote of XYZ-USDC" in caplog.text


@pytest.mark.parametrize(
    "bad", [{"bid": None}, {"bid": "x"}, {"ask": "1"}, {"bid": "0"}, {"bid": "NaN"}, {"ask": "1e30"}]
)
def test_exchange_answer_that_is_no_quote_is_left_out(bad: dict[str, str | None]) -> None:
    assert ccxt_feed(RecordedExchange({"SOL/USDC": SOL | bad}, fetchTickers=True), "SOL-USDC").poll(NOW) == []


def test_exchange_that_is_down_is_an_empty_poll_said_once_and_over_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    exchange = RecordedExchange({"SOL/USDC": SOL}, fetchTickers=True)
    feed = ccxt_feed(exchange, "SOL-USDC")
    exchange.down = "kraken GET https://api.kraken.com/0/public/Assets"
    assert [feed.poll(NOW) for _ in range(3)] == [(), (), ()]
    exchange.down = ""
    assert len(feed.poll(NOW)) == 1
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "ExchangeDown: kraken GET" in caplog.text


def test_missing_ccxt_is_one_line_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(FeedError, match=r"^FEED=ccxt:kraken needs .*pip install .*-r requirements-exchanges\.txt$"):
        open_ccxt("kraken", ["SOL-USDC"])


def test_real_ccxt_with_recorded_answers_gives_exact_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs where the optional extra is installed; guards the way `number = str` reaches ccxt's parsing."""
    with pytest.raises(FeedError, match="no exchange of that name"):
        open_ccxt("nonesuch", ["SOL-USDC"])
    feed = open_ccxt("kraken", ["SOL-USDC"])
    monkeypatch.setattr(feed._exchange, "fetch", kraken_answer)
    assert feed.poll(NOW) == [Tick("SOL-USDC", Decimal("150.10000"), Decimal("150.13000001"), NOW)]


def kraken_answer(url: str, *_: object, **__: object) -> Any:
    pair = {
        "altname": "SOLUSDC", "wsname": "SOL/USDC", "base": "SOL", "quote": "USDC", "pair_decimals": 8,
        "lot_decimals": 8, "fees": [[0, 0.4]], "fees_maker": [[0, 0.25]], "ordermin": "0.02", "status": "online",
    }  # fmt: skip
    coin = {"aclass": "currency", "altname": "SOL", "decimals": 10, "display_decimals": 5, "status": "enabled"}
    ticker = {"a": ["150.13000001", "1", "1.0"], "b": ["150.10000", "2", "2.0"], "c": ["150.1", "0.04"]}
    results = {"AssetPairs": {"SOLUSDC": pair}, "Assets": {"SOL": coin, "USDC": coin | {"altname": "USDC"}}}
    name = url.partition("?")[0].rpartition("/")[2]
    return json.loads(json.dumps({"error": [], "result": results.get(name, {"SOLUSDC": ticker})}))


def jupiter_quote(request: httpx2.Request, out_amount: int) -> dict[str, object]:
    """The shape of the documented example of GET /swap/v1/quote."""
    asked = request.url.params
    return {
        "inputMint": asked["inputMint"],
        "inAmount": asked["amount"],
        "outputMint": asked["outputMint"],
        "outAmount": str(out_amount),
        "otherAmountThreshold": str(out_amount * 995 // 1000),
        "swapMode": "ExactIn",
        "slippageBps": 50,
        "platformFee": None,
        "priceImpactPct": "0",
        "routePlan": [{"swapInfo": {"label": "Meteora DLMM", "feeAmount": "24825"}, "percent": 100}],
        "contextSlot": 299283763,
        "timeTaken": 0.015257836,
    }


def solana_market(request: httpx2.Request) -> httpx2.Response:
    """1 SOL costs 160 USDC and brings 159.84."""
    amount = int(request.url.params["amount"])
    buying = request.url.params["outputMint"] == TOKENS["SOL"].mint
    return httpx2.Response(
        200, json=jupiter_quote(request, amount * 1000 // 160 if buying else amount * 15984 // 100_000)
    )


def jupiter_feed(answer: Callable[[httpx2.Request], httpx2.Response], *symbols: str) -> JupiterFeed:
    return JupiterFeed(symbols or ("SOL-USDC",), "k3y", httpx2.MockTransport(answer))


def test_jupiter_quotes_both_ways_are_bid_and_ask() -> None:
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return solana_market(request)

    assert jupiter_feed(answer).poll(NOW) == [Tick("SOL-USDC", Decimal("159.84"), Decimal(160), NOW)]
    buy, back = asked
    assert (buy.method, buy.url.host, buy.url.path) == ("GET", "api.jup.ag", "/swap/v1/quote")
    assert all(request.headers["x-api-key"] == "k3y" for request in asked)
    assert buy.url.params["amount"] == "1000000000"
    assert back.url.params["amount"] == "6250000000"
    assert (back.url.params["inputMint"], back.url.params["outputMint"]) == (TOKENS["SOL"].mint, TOKENS["USDC"].mint)


def timed_out(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ReadTimeout("timed out", request=request)


@pytest.mark.parametrize(
    "answer",
    [
        timed_out,
        lambda _: httpx2.Response(429, json={"error": "rate limited"}),
        lambda _: httpx2.Response(200, text="<html>"),
        lambda _: httpx2.Response(200, json=[]),
        lambda _: httpx2.Response(200, json={"error": "no route"}),
        lambda request: httpx2.Response(200, json=jupiter_quote(request, 0)),
        lambda request: httpx2.Response(200, json=jupiter_quote(request, 5) | {"inAmount": "7"}),
        lambda request: httpx2.Response(200, json=jupiter_quote(request, 10**30)),
        lambda request: httpx2.Response(302, headers={"location": "https://example.org"}),
    ],
)
def test_jupiter_trouble_is_an_empty_poll_said_once(
    answer: Callable[[httpx2.Request], httpx2.Response], caplog: pytest.LogCaptureFixture
) -> None:
    feed = jupiter_feed(answer)
    assert [feed.poll(NOW), feed.poll(NOW)] == [[], []]
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
    assert "k3y" not in caplog.text


def test_jupiter_trouble_with_one_symbol_leaves_the_others() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if TOKENS["ETH"].mint in str(request.url):
            return httpx2.Response(500)
        return solana_market(request)

    assert [tick.symbol for tick in jupiter_feed(answer, "ETH-USDC", "SOL-USDC").poll(NOW)] == ["SOL-USDC"]


@pytest.mark.parametrize("symbol", ["SOLUSDC", "DOGE-USDC", "SOL-SOL", "SOL-EUR"])
def test_jupiter_pair_it_cannot_quote_is_refused_at_the_start(symbol: str) -> None:
    with pytest.raises(FeedError, match=f"cannot quote {symbol}"):
        jupiter_feed(solana_market, symbol)


def test_jupiter_stays_within_a_free_keys_requests() -> None:
    assert 2 * 3 * 60 / seconds_between_polls(["A", "B", "C"]) < 60


class SlowFeed:
    """A source that answers when it is allowed to, and fails when told to."""

    def __init__(self) -> None:
        self.go, self.polls, self.broken = Event(), 0, False

    def poll(self, now: datetime) -> Sequence[Tick]:
        self.go.wait(10)
        self.polls += 1
        if self.broken:
            raise RuntimeError("a bug in the adapter")
        return [Tick("SOL-USDC", Decimal(1), Decimal(2), now)]


def polled(feed: BackgroundFeed, seconds: float = 60) -> list[Tick]:
    """What the feed hands over as soon as it has something."""
    until = monotonic() + seconds
    while monotonic() < until:
        if ticks := feed.poll(NOW):
            return list(ticks)
        sleep(0.005)
    return []


def test_hanging_source_never_makes_a_poll_wait() -> None:
    source = SlowFeed()
    feed = BackgroundFeed(source, 0.01, clock=lambda: NOW)
    start = monotonic()
    assert feed.poll(NOW) == []
    assert feed.poll(NOW) == []
    assert monotonic() - start < 30
    source.go.set()
    assert polled(feed)[0] == Tick("SOL-USDC", Decimal(1), Decimal(2), NOW)
    feed.close()


def test_source_that_raises_is_logged_and_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    source = SlowFeed()
    source.go.set()
    source.broken = True
    feed = BackgroundFeed(source, 0.01, clock=lambda: NOW)
    feed.poll(NOW)
    while source.polls < 2:
        sleep(0.005)
    source.broken = False
    assert polled(feed)
    assert "a bug in the adapter" in caplog.text
    feed.close()


@dataclass(frozen=True)
class Settings:
    feed: str
    feed_files: Sequence[Path] = ()
    feed_speed: float = 1.0
    symbols: Sequence[str] = ("SOL-USDC",)
    jupiter_api_key: SecretStr | None = None


def test_open_feed_gives_what_the_setting_names(tmp_path: Path) -> None:
    quotes = tmp_path / "q.csv"
    quotes.write_text("symbol,bid_price,ask_price,event_at\nA,1,2,2025-11-20T10:00:00Z\n")
    assert isinstance(open_feed(Settings("simulated")), SimulatedFeed)
    assert isinstance(open_feed(Settings("replay", [quotes])), ReplayFeed)
    assert isinstance(open_feed(Settings("jupiter", jupiter_api_key=SecretStr("k"))), BackgroundFeed)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (Settings("replay"), "needs FEED_FILES"),
        (Settings("replay", [Path("none.csv")]), "no such file"),
        (Settings("jupiter"), "needs JUPITER_API_KEY"),
        (Settings("telepathy"), "no such feed"),
    ],
)
def test_open_feed_that_cannot_be_had_says_what_to_do(settings: Settings, complaint: str) -> None:
    with pytest.raises(DomainError, match=complaint):
        open_feed(settings)
