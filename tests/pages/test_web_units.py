"""The small parts every page is drawn with."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from jinja2 import UndefinedError

from webapp.web import cells, filters
from webapp.web.auth import own_path
from webapp.web.throttle import Throttle
from webapp.web.wire import csv_text, json_value

D = Decimal


@pytest.mark.parametrize(
    ("value", "text"),
    [(D("1234.5"), "1,234.50"), (D("-0.004"), "0.00"), (D("-1234.567"), "−1,234.57"), (D(0), "0.00"), (None, "–")],
)
def test_money_has_cents_and_a_true_minus(value, text):
    assert filters.money(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(D("2.5"), "+2.50"), (D("-2.5"), "−2.50"), (D("0.001"), "0.00"), (D(0), "0.00")]
)
def test_signed_number_always_shows_its_sign_unless_it_reads_as_zero(value, text):
    assert filters.signed(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(D("61234.5"), "61,234.50"), (D("148.231"), "148.2310"), (D("0.00001234"), "0.00001234"), (D(0), "0.0000")],
)
def test_cheaper_things_get_more_decimals(value, text):
    assert filters.price(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (D("2.50000000"), "2.5"),
        (D("1000"), "1,000"),
        (D("100.00"), "100"),
        (D("-0.10"), "−0.1"),
        (D("1E+3"), "1,000"),
        (7, "7"),
    ],
)
def test_quantity_loses_only_zeros_that_say_nothing(value, text):
    assert filters.qty(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(D("2"), "2.000000"), (D("0.25910000"), "0.259100"), (D("1E-8"), "0.00000001"), (3, "3.000000")]
)
def test_quantities_of_a_column_stand_with_their_points_in_line(value, text):
    assert filters.qty(value, 6) == text


@pytest.mark.parametrize(
    ("value", "text"), [(D("1E-8"), "0.00000001"), (D("1E+3"), "1000"), (D("2.50"), "2.50"), (None, ""), (5, "5")]
)
def test_exact_value_is_never_an_exponent(value, text):
    assert filters.exact(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (12, "12 s"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (7200, "2 h"),
        (4 * 86400 + 3 * 3600, "4 d 3 h"),
        (-5, "0 s"),
    ],
)
def test_duration_names_its_two_largest_units(seconds, text):
    assert filters.duration(timedelta(seconds=seconds)).replace("\u00a0", " ") == text


def test_time_is_utc_with_the_whole_moment_behind_it():
    moment = datetime(2026, 3, 2, 14, 30, 5, 123456, tzinfo=UTC)
    drawn = filters.when(moment)

    assert 'datetime="2026-03-02T14:30:05.123456Z"' in drawn
    assert 'title="2026-03-02 14:30:05 UTC"' in drawn
    assert drawn.endswith(">02 Mar 14:30:05</time> UTC")


@pytest.mark.parametrize(
    ("cookies", "shown", "title"),
    [
        ("clock=local; zone=Europe/Berlin", "02 Mar 15:30:05</time> CET", "14:30:05 UTC = 02 Mar 15:30:05 CET"),
        ("clock=utc; zone=Asia/Kolkata", "02 Mar 14:30:05</time> UTC", "14:30:05 UTC = 02 Mar 20:00:05 IST"),
        ("clock=local; zone=America/Sao_Paulo", "02 Mar 11:30:05</time> UTC-03", "= 02 Mar 11:30:05 UTC-03"),
        ("clock=local; zone=Europe/Nowhere", "02 Mar 14:30:05</time> UTC", '14:30:05 UTC"'),
        ("clock=local; zone=../../etc/passwd", "02 Mar 14:30:05</time> UTC", '14:30:05 UTC"'),
        ("clock=local; zone=Europe", "02 Mar 14:30:05</time> UTC", '14:30:05 UTC"'),
        ("clock=local", "02 Mar 14:30:05</time> UTC", '14:30:05 UTC"'),
        ("clock=sundial; zone=Europe/Berlin", "02 Mar 14:30:05</time> UTC", "= 02 Mar 15:30:05 CET"),
    ],
)
def test_time_is_shown_by_the_clock_that_was_chosen_and_both_are_in_the_title(app, cookies, shown, title):
    moment = datetime(2026, 3, 2, 14, 30, 5, 123456, tzinfo=UTC)
    with app.test_request_context(headers={"Cookie": cookies}):
        drawn = filters.when(moment)

    assert drawn.endswith(shown)
    assert title in drawn
    assert 'datetime="2026-03-02T14:30:05.123456Z"' in drawn, "machines read UTC whatever people chose"


def test_age_past_its_limit_says_stale_in_words(app):
    moment = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    with app.test_request_context():
        filters.measure_ages_at(moment + timedelta(seconds=20))
        fresh, stale = (filters.age(moment, timedelta(seconds=limit)) for limit in (20, 19))
        plain = filters.age(moment)

    assert fresh.endswith('data-stale="20">20\u00a0s ago</time>')
    assert stale.endswith('data-stale="19" class="stale">20\u00a0s ago, stale</time>')
    assert "stale" not in plain


def test_heading_of_a_column_of_times_names_the_zone(app):
    with app.test_request_context(headers={"Cookie": "clock=local; zone=Asia/Tokyo"}):
        assert ">Time, JST<" in cells.heads("created_at")
        assert "> UTC" not in cells.cell("created_at", datetime(2026, 3, 2, tzinfo=UTC))


def test_cell_escapes_what_it_shows_and_keeps_the_value_exact():
    drawn = cells.cell("reason", "<b>'\"&")

    assert "<b>" not in drawn
    assert 'data-value="&lt;b&gt;&#39;&#34;&amp;"' in drawn
    assert 'data-value="1.10000000"' in cells.cell("qty", D("1.10000000"))
    assert ">–<" in cells.cell("qty", None)
    assert ">2.000000<" in cells.cell("qty", D("2"))
    assert ">0.60<" in cells.cell("confidence", D("0.60000"))
    assert "href" not in cells.cell("order_id", None, "/orders/None")


@pytest.mark.parametrize("path", ["/", "/orders/?a=b#c", "/kill-switch/#halt"])
def test_own_paths_are_kept(path):
    assert own_path(path) == path


@pytest.mark.parametrize("path", [None, "", "orders", "//x", "/\\x", "/a\nb", "/a b", "https://x", "/\x00"])
def test_other_paths_lead_home(path):
    assert own_path(path) == "/"


@pytest.mark.parametrize(
    ("value", "text"),
    [("=1", "'=1"), ("-1.5", "-1.5"), ("+3", "+3"), ("-a", "'-a"), ("@x", "'@x"), ("-1-1", "'-1-1"),
     (D("-2.50"), "-2.50"), (None, ""), (True, "true"), ({"a": "=1"}, '{"a": "=1"}'), ("plain", "plain")],
)  # fmt: skip
def test_csv_cell_is_never_a_formula(value, text):
    assert csv_text(value) == text


def test_json_value_keeps_decimals_exact_and_times_in_utc():
    assert json_value(D("1E-8")) == "0.00000001"
    assert json_value(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00Z"
    assert json_value(None) is None


def test_throttle_forgets_after_a_while_and_after_a_success(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("webapp.web.throttle.time.monotonic", lambda: clock[0])
    throttle = Throttle(tries=2, seconds=10)
    throttle.count("a")
    throttle.count("a")
    assert throttle.wait("a") == 10
    assert throttle.wait("b") == 0
    clock[0] += 4
    assert throttle.wait("a") == 6

    clock[0] += 7
    assert throttle.wait("a") == 0
    throttle.count("a")
    throttle.forget("a")
    throttle.count("a")
    assert throttle.wait("a") == 0


def test_throttle_keeps_a_bounded_memory(monkeypatch):
    monkeypatch.setattr("webapp.web.throttle.MOST_KEYS", 3)
    throttle = Throttle(tries=1, seconds=10)
    for key in "abcd":
        throttle.count(key)

    assert throttle.wait("a") == 0
    assert throttle.wait("d") == 10


def test_templates_escape_everything_and_know_every_name(app):
    assert app.jinja_env.autoescape is True
    assert app.jinja_env.from_string("{{ text }}").render(text="<b>") == "&lt;b&gt;"
    with pytest.raises(UndefinedError):
        app.jinja_env.from_string("{{ misspelt }}").render()
