"""Alarms on a built shop: what they say of planted changes, and that they are what they are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp
from shop import MONITORING, Shop

pytestmark = pytest.mark.dbt

# Small enough that a shop of a few dozen users is judged.
RULES = {"reference_days": 28, "fewest_days": 14}


@pytest.fixture(scope="module")
def watched(scored_shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = scored_shop.copy(tmp_path_factory.mktemp("watched") / "shop")
    spine = shop.dbt("run", "--select", "purchasing_power__time_spine", "purchasing_power__matured_scores")
    assert spine.returncode == 0, spine.output
    done = shop.dbt(*MONITORING)
    assert done.returncode == 0, done.output
    assert "ERROR=0" in done.output
    return shop


def test_bins_hold_everything_and_0_has_its_own(watched: Shop) -> None:
    mixed = watched.sql(
        "select feature_name, bin from purchasing_power__drift_baselines "
        "where feature_name = 'spend' and lower_edge < 0 and upper_edge > 0"
    )
    assert mixed == []
    lost = watched.sql(
        """
        select days.observed_on, days.feature_name, days.row_count, steps.row_count
        from (
            select observed_on, feature_name, sum(row_count) as row_count
            from int_purchasing_power__drift_days where feature_set = 'channel' group by all
        ) as days
        inner join (select step_on, count(*) as row_count from purchasing_power__user_steps group by all) as steps
            on days.observed_on = steps.step_on
        where days.row_count != steps.row_count
        """
    )
    assert lost == []


def test_distances_are_those_of_their_definition(watched: Shop) -> None:
    """Against the rows themselves: the index by its formula, the distance by SciPy, which the bins can only lessen."""
    version, fitted_before = watched.sql(
        "select distinct scaling_version, fitted_before from purchasing_power__scaling"
    )[0]
    training = np.array(
        watched.sql(
            "select cast(steps.spend as double) from purchasing_power__user_steps as steps "
            "inner join purchasing_power__users as users using (user_id) "
            f"where users.split = 'train' and steps.step_on < date '{fitted_before}'"
        )
    ).ravel()
    found = watched.sql(
        "select observed_on, psi, ks, row_count from purchasing_power__feature_drift "
        f"where feature_name = 'spend' and baseline_version = '{version}' order by observed_on desc limit 5"
    )
    edges = [
        edge
        for (edge,) in watched.sql(
            "select upper_edge from purchasing_power__drift_baselines "
            f"where feature_name = 'spend' and baseline_version = '{version}' and upper_edge is not null order by bin"
        )
    ]
    assert len(found) == 5
    assert 0.0 in edges
    for day, psi, ks, rows in found:
        spends = np.array(
            watched.sql(
                f"select cast(spend as double) from purchasing_power__user_steps where step_on = date '{day}'"
            )
        ).ravel()
        assert len(spends) == rows
        now, before = (
            np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1) + 0.5
            for values in (spends, training)
        )
        now, before = now / now.sum(), before / before.sum()
        assert psi == pytest.approx(float(((now - before) * np.log(now / before)).sum()), rel=1e-9)
        assert 0 <= ks <= ks_2samp(spends, training).statistic + 1e-9


def test_another_run_of_the_same_day_adds_nothing(watched: Shop) -> None:
    kept = ("drift_baselines", "input_columns", "calibration")
    counts = " union all ".join(f"select count(*) from purchasing_power__{name}" for name in kept)
    query = f"{counts} union all select count(*) from int_purchasing_power__drift_days"
    before = watched.sql(query)
    done = watched.dbt("run", "--selector", "purchasing_power_monitoring")
    assert done.returncode == 0, done.output
    assert watched.sql(query) == before


def test_columns_that_change_are_told_once(watched: Shop, tmp_path: Path) -> None:
    shop = watched.copy(tmp_path / "shop")
    products = shop.folder / "shop" / "articles.parquet"
    changed = products.with_name("changed.parquet")
    shop.sql(
        "copy (select * exclude (price), cast(price as varchar) as price, 'new' as season "
        f"from '{products}') to '{changed}' (format parquet)"
    )
    changed.replace(products)
    told = "select column_name, change_kind, previous_type, data_type from purchasing_power__input_columns where change_kind != 'first seen'"
    for _ in range(2):
        done = shop.dbt("build", "--select", "purchasing_power__input_columns")
        assert done.returncode == 0, done.output
        assert "WARN=1" in done.output
        assert sorted(shop.sql(told)) == [
            ("price", "type changed", "DOUBLE", "VARCHAR"),
            ("season", "added", None, "VARCHAR"),
        ]


def test_a_log_that_ends_early_is_late_and_severity_decides_how_loud(watched: Shop, tmp_path: Path) -> None:
    shop = watched.copy(tmp_path / "shop")
    # The last days of one log do not arrive, while the others go on.
    (newest,) = shop.sql(
        "select max(observed_on) from int_purchasing_power__input_days where input_name = 'browse_events'"
    )[0]
    shop.sql(
        "delete from int_purchasing_power__browse_events_checked "
        f"where occurred_at >= date '{newest}' - 5 and occurred_at < date '{newest}' + 1"
    )
    chosen = ("--select", "int_purchasing_power__input_days", "purchasing_power__input_freshness")
    # Without the var it warns, as other tests see.
    for severity, ends, says in (
        ("error", 1, "ERROR=1"),
        ("off", 0, "WARN=0 ERROR=0"),
    ):
        rules = RULES | {"severity": {"input_freshness": severity}}
        done = shop.dbt("build", *chosen, variables={"purchasing_power__monitoring": rules})
        assert done.returncode == ends, done.output
        assert says in done.output
    assert shop.sql("select input_name from purchasing_power__input_freshness where is_late") == [
        ("browse_events",)
    ]


def test_scorings_older_than_are_kept_are_taken_out(watched: Shop, tmp_path: Path) -> None:
    shop = watched.copy(tmp_path / "shop")
    for days in (300, 500):
        shop.sql(
            "insert into purchasing_power__score_history select * replace (as_of_date - "
            f"{days} as as_of_date) from purchasing_power__scores"
        )
    ages = (
        "select distinct (select max(as_of_date) from purchasing_power__scores) - as_of_date "
        "from purchasing_power__{} order by 1"
    )
    assert shop.sql(ages.format("score_history")) == [(0,), (300,), (500,)]
    done = shop.dbt(
        *("run", "--select", "purchasing_power__score_history", "purchasing_power__matured_scores"),
        variables={"purchasing_power__retention_days": 400},
    )
    assert done.returncode == 0, done.output
    assert shop.sql(ages.format("score_history")) == [(0,), (300,)]
    assert shop.sql(ages.format("matured_scores")) == [(300,)]


def test_fairness_is_that_of_each_group(watched: Shop, tmp_path: Path) -> None:
    """Against the same sums over the matured users themselves, with groups that the shop's own table gives."""
    shop = watched.copy(tmp_path / "shop")
    shop.sql(
        "create table shop.members as select user_id as card, case when hash(user_id) % 3 = 0 then 'young' "
        "when hash(user_id) % 3 = 1 then 'old' end as age_band from purchasing_power__scores "
        "where user_id not like '%1'"
    )
    shop.sql(
        "insert into purchasing_power__score_history "
        "select * replace (as_of_date - 60 as as_of_date) from purchasing_power__scores"
    )
    members = {"relation": "shop.members", "columns": {"user_id": "card"}}
    variables = {
        "purchasing_power__inputs": shop.inputs() | {"customers": members},
        "purchasing_power__groups": {"age": "upper(age_band)"},
        "purchasing_power__smallest_group": 3,
    }
    chosen = ("purchasing_power__matured_scores", "int_purchasing_power__customer_groups")
    done = shop.dbt("build", "--select", *chosen, "purchasing_power__fairness", variables=variables)
    assert done.returncode == 0, done.output
    expected = shop.sql(
        """
        with users as (
            select
                matured.*,
                coalesce(case when card like '%1' then null else upper(age_band) end, 'unknown') as age,
            from purchasing_power__matured_scores as matured
            left join shop.members on user_id = card
        )
        select
            age, purchasing_power_tier, count(*), avg(expected_spend), avg(realised_spend),
            avg(abs(expected_spend - realised_spend)), avg(cast(has_bought as integer)), avg(purchase_probability),
            avg(cast(is_within_range as integer)),
        from users group by grouping sets ((age), (age, purchasing_power_tier)) having count(*) >= 3
        """
    )
    found = shop.sql(
        """
        select
            group_name, nullif(purchasing_power_tier, 'all'), users, mean_expected_spend, mean_realised_spend,
            mean_absolute_error, realised_buyer_share, predicted_buyer_share, within_range_share
        from purchasing_power__fairness where grouping_name = 'age'
        """
    )
    assert {row[0] for row in found} == {"YOUNG", "OLD", "unknown"}
    assert len(found) == len(expected) > 6
    keyed = {row[:2]: row[2:] for row in expected}
    for group, tier, *figures in found:
        assert figures == pytest.approx(keyed[group, tier])
    shares = shop.sql(
        "select sum(users) filter (purchasing_power_tier = 'all'), count(distinct group_name), "
        "max(tier_share_ratio), min(tier_share) from purchasing_power__fairness where grouping_name = 'age'"
    )[0]
    everybody = shop.sql("select count(*) from purchasing_power__matured_scores")[0][0]
    assert shares[:3] == (everybody, 3, 1)
    assert 0 < shares[3] < 1
