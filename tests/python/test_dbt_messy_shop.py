"""What real shops do that the integration shop does not: several tills, odd event types, refits, customers without dates."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from shop import FEATURES, SCORING, Shop

pytestmark = pytest.mark.dbt

FEATURES_ONLY = ("run", "--selector", "purchasing_power_features")


@pytest.fixture
def shop(scored_shop: Shop, tmp_path: Path) -> Shop:
    return scored_shop.copy(tmp_path / "shop")


def test_two_tills_may_number_alike_and_nobody_is_counted_twice(shop: Shop) -> None:
    shop.sql(
        "create table shop.till as select * replace ('T' || nullif(trim(card_no), '') as card_no) from shop.receipt_positions"
    )
    inputs = copy.deepcopy(shop.inputs())
    inputs["order_lines"] = [inputs["order_lines"], {**inputs["order_lines"], "relation": "shop.till"}]
    outcome = shop.dbt(*FEATURES, variables={"purchasing_power__inputs": inputs})
    assert outcome.returncode == 0, outcome.output
    # One duplicate a till, as in the shop with one.
    rejected = shop.sql("select count(*) from purchasing_power__rejected_rows where reason = 'duplicate'")
    assert rejected == [(2,)]
    ours, theirs = shop.sql(
        "select sum(amount) from stg_purchasing_power__order_lines group by user_id like 'T%'"
    )
    assert ours == theirs


def test_where_keeps_the_rows_that_are_meant(shop: Shop) -> None:
    inputs = copy.deepcopy(shop.inputs())
    inputs["order_lines"]["where"] = "input.article in ('A1', 'A2')"
    outcome = shop.dbt(*FEATURES, variables={"purchasing_power__inputs": inputs})
    assert outcome.returncode == 0, outcome.output
    assert "WARN=0" in outcome.output
    assert shop.sql("select distinct product_id from stg_purchasing_power__order_lines order by 1") == [
        ("A1",),
        ("A2",),
    ]


def test_event_types_in_any_script_keep_channels_of_their_own(shop: Shop) -> None:
    shop.sql("update shop.clicks set kind = case when kind = 'cart' then 'корзина' else 'Просмотр' end")
    event_types = {"purchasing_power__event_types": ["корзина", "просмотр", "add-to-cart"]}
    for command in (("run", "--select", "page_log"), FEATURES):
        outcome = shop.dbt(*command, variables=event_types)
        assert outcome.returncode == 0, outcome.output
    channels = [name for name in shop.columns("purchasing_power__user_steps") if name.startswith("events_")]
    assert len(channels) == 3
    sums = shop.sql(
        f"select {', '.join(f'sum({name})' for name in channels)} from purchasing_power__user_steps"
    )[0]
    carts, views = (
        shop.sql(f"select count(*) from shop.clicks where lower(kind) = '{kind}'")[0][0]
        for kind in ("корзина", "просмотр")
    )
    assert tuple(map(int, sums)) == (carts, views, 0)


def test_negative_counts_and_durations_do_not_reach_the_scaling(shop: Shop) -> None:
    shop.sql("update shop.clicks set seconds = -500 where visitor = 'C0001'")
    shop.dbt("run", "--select", "page_log")
    outcome = shop.dbt(*FEATURES, variables={"purchasing_power__refit_scaling": True})
    assert outcome.returncode == 0, outcome.output
    assert shop.sql(
        "select count(*) from purchasing_power__scaling where not isfinite(center) or not isfinite(scale)"
    ) == [(0,)]


def test_a_corrected_mapping_can_be_refitted_on_the_same_day(shop: Shop) -> None:
    inputs = copy.deepcopy(shop.inputs())
    inputs["order_lines"]["columns"]["amount"] = "try_cast(paid_cents as double)"
    variables = {"purchasing_power__inputs": inputs, "purchasing_power__refit_cleaning": True}
    for _ in range(2):
        outcome = shop.dbt(*FEATURES_ONLY, variables=variables)
        assert outcome.returncode == 0, outcome.output
    # New fences bring a new scaling; the second refit finds the same parameters and adds nothing.
    centers = shop.sql(
        "select center from purchasing_power__scaling where feature_set = 'channel' and feature_name = 'spend' order by 1"
    )
    assert len(centers) == 2
    assert centers[1][0] > centers[0][0] + 2


def test_half_a_scaling_is_never_frozen(shop: Shop) -> None:
    # Customers known for years, and a log that is younger than the horizon: anchors exist, steps before them do not.
    shop.sql(
        "create table shop.club as select distinct card_no, date '2020-01-01' as joined from shop.receipt_positions"
    )
    shop.sql("drop table purchasing_power__scaling")
    shop.sql("create table shop.kept as select * from shop.receipt_positions")
    shop.sql("delete from shop.receipt_positions where paid_at < '2024-07-10'")
    shop.sql("delete from shop.clicks where clicked_at < '2024-07-10'")
    inputs = copy.deepcopy(shop.inputs())
    inputs["customers"] = {
        "relation": "shop.club",
        "columns": {"user_id": "card_no", "signed_up_at": "joined"},
    }
    variables = {"purchasing_power__inputs": inputs}
    for command in (("run", "--select", "page_log"), FEATURES):
        outcome = shop.dbt(*command, variables=variables)
        assert outcome.returncode == 0, outcome.output
    assert shop.sql("select count(*) from purchasing_power__scaling") == [(0,)]
    refused = shop.command("train")
    assert refused.returncode == 1
    assert "Traceback" not in refused.output

    shop.sql("insert into shop.receipt_positions select * from shop.kept where paid_at < '2024-07-10'")
    outcome = shop.dbt(*FEATURES, variables=variables)
    assert outcome.returncode == 0, outcome.output
    fitted, expected = shop.sql(
        "select count(*) from purchasing_power__scaling union all select count(*) from purchasing_power__feature_catalogue"
    )
    assert fitted == expected


def test_customers_without_a_date_are_scored_as_dormant_and_not_trained_on(shop: Shop) -> None:
    shop.sql("create table shop.club as select 'S' || range as card_no from range(20)")
    inputs = {**shop.inputs(), "customers": {"relation": "shop.club", "columns": {"user_id": "card_no"}}}
    for command in (FEATURES, SCORING):
        outcome = shop.dbt(*command, variables={"purchasing_power__inputs": inputs})
        assert outcome.returncode == 0, outcome.output
    assert shop.sql("select count(*) from purchasing_power__anchors where user_id like 'S%'") == [(0,)]
    assert shop.sql("select count(*) from purchasing_power__scores where user_id like 'S%'") == [(20,)]
    assert shop.sql(
        "select distinct first_seen_on from purchasing_power__users where user_id like 'S%'"
    ) == shop.sql("select min(step_on) from purchasing_power__user_steps")


def test_users_that_are_gone_leave_no_state(shop: Shop) -> None:
    shop.sql("delete from shop.receipt_positions where card_no in ('C0001', 'C0002')")
    shop.sql("delete from shop.clicks where visitor in ('C0001', 'C0002')")
    outcome = shop.dbt("build")
    assert outcome.returncode == 0, outcome.output
    assert shop.sql(
        "select count(*) from purchasing_power__user_states where user_id in ('C0001', 'C0002')"
    ) == [(0,)]


def test_states_are_found_in_a_schema_of_their_own(shop: Shop) -> None:
    project = shop.folder / "dbt_project.yml"
    project.write_text(
        project.read_text()
        + "\nmodels:\n  purchasing_power:\n    scoring:\n      purchasing_power__user_states:\n        +schema: states\n"
    )
    before = shop.sql("select user_id, expected_spend from purchasing_power__scores order by 1")
    for expected in (len(shop.sql("select * from purchasing_power__user_states")), 0):
        outcome = shop.dbt(*SCORING)
        assert outcome.returncode == 0, outcome.output
        assert len(shop.sql("select * from int_purchasing_power__state_updates")) == expected
    assert shop.sql("select user_id, expected_spend from purchasing_power__scores order by 1") == before


def test_a_mapping_that_is_not_ready_stops_no_other_model(shop: Shop) -> None:
    inputs = copy.deepcopy(shop.inputs())
    inputs["order_lines"]["relation"] = "shop.not_there_yet"
    outcome = shop.dbt("run", "--select", "page_log", variables={"purchasing_power__inputs": inputs})
    assert outcome.returncode == 0, outcome.output
