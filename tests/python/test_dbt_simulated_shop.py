"""A simulated shop with a fifth of all dirt, from `simulate` to features: nothing stops the build, nothing is lost."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
import yaml
from commands import Outcome
from scipy.stats import spearmanr
from shop import FEATURES, INTEGRATION, MARTS, MONITORING, PACKAGE, SCORING, Shop
from simulated_shop import SimulatedShop

from purchasing_power.simulator.anomalies import ANOMALIES

pytestmark = pytest.mark.dbt

HORIZON_DAYS = 28
# What each of them is to be noticed by, on the day itself.
SHIFTS = {
    "lost_event": ("browse_events", "cart events"),
    "doubled_bots": ("browse_events", "rows of bots"),
}
TABLES = {
    "order_lines": ("orders", "refunds"),
    "browse_events": ("events",),
    "reviews": ("reviews",),
    "products": ("products",),
    "customers": ("customers",),
    "exchange_rates": ("exchange_rates",),
}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> SimulatedShop:
    folder = tmp_path_factory.mktemp("simulated") / "shop"
    return SimulatedShop.make(
        folder, 300, 200, horizon_days=HORIZON_DAYS, dirt=0.2, anomalies=0.3, shifts=tuple(SHIFTS)
    )


@pytest.fixture(scope="module")
def built(simulated: SimulatedShop, tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, Outcome]:
    folder = tmp_path_factory.mktemp("project")
    for name in ("profiles.yml", "selectors.yml"):
        shutil.copy(INTEGRATION / name, folder / name)
    (folder / "shop").mkdir()
    project: dict[str, Any] = {"name": "simulated_shop", "config-version": 2, "profile": "corner_shop"}
    proposed = yaml.safe_load((simulated.folder / "purchasing_power_vars.yml").read_text(encoding="utf-8"))
    proposed["vars"]["purchasing_power__explained_users"] = 16
    (folder / "dbt_project.yml").write_text(yaml.safe_dump({**project, **proposed}), encoding="utf-8")
    shop = Shop(folder)
    shop.install(PACKAGE)
    return shop, shop.dbt(*FEATURES)


def count(simulated: SimulatedShop, table: str, condition: str = "true") -> int:
    return int(simulated.value(f"select count(*) from {table} where {condition}"))


def test_the_proposed_vars_build_without_a_warning(built: tuple[Shop, Outcome]) -> None:
    _, outcome = built
    assert outcome.returncode == 0, outcome.output
    assert "WARN=0" in outcome.output


@pytest.mark.parametrize("relation", TABLES)
def test_each_row_is_staged_or_rejected(
    built: tuple[Shop, Outcome], simulated: SimulatedShop, relation: str
) -> None:
    shop, outcome = built
    assert outcome.returncode == 0, outcome.output
    written = sum(count(simulated, table) for table in TABLES[relation])
    staged = shop.sql(f"select count(*) from stg_purchasing_power__{relation}")[0][0]
    rejected = shop.sql(
        f"select count(*) from purchasing_power__rejected_rows where relation = '{relation}'"
    )[0][0]
    assert staged > 0
    assert staged + rejected == written


def test_the_dirt_is_found_under_its_name(built: tuple[Shop, Outcome], simulated: SimulatedShop) -> None:
    shop, outcome = built
    assert outcome.returncode == 0, outcome.output
    found = set(shop.sql("select distinct relation, reason from purchasing_power__rejected_rows"))
    for relation in ("order_lines", "browse_events", "reviews", "products", "customers"):
        assert (relation, "duplicate") in found
    for relation, reason in (("order_lines", "test_user"), ("browse_events", "bot")):
        assert count(simulated, "planted", f"kind = '{reason}'") > 0
        assert (relation, reason) in found


def test_no_planted_user_is_a_user(built: tuple[Shop, Outcome], simulated: SimulatedShop) -> None:
    shop, outcome = built
    assert outcome.returncode == 0, outcome.output
    planted = shop.sql(
        "select count(*) from purchasing_power__users"
        f" where user_id in (select customer_id from '{simulated.folder}/planted.parquet' where kind = 'test_user')"
    )
    assert planted == [(0,)]


def test_other_currencies_are_converted(built: tuple[Shop, Outcome], simulated: SimulatedShop) -> None:
    shop, outcome = built
    assert outcome.returncode == 0, outcome.output
    assert count(simulated, "orders", "currency <> 'EUR'") > 0
    assert shop.sql(
        "select count(*) from purchasing_power__rejected_rows where reason like '%currency%'"
    ) == [(0,)]


def test_scores_recover_what_is_hidden(built: tuple[Shop, Outcome], simulated: SimulatedShop) -> None:
    shop, outcome = built
    assert outcome.returncode == 0, outcome.output
    for done in (shop.command("train", "--promote", "--epochs", "6", "--members", "1"), shop.dbt(*SCORING)):
        assert done.returncode == 0, done.output
    found = np.array(
        shop.sql(
            f"""
            select scores.expected_spend, truth.expected_spend, truth.hidden_power, coalesce(steps.spend, 0)
            from purchasing_power__scores as scores
            inner join '{simulated.folder}/truth.parquet' as truth
                on scores.user_id = truth.customer_id and scores.as_of_date = truth.as_of_date
            left join (
                select user_id, sum(spend) as spend from purchasing_power__user_steps
                where step_on >= (select max(as_of_date) from purchasing_power__scores) - {HORIZON_DAYS}
                group by user_id
            ) as steps on scores.user_id = steps.user_id
            """
        ),
        np.float64,
    )
    assert len(found) > 250
    score, expected, power, past = found.T

    def correlation(first: np.ndarray, second: np.ndarray) -> float:
        return float(spearmanr(first, second).statistic)

    # Better than what they spent last, by far, and on the truth itself, not on one draw of it.
    assert correlation(score, expected) > 0.65 > correlation(past, expected)
    # How often somebody wants anything hides power: even the exact expectation ranks it loosely.
    assert correlation(score, power) > correlation(expected, power) / 2 > correlation(past, power)


def test_the_watchlist_names_whom_the_simulator_planted(
    built: tuple[Shop, Outcome], simulated: SimulatedShop
) -> None:
    """Last, as it needs scores: those of the test before it."""
    shop, _ = built
    done = shop.dbt(*MARTS)
    assert done.returncode == 0, done.output
    planted = dict(simulated.sql(f"select customer_id, kind from planted where kind in {ANOMALIES}"))
    assert set(planted.values()) == set(ANOMALIES)
    signals = {
        "spend_spike": "has_spend_spike",
        "order_burst": "has_order_burst",
        "refund_streak": "has_refunds",
    }
    named = {
        user_id: dict(zip(signals, found, strict=True))
        for user_id, *found in shop.sql(
            f"select user_id, {', '.join(signals.values())} from purchasing_power__risk_watchlist where signals > 0"
        )
    }
    right = [user_id for user_id, kind in planted.items() if named.get(user_id, {}).get(kind)]
    assert len(right) >= 0.7 * len(planted)
    assert len(right) >= 0.7 * len(named)


def test_each_planted_shift_is_noticed_on_its_day(built: tuple[Shop, Outcome]) -> None:
    """Last too: with the marts of the test before it."""
    shop, _ = built
    done = shop.dbt(*MONITORING)
    assert done.returncode == 0, done.output
    assert "nothing_unusual_purchasing_power__input_changes" in done.output
    unusual = shop.sql(
        "select input_name, measure, is_newest from purchasing_power__input_changes where is_unusual"
    )
    noticed = {(log, measure) for log, measure, is_newest in unusual if is_newest}
    assert set(SHIFTS.values()) <= noticed
    # The days before are as they always were.
    assert not {(log, measure) for log, measure, is_newest in unusual if not is_newest} & set(SHIFTS.values())
