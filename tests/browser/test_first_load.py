"""What a first visit costs on the wire, everything included, headers too."""

import pytest

from tests import builders
from tests.trader import Trader

MOST = 80_000


@pytest.fixture
def desk(session):
    """A desk on which everything of the first screen has something to show."""
    trader = Trader(session)
    for symbol in ("SOL-USDC", "ETH-USDC", "BTC-USDC"):
        trader.cycle("buy", "1", symbol=symbol)
        trader.cycle("buy", "50", symbol=symbol)
    builders.heartbeat(session)
    at = builders.now()
    builders.snapshots(session, [(at.replace(microsecond=n), 10_000 + n % 7) for n in range(200)])


def wire(page, path):
    """Bytes of every answer of a first visit, by address."""
    answers = []
    page.on("requestfinished", lambda request: answers.append(request))  # noqa: PLW0108  # Playwright marks what it is given
    page.goto(path)
    page.wait_for_load_state("networkidle")
    sizes = {}
    for request in answers:
        if "/offline" in request.url or "hx-request" in request.headers:
            continue
        size = request.sizes()
        sizes[request.url] = size["responseBodySize"] + size["responseHeadersSize"]
    return sizes


@pytest.mark.parametrize("path", ["/", "/portfolio/", "/orders/"])
def test_first_visit_arrives_in_80_kilobytes(page, desk, path):
    sizes = wire(page, path)

    assert sum(sizes.values()) <= MOST, sizes
    assert len(sizes) <= 10, sizes
