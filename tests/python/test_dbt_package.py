"""The dbt package on a shop with dirt: nothing lost, no look-ahead, increments that equal a full refresh."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from shop import FEATURES, SCORING, Shop, make_shop

pytestmark = pytest.mark.dbt

AS_OF = "2024-07-29"  # the day after the last of the shop's 210 days
EARLIER = "2024-07-01"
DAILY = ("--selector", "purchasing_power_daily")
# Up to scores; the fewer models, the sooner.
SCORED = ("--exclude", "page_log", "purchasing_power.marts", "purchasing_power.monitoring")
KEYS = {"user_id", "anchor_on"}
LABELS = {"label_spend", "label_orders", "label_ends_on", "split"}


def test_every_input_row_is_staged_or_rejected_with_its_reason(scored_shop: Shop) -> None:
    reasons = dict(
        scored_shop.sql("select reason, count(*) from purchasing_power__rejected_rows group by reason")
    )
    assert reasons == {
        "missing_user_id": 2,
        "invalid_ordered_at": 1,
        "invalid_amount": 3,
        "before_earliest_date": 1,
        "after_as_of_date": 1,
        "duplicate": 1,
    }
    given = scored_shop.sql("select count(*) from shop.receipt_positions")[0][0]
    staged = scored_shop.sql("select count(*) from stg_purchasing_power__order_lines")[0][0]
    assert staged + sum(reasons.values()) == given


def test_rejected_rows_keep_what_was_written(scored_shop: Shop) -> None:
    (row,) = scored_shop.sql(
        "select row_key, raw_values->>'ordered_at' from purchasing_power__rejected_rows"
        " where reason = 'invalid_ordered_at'"
    )
    assert row == ("D2", "yesterday")


def test_rows_after_the_as_of_date_change_no_feature_and_no_score(scored_shop: Shop, tmp_path: Path) -> None:
    later = scored_shop.copy(tmp_path / "later")
    make_shop(later.folder / "shop", 240)
    pinned = {"purchasing_power__as_of_date": AS_OF}
    for outcome in (
        later.dbt("run", "--select", "page_log"),
        later.dbt(*FEATURES, variables=pinned),
        later.dbt(*SCORING, "--full-refresh", variables=pinned),
    ):
        assert outcome.returncode == 0, outcome.output
    assert (
        later.sql("select count(*) from purchasing_power__rejected_rows where reason = 'after_as_of_date'")[
            0
        ][0]
        > 100
    )
    for table in ("purchasing_power__user_steps", "purchasing_power__anchors"):
        assert later.fingerprint()[table] == scored_shop.fingerprint()[table]
    assert _largest_score_difference(scored_shop, later) <= 1e-6


def _columns_that_look_ahead(shop: Shop, folder: Path) -> set[str]:
    """Context columns whose value at an anchor depends on rows on or after it.

    Found by building the shop twice, as known at AS_OF and as known at EARLIER, and comparing the anchors in both.
    """
    known_earlier = shop.copy(folder / "earlier")
    outcome = known_earlier.dbt(
        "run", "--selector", "purchasing_power_features", variables={"purchasing_power__as_of_date": EARLIER}
    )
    assert outcome.returncode == 0, outcome.output
    context = [column for column in shop.columns("purchasing_power__anchors") if column not in KEYS | LABELS]
    selected = ", ".join(["user_id", "anchor_on", *context])
    query = f"select {selected} from purchasing_power__anchors where anchor_on < date '{EARLIER}' - 28 order by 1, 2"
    now, then = shop.sql(query), known_earlier.sql(query)
    assert len(now) == len(then) > 500
    return {
        column
        for position, column in enumerate(context, start=len(KEYS))
        if any(a[position] != b[position] for a, b in zip(now, then, strict=True))
    }


def test_no_context_feature_looks_ahead(scored_shop: Shop, tmp_path: Path) -> None:
    assert _columns_that_look_ahead(scored_shop, tmp_path) == set()


def test_a_planted_leak_is_seen(scored_shop: Shop, tmp_path: Path) -> None:
    leaky = scored_shop.copy(tmp_path / "leaky")
    leaky.change_package(
        "macros/features/context_windows.sql",
        "and {{ days + 1 if days >= 0 else -days - 1 }} {{ 'preceding' if days >= 0 else 'following' }}",
        "and {{ 60 if days == 0 else (days + 1 if days >= 0 else -days - 1) }} {{ 'preceding' if days > 0 else 'following' }}",
    )
    outcome = leaky.dbt("run", "--selector", "purchasing_power_features")
    assert outcome.returncode == 0, outcome.output
    assert {"spend_7d", "orders_rate_total"} <= _columns_that_look_ahead(leaky, tmp_path)


def test_daily_runs_equal_a_full_refresh(scored_shop: Shop, tmp_path: Path) -> None:
    daily = scored_shop.copy(tmp_path / "daily")
    for as_of in ("2024-07-25", "2024-07-26", "2024-07-27"):
        outcome = daily.dbt("run", *DAILY, variables={"purchasing_power__as_of_date": as_of})
        assert outcome.returncode == 0, outcome.output
    moved = daily.sql("select count(*) from int_purchasing_power__state_updates")[0][0]
    assert 0 < moved < daily.sql("select count(*) from purchasing_power__user_states")[0][0]

    # Known late: an order of a month ago, one that is corrected, one that is gone.
    daily.sql(
        "insert into shop.receipt_positions select 'late', 'late', 'C0007', '2024-06-20T10:00:00', 'A3', '1', '900', '0'"
    )
    corrected, gone = daily.sql(
        "select position_no from shop.receipt_positions where position_no like 'R100-%' order by 1 limit 2"
    )
    daily.sql(f"update shop.receipt_positions set paid_cents = '12345' where position_no = '{corrected[0]}'")
    daily.sql(f"delete from shop.receipt_positions where position_no = '{gone[0]}'")
    refreshed = daily.copy(tmp_path / "refreshed")
    for shop, flags in ((daily, DAILY), (refreshed, (*SCORED, "--full-refresh"))):
        outcome = shop.dbt("run", *flags)
        assert outcome.returncode == 0, outcome.output
    everybody = daily.sql("select count(*) from purchasing_power__user_states")[0][0]
    assert refreshed.sql("select count(*) from int_purchasing_power__state_updates")[0][0] == everybody
    assert daily.sql("select count(*) from int_purchasing_power__state_updates")[0][0] < everybody
    assert _largest_score_difference(daily, refreshed) <= 1e-5


def test_the_history_of_scores_is_appended_to_and_survives_a_full_refresh(
    scored_shop: Shop, tmp_path: Path
) -> None:
    shop = scored_shop.copy(tmp_path / "again")
    users = shop.sql("select count(*) from purchasing_power__scores")[0][0]
    before = shop.sql("select count(*) from purchasing_power__score_history")[0][0]
    assert before == users
    earlier = {"purchasing_power__as_of_date": "2024-07-28"}
    for flags, variables, expected in (
        ((), None, users),
        ((), earlier, 2 * users),
        (("--full-refresh",), earlier, 2 * users),
    ):
        outcome = shop.dbt("run", *SCORED, *flags, variables=variables)
        assert outcome.returncode == 0, outcome.output
        assert shop.sql("select count(*) from purchasing_power__score_history")[0][0] == expected
    assert shop.sql("select count(*) from purchasing_power__models")[0][0] == 1
    assert shop.sql("select count(distinct scaling_version) from purchasing_power__scaling")[0][0] == 1


def test_refitting_the_scaling_adds_a_version_and_leaves_the_champions(
    scored_shop: Shop, tmp_path: Path
) -> None:
    shop = scored_shop.copy(tmp_path / "refit")
    before = shop.sql(
        "select scaling_version, feature_name, center, scale from purchasing_power__scaling order by all"
    )
    outcome = shop.dbt(
        "run",
        *SCORED,
        variables={"purchasing_power__as_of_date": "2024-07-15", "purchasing_power__refit_scaling": True},
    )
    assert outcome.returncode == 0, outcome.output
    after = shop.sql(
        "select scaling_version, feature_name, center, scale from purchasing_power__scaling order by all"
    )
    assert set(before) < set(after)
    assert len({row[0] for row in after}) == 2
    settings = shop.sql("select scaling_version from purchasing_power__settings")[0][0]
    assert settings != shop.sql("select scaling_version from int_purchasing_power__champion")[0][0]


def test_other_settings_make_everybody_new(scored_shop: Shop, tmp_path: Path) -> None:
    shop = scored_shop.copy(tmp_path / "other")
    # Other event types are other columns of the steps.
    variables = {"purchasing_power__event_types": ["view", "wishlist"]}
    before = shop.columns("purchasing_power__user_steps")
    outcome = shop.dbt(*FEATURES, variables=variables)
    assert outcome.returncode == 0, outcome.output
    assert shop.columns("purchasing_power__user_steps") != before
    refreshed = shop.copy(tmp_path / "refreshed")
    outcome = refreshed.dbt(*FEATURES, "--full-refresh", variables=variables)
    assert outcome.returncode == 0, outcome.output
    for table in ("purchasing_power__user_steps", "int_purchasing_power__running_totals"):
        columns = ", ".join(sorted(refreshed.columns(table)))
        assert sorted(shop.columns(table)) == sorted(refreshed.columns(table))
        query = f"select {columns} from {table} order by user_id, step_index"
        assert shop.sql(query) == refreshed.sql(query)


def test_a_table_is_not_built_from_changed_users_alone(scored_shop: Shop, tmp_path: Path) -> None:
    shop = scored_shop.copy(tmp_path / "alone")
    outcome = shop.dbt("run", *DAILY)
    assert outcome.returncode == 0, outcome.output
    before = shop.fingerprint()
    outcome = shop.dbt("run", "--full-refresh", "--select", "purchasing_power__user_steps")
    assert outcome.returncode != 0
    assert "has to be built from nothing" in outcome.output
    assert "--full-refresh and --select +purchasing_power__user_steps+" in outcome.output
    assert shop.fingerprint() == before


def _largest_score_difference(one: Shop, other: Shop) -> float:
    columns = ("purchase_probability", "expected_spend", "spend_p10", "spend_p50", "spend_p90")
    query = f"select user_id, {', '.join(columns)} from purchasing_power__scores order by user_id"
    ours, theirs = one.sql(query), other.sql(query)
    assert [row[0] for row in ours] == [row[0] for row in theirs]
    return max(
        abs(a - b) / max(1.0, abs(b))
        for left, right in zip(ours, theirs, strict=True)
        for a, b in zip(left[1:], right[1:], strict=True)
    )


@pytest.mark.parametrize(
    "variables",
    [
        {"purchasing_power__as_of_date": AS_OF},
        {"purchasing_power__as_of_date": "2024-07-22", "purchasing_power__step_grain": "week"},
        {"purchasing_power__step_grain": "event"},
    ],
    ids=["date", "week", "event"],
)
def test_what_unit_tests_are_given_is_built_before_them(
    variables: dict[str, Any], scored_shop: Shop, tmp_path: Path
) -> None:
    # dbt reads a given relation's columns from the warehouse, where a first build has only what the model refers to.
    shop = scored_shop.copy(tmp_path / "parsed")
    # With weekly steps both are multiples of 7; elsewhere they do not matter.
    outcome = shop.dbt("parse", variables={"purchasing_power__horizon_days": 28, **variables})
    assert outcome.returncode == 0, outcome.output
    manifest = json.loads((shop.folder / "target" / "manifest.json").read_text())
    assert len(manifest["unit_tests"]) > 5
    for test in manifest["unit_tests"].values():
        model = manifest["nodes"][f"model.purchasing_power.{test['model']}"]
        given = {
            name for fixture in test["given"] for name in re.findall(r"ref\('(\w+)'\)", fixture["input"])
        }
        built = {node.split(".")[-1] for node in model["depends_on"]["nodes"]}
        assert given <= built, test["name"]
