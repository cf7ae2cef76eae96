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
    assert "Max order notional: 1000 → 750.5" in page.shown("policies")[0]["difference"]
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


def test_version_that_was_overtaken_is_not_written_over(visit, admin, session):
    form = visit("/risk/policy", client=admin).fill("risk-policy", max_drawdown="800")
    policy.change(session, Policy.default().to_document() | {"max_drawdown": "700"}, by="user:ada")
    page = visit("/risk/policy", client=admin, post=form, status=409)

    assert "user:ada put version 2 in force meanwhile" in page.text
    assert page.dom.one("input", name="max_drawdown")["value"] == "800"
    assert page.dom.one("input", name="version")["value"] == "2"
    assert str(policy.current(session).policy.max_drawdown) == "700"


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
