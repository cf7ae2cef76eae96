"""Live blocks: nothing moves under the reader, and a server that is away is said and waited for."""

import re

from playwright.sync_api import expect
from sqlalchemy import update

from tests import builders
from webapp.models import Order


def asked(page):
    """Requests of live blocks from now on."""
    requests = []
    page.on("request", lambda request: requests.append(request.url) if "hx-request" in request.headers else None)
    return requests


def cut(page):
    """No answer to any live block from now on."""
    page.route("**/*", lambda route: route.abort() if "hx-request" in route.request.headers else route.continue_())


def test_new_rows_wait_while_somebody_reads_further_down(page, session):
    orders = [builders.order(session, status="approved") for _ in range(40)]
    page.set_viewport_size({"width": 1280, "height": 500})
    page.goto("/orders/")
    read = page.locator(f"tr[data-id='{orders[5]}']")
    read.scroll_into_view_if_needed()
    place = read.bounding_box()["y"]
    for _ in range(12):
        builders.order(session)
    session.execute(update(Order).where(Order.order_id == orders[5]).values(status="canceled"))
    session.commit()

    pill = page.get_by_role("button", name="12 new")
    expect(pill).to_be_visible()
    expect(read.locator("[data-col=status]")).to_contain_text("canceled"), "what is shown is kept true meanwhile"
    assert read.bounding_box()["y"] == place
    rows = page.locator("table[data-table=orders] tbody tr")
    expect(rows).to_have_count(40)

    pill.click()
    expect(rows).to_have_count(50)
    expect(rows.first).to_be_in_viewport()
    expect(page.locator(".fresh")).to_have_count(0)


def test_marked_text_and_focus_outlive_a_refresh(page, session):
    order_id = builders.order(session)
    page.goto("/orders/")
    page.locator(f"tr[data-id='{order_id}'] a").first.focus()
    page.evaluate("() => getSelection().selectAllChildren(document.querySelector('td[data-col=symbol]'))")
    with page.expect_response(lambda answer: "/orders/" in answer.url and answer.status == 200):
        builders.order(session, symbol="ETH-USDC")
    expect(page.get_by_role("button", name="1 new")).to_be_visible()

    assert page.evaluate("() => getSelection().toString()") == "SOL-USDC"
    assert page.evaluate("() => document.activeElement.closest('tr').dataset.id") == str(order_id)


def test_server_that_is_away_is_said_asked_seldom_and_welcomed_back(page, session, complaints):
    builders.order(session)
    page.goto("/orders/")
    cut(page)
    bar = page.locator("#away")
    expect(bar).to_have_text(re.compile(r"No answer since \d\d:\d\d:\d\d UTC: what you see is old\."))
    requests = asked(page)
    page.wait_for_timeout(9_000)
    assert len(requests) <= 4, "two blocks ask about every 5 s while all is well"

    page.unroute("**/*")
    builders.order(session, symbol="ETH-USDC")
    page.get_by_role("button", name="Ask now").click()
    expect(bar).to_be_hidden()
    expect(page.locator("table[data-table=orders] tbody tr")).to_have_count(2)
    complaints.clear()


def test_database_that_is_away_counts_as_no_answer(page, session, complaints, monkeypatch):
    from sqlalchemy.exc import OperationalError

    from webapp.queries import timeline

    page.goto("/orders/")

    def fail(*_args):
        raise OperationalError("SELECT 1", {}, Exception("connection refused"))

    with monkeypatch.context() as patch:
        patch.setattr(timeline, "page", fail)
        expect(page.locator("#away")).to_be_visible()
        expect(page.locator("table[data-table=orders]")).to_have_count(1), "what was there stays"
    complaints.clear()


def test_age_grows_stale_under_the_readers_eyes(page, session):
    builders.heartbeat(session)
    page.goto("/system/")
    cut(page)
    age = page.locator("td[data-col=beat_at] time")
    expect(age).not_to_have_class("stale")
    page.evaluate("() => { document.querySelector('td[data-col=beat_at] time').dataset.stale = '2'; }")

    expect(age).to_have_text(re.compile("ago, stale$"))
    expect(age).to_have_class("stale")


def test_page_that_cannot_be_reached_says_so_and_comes_back_by_itself(page, context, complaints):
    page.goto("/orders/")
    page.wait_for_function("() => navigator.serviceWorker.ready.then(worker => worker.active.state === 'activated')")
    page.wait_for_function("() => navigator.serviceWorker.controller !== null")
    context.set_offline(True)
    page.goto("/fills/")
    expect(page.locator("h1")).to_have_text("The desk does not answer")
    expect(page.locator("[data-kill-switch]")).to_have_text("Switch unknown")
    assert page.evaluate("() => getComputedStyle(document.querySelector('.top')).position") == "sticky", (
        "drawn, not bare"
    )
    context.set_offline(False)

    expect(page.locator("h1")).to_have_text("Fills")
    complaints.clear()
