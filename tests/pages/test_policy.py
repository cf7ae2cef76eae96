"""The risk policy: shown to all, edited by admins, every version kept."""

import pytest

from webapp.domain.policy import FIELDS, Policy
from webapp.services import policy


@pytest.fixture
def admin(logged_in):
    return logged_in("admin")


def save(visit, client, status=303, **typed):
    form = visit("/risk/policy", client=client).fill("risk-policy", **typed)
    if status == 303:
        answer = client.post("/risk/policy", data=form)
        assert answer.status_code == 303
        return visit("/risk/policy", client=client)
    return visit("/risk/policy", client=client, post=form, status=status)


def test_form_has_every_field_with_unit_bounds_and_help(visit, admin):
    page = visit("/risk/policy", client=admin, title="Risk policy")
    form = page.form("risk-policy")

    for name, entry in FIELDS.items():
        node = next(node for node in form.all("input", name=name) if node.get("type") != "hidden")
        note = page.dom.one(id=node["aria-describedby"]).text
        assert entry.help in note
        label = page.dom.one("label", for_=node["id"]).text
        assert entry.label in label
        assert entry.unit.lower() in label.lower()


def test_saving_the_form_untouched_changes_nothing(visit, admin, session):
    page = save(visit, admin)

    assert "Nothing was different" in page.text
    assert policy.current(session).version == 1


def test_change_is_a_new_version_with_who_why_and_the_difference(visit, admin, session):
    page = save(visit, admin, max_order_notional="750.5", cooldown_seconds="30", reason="calmer")

    now = policy.current(session).policy
    assert (str(now.max_order_notional), now.cooldown_seconds) == ("750.5", 30)
    newest = page.table("policies")[0]
    assert (newest["version"], newest["actor"], newest["reason"]) == ("2", "user:admin", "calmer")
    assert page.shown("policies")[0]["difference"] == ("Largest order 1,000 USDC → 750.5 USDC Cooldown 60 s → 30 s")
    assert "Policy version 2 is in force." in page.text


def test_checkbox_and_empty_field_mean_what_they_say(visit, admin, session):
    save(visit, admin, allow_short="yes", max_fill_notional="250")
    now = policy.current(session).policy
    assert now.allow_short is True
    assert now.max_fill_notional == 250

    save(visit, admin, max_fill_notional="")
    now = policy.current(session).policy
    assert now.allow_short is True
    assert now.max_fill_notional is None


def test_unchecking_the_box_switches_off(visit, admin, session):
    save(visit, admin, allow_short="yes")
    form = visit("/risk/policy", client=admin).fill("risk-policy") | {"allow_short": "no"}
    admin.post("/risk/policy", data=form)

    assert policy.current(session).policy.allow_short is False


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("max_order_notional", "lots"),
        ("max_order_notional", "-1"),
        ("max_order_notional", ""),
        ("max_order_notional", "1e3"),
        ("max_order_notional", "NaN"),
        ("max_order_notional", "99999999999"),
        ("cooldown_seconds", "1.5"),
        ("min_confidence", "1.01"),
        ("anomaly_warn_pct", "11"),
        ("slippage_bps", "١"),
    ],
)
def test_bad_entry_is_named_beside_its_field_and_everything_typed_is_kept(visit, admin, session, field, typed):
    page = save(visit, admin, status=422, **{"max_drawdown": "800", "reason": "try", field: typed})

    bad = next(node for node in page.dom.all("input", name=field) if node.get("type") != "hidden")
    assert bad["aria-invalid"] == "true"
    assert bad["value"] == typed
    assert page.dom.one("input", name="max_drawdown")["value"] == "800"
    assert page.dom.one("input", name="reason")["value"] == "try"
    assert f"#field-{field}" in [link["href"] for link in page.dom.all("a", href=None)]
    assert policy.current(session).version == 1


def test_two_bad_entries_are_both_named(visit, admin):
    page = save(visit, admin, status=422, max_drawdown="x", fee_bps="y")

    assert "2 entries are not right" in page.text
    assert len([node for node in page.dom.all("input") if node.get("aria-invalid")]) == 2


def test_overlong_reason_is_refused_beside_its_field(visit, admin, session):
    page = save(visit, admin, status=422, cooldown_seconds="30", reason="x" * 501)

    assert page.dom.one("input", name="reason")["aria-invalid"] == "true"
    assert policy.current(session).version == 1


def review(visit, admin, **typed):
    """The page between typing and saving."""
    form = visit("/risk/policy", client=admin).fill("risk-policy", **typed)
    return visit("/risk/policy", client=admin, post=form | {"step": "review"}, title="Review the change")


def test_change_is_shown_before_it_counts_and_then_saved(visit, admin, session):
    page = review(visit, admin, max_order_notional="750.5", min_confidence="0.5", fee_bps="12", reason="calmer")

    assert [row["id"] for row in page.table("policy_changes")] == ["max_order_notional", "min_confidence", "fee_bps"]
    assert page.shown("policy_changes")[0] == {
        "limit": "Largest order",
        "before": "1,000 USDC",
        "after": "750.5 USDC",
        "relative": "−25.0 %",
        "way": "tighter",
    }
    assert page.shown("policy_changes")[1]["way"] == "looser"
    assert policy.current(session).version == 1, "a look changes nothing"

    answer = admin.post("/risk/policy", data=page.fill("risk-policy"))
    now = policy.current(session)
    assert answer.status_code == 303
    assert (now.version, str(now.policy.max_order_notional), now.reason) == (2, "750.5", "calmer")


def test_way_back_from_the_review_keeps_what_was_typed(visit, admin, session):
    page = review(visit, admin, max_order_notional="750.5", reason="calmer")
    form = visit("/risk/policy", client=admin, post=page.fill("risk-policy") | {"step": "edit"})

    assert form.dom.one("input", name="max_order_notional")["value"] == "750.5"
    assert form.dom.one("input", name="reason")["value"] == "calmer"
    assert policy.current(session).version == 1


def test_review_of_nothing_says_so(visit, admin):
    form = visit("/risk/policy", client=admin).fill("risk-policy")
    answer = admin.post("/risk/policy", data=form | {"step": "review"}, follow_redirects=True)

    assert "Nothing is different" in answer.text


def test_limits_that_cannot_bind_are_told_beside_their_field_and_may_be_set(visit, admin, session):
    page = review(visit, admin, max_order_notional="6000")
    assert "Largest order is above largest position: an order this large would break" in page.text

    admin.post("/risk/policy", data=page.fill("risk-policy"))
    note = visit("/risk/policy", client=admin).dom.one(id="field-max_order_notional-note").text
    assert "Mind: is above largest position" in note
    assert policy.current(session).version == 2


def test_draft_is_held_against_what_was_judged_before(visit, admin, trader):
    trader.cycle("buy", "5")
    trader.cycle("buy", "3", symbol="ETH-USDC")
    trader.cycle("buy", "1", symbol="BTC-USDC", confidence="0.55")
    page = review(visit, admin, max_order_notional="400", min_confidence="0.5", fee_bps="11")

    assert (
        "Of the 3 orders judged in the last 24 hours, 1 more would have been blocked (1 by max order notional) "
        "and 1 that were blocked would have passed (1 by min confidence)."
    ) in page.text
    assert "Fee: how it would have changed the past is not told" in page.text


def test_difference_is_shown_while_one_types(visit, admin, session):
    form = visit("/risk/policy", client=admin).fill("risk-policy", max_drawdown="900")
    drawn = admin.post("/risk/policy/preview", data=form, headers={"HX-Request": "true"})
    wrong = admin.post("/risk/policy/preview", data=form | {"fee_bps": "x"}, headers={"HX-Request": "true"})

    assert "900" in drawn.text
    assert "<html" not in drawn.text
    assert "Not valid yet: Fee must be a decimal number" in wrong.text
    assert policy.current(session).version == 1


def test_version_that_came_between_is_not_undone_by_saving(visit, admin, session):
    """Fields one did not touch take the other's value; only what both changed is kept as typed, and told."""
    form = visit("/risk/policy", client=admin).fill("risk-policy", max_drawdown="800", max_trades_per_day="900")
    theirs = {"max_drawdown": "700", "cooldown_seconds": 45}
    policy.change(session, Policy.default().to_document() | theirs, by="user:ada", reason="calm")
    page = visit("/risk/policy", client=admin, post=form, status=409)

    assert "user:ada put version 2 in force meanwhile (“calm”)" in page.text
    assert "Drawdown went from 1000 to 700; you typed 800, which is kept and would undo that." in page.text
    assert "Cooldown went from 60 to 45." in page.text
    fields = page.fill("risk-policy")
    assert [fields[name] for name in ("max_drawdown", "cooldown_seconds", "max_trades_per_day", "version")] == [
        "800",
        "45",
        "900",
        "2",
    ]
    assert str(policy.current(session).policy.max_drawdown) == "700"

    admin.post("/risk/policy", data=fields)
    now = policy.current(session).policy
    assert (str(now.max_drawdown), now.cooldown_seconds, now.max_trades_per_day) == ("800", 45, 900)


@pytest.mark.parametrize("said", [True, False], ids=["form", "program that names no version"])
def test_version_that_comes_while_the_form_is_being_saved_is_not_undone(visit, admin, session, monkeypatch, said):
    """Between the page's look at the version and its turn at the gate, where another admin's tighter limit gets in."""
    form = visit("/risk/policy", client=admin).fill("risk-policy", cooldown_seconds="61", reason="calmer")
    sent = form if said else {name: form[name] for name in ("csrf_token", "cooldown_seconds", "reason")}
    save_it = policy.change

    def overtaken(*args, **kwargs):
        save_it(session, Policy.default().to_document() | {"max_order_notional": "10"}, by="user:ada")
        return save_it(*args, **kwargs)

    monkeypatch.setattr("webapp.pages.policy.policy.change", overtaken)
    page = visit("/risk/policy", client=admin, post=sent, status=409)

    assert "Largest order went from 1000 to 10." in page.text
    fields = page.fill("risk-policy")
    wanted = {"cooldown_seconds": "61", "max_order_notional": "10", "version": "2", "reason": "calmer"}
    assert {name: fields[name] for name in wanted} == wanted
    now = policy.current(session)
    assert (now.version, str(now.policy.max_order_notional), now.policy.cooldown_seconds) == (2, "10", 60)


@pytest.mark.parametrize("version", ["99", "-1", "x" * 40, "٣", "12345678901234567890"])
def test_version_nobody_knows_is_a_conflict_and_loses_nothing(visit, admin, version):
    form = visit("/risk/policy", client=admin).fill("risk-policy", max_drawdown="800") | {"version": version}
    page = visit("/risk/policy", client=admin, post=form, status=409)

    assert page.dom.one("input", name="max_drawdown")["value"] == "800"


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_others_read_the_limits_and_cannot_edit(visit, logged_in, role):
    page = visit("/risk/policy", client=logged_in(role))

    assert not page.has_form("risk-policy")
    assert page.dom.one("dd", data_col="max_order_notional")["data-value"] == "1000"
    assert "Only admins edit" in page.text


def test_part_of_the_form_changes_only_that_part(visit, admin, session):
    token = visit("/risk/policy", client=admin).fill("risk-policy")["csrf_token"]
    answer = admin.post("/risk/policy", data={"csrf_token": token, "max_daily_loss": "250"})

    assert answer.status_code == 303
    now = policy.current(session).policy
    assert now == Policy(**{**vars(Policy.default()), "max_daily_loss": now.max_daily_loss})
    assert str(now.max_daily_loss) == "250"


def test_operator_who_posts_the_form_anyway_is_refused(visit, logged_in, session):
    operator = logged_in("operator")
    token = visit("/logout", client=operator).fill("logout")["csrf_token"]
    visit("/risk/policy", client=operator, post={"csrf_token": token, "max_daily_loss": "1"}, status=403)

    assert policy.current(session).version == 1
