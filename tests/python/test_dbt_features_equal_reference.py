"""The feature SQL against an independent implementation, on many generated dirty shops; and what must hold on any shop.

dbt compiles the models once a set of vars (about 10 s); DuckDB then builds each shop in half a second.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from compiled_features import Compile, Warehouse
from dirty_shop import COLUMNS, Cell, DirtyShop, changing_shop, dirty_shop
from feature_reference import Reference, reference
from feature_variables import LATER_RUNS, MODEL_OUTPUTS, VARIABLES
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from reference_staging import Cleaning, Parameters

pytestmark = pytest.mark.dbt

REASONS_WITH_DIRT = {
    "missing_user_id", "missing_product_id", "missing_currency", "test_user", "invalid_ordered_at", "invalid_occurred_at",
    "invalid_reviewed_at", "invalid_amount", "invalid_rate", "before_earliest_date", "after_as_of_date", "bot",
    "unknown_currency", "duplicate",
}  # fmt: skip
# What a run looked at, and not what there is.
OF_ONE_RUN = {
    "int_purchasing_power__activity",
    "int_purchasing_power__browse_sessions",
    "int_purchasing_power__changed_users",
    "int_purchasing_power__touched_keys",
    "int_purchasing_power__users_to_rebuild",
}
SHOPS = {
    "seed": st.integers(0, 10_000),
    "users": st.integers(6, 40),
    "days": st.sampled_from([60, 150, 420]),
    "dirt": st.sampled_from([0.0, 0.05, 0.2, 0.6]),
}


@pytest.mark.parametrize("name", VARIABLES)
@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    # A smaller seed is no simpler shop, so nothing is shrunk.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(**SHOPS)
def test_every_table_equals_the_reference(
    compiled: Compile, name: str, seed: int, users: int, days: int, dirt: float
) -> None:
    shop = dirty_shop(seed, users, days, dirt)
    outputs = MODEL_OUTPUTS.get(name, {})
    with Warehouse(compiled(name)) as warehouse:
        warehouse.load(shop.written())
        warehouse.give(**outputs)
        warehouse.build()
        assert differences(warehouse, reference(shop.meant(), VARIABLES[name], **outputs)) == []


@pytest.mark.parametrize(
    ("old", "new", "seen_in"),
    [
        ("sum(amount)", "sum(abs(amount))", "spend"),
        ("sum(discount_amount)", "max(discount_amount)", "discount"),
        ("step_on, category\n    ) as categories_bought_met", "step_on, product_id\n    ) as categories_bought_met", "categories_bought"),
        ("/ sum(line_count)", "/ count(line_count)", "category_entropy"),
        ("> 1800", "> 1900", "sessions"),
        ("(reviews.rating - 1)", "(reviews.rating - 2)", "sentiment"),
        ("lag(step_on)", "first_value(step_on)", "days_since_previous_step"),
        ("extract(hour from occurred_at)", "extract(minute from occurred_at)", "hour_sin"),
        ("and 92 preceding", "and 91 preceding", "spend_91d"),
        ("order_gaps >= 2", "order_gaps >= 3", "order_gap_variation"),
        ("floor(0.25 *", "floor(0.3 *", "cleaning"),
    ],
)  # fmt: skip
def test_a_change_of_the_sql_is_seen(compiled: Compile, old: str, new: str, seen_in: str) -> None:
    shop = dirty_shop(seed=5, users=30, days=150, dirt=0.2)
    expected = reference(shop.meant(), VARIABLES["defaults"])
    found = []
    for features in (compiled("defaults"), compiled("defaults").changed(old, new)):
        with Warehouse(features) as warehouse:
            warehouse.load(shop.written())
            warehouse.build()
            found.append(differences(warehouse, expected))
    assert found[0] == []
    assert any(seen_in in difference for difference in found[1])


@pytest.mark.parametrize("dirt", [0.0, 0.2, 0.9])
def test_nothing_is_lost(compiled: Compile, dirt: float) -> None:
    shop = dirty_shop(seed=3, dirt=dirt)
    with Warehouse(compiled("defaults")) as warehouse:
        warehouse.load(shop.written())
        warehouse.build()
        for relation in COLUMNS:
            staged, refused = (
                warehouse.rows(query)[0]["n"]
                for query in (
                    f"select count(*) as n from stg_purchasing_power__{relation}",
                    f"select count(*) as n from purchasing_power__rejected_rows where relation = '{relation}'",
                )
            )
            assert staged + refused == len(shop.rows[relation]), relation
        reasons = {
            row["reason"] for row in warehouse.rows("select reason from purchasing_power__rejected_rows")
        }
    expected = REASONS_WITH_DIRT if dirt else {"test_user", "after_as_of_date"}
    assert reasons <= expected
    assert dirt < 0.5 or reasons == expected


@pytest.mark.parametrize("name", ["defaults", "every_rule"])
def test_the_order_of_rows_leaves_no_trace(compiled: Compile, name: str) -> None:
    shop = dirty_shop(seed=7, dirt=0.4)
    tables = []
    for twin in (shop, shop.shuffled(seed=1)):
        with Warehouse(compiled(name)) as warehouse:
            warehouse.load(twin.written())
            warehouse.build()
            tables.append({table: _sorted_rows(warehouse, table) for table in warehouse.tables()})
    for table, rows in tables[0].items():
        assert rows == tables[1][table], table


@pytest.mark.parametrize("name", sorted(LATER_RUNS))
@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(seed=SHOPS["seed"], dirt=SHOPS["dirt"])
def test_daily_runs_equal_one_of_the_last_day(compiled: Compile, name: str, seed: int, dirt: float) -> None:
    days = list(changing_shop(seed, dirt, days=6))
    daily = Warehouse(compiled(name))
    with daily, Warehouse(compiled(name)) as at_once:
        for shop in days:
            daily.load(shop.written())
            daily.build()
        at_once.load(days[-1].written())
        at_once.inherit(daily)
        at_once.build()
        for table in set(daily.tables()) - OF_ONE_RUN:
            assert _sorted_rows(daily, table) == _sorted_rows(at_once, table), table
        expected = reference(days[-1].meant(), VARIABLES[name], frozen=_cleaning(daily))
        assert differences(daily, expected) == []


def test_a_day_reads_changed_users_alone(compiled: Compile) -> None:
    shop = dirty_shop(seed=11, users=30, dirt=0)
    gone = shop.rows["order_lines"][0]
    without = DirtyShop({**shop.rows, "order_lines": shop.rows["order_lines"][1:]})
    rebuilt = []
    with Warehouse(compiled("defaults")) as warehouse:
        for known in (shop, shop, without):
            warehouse.load(known.written())
            warehouse.build()
            users = warehouse.rows("select user_id from int_purchasing_power__users_to_rebuild")
            rebuilt.append({row["user_id"] for row in users})
    assert len(rebuilt[0]) > 20
    assert rebuilt[1:] == [set(), {gone["user_id"].meant}]


@pytest.mark.parametrize("dies_after", [None, "int_purchasing_power__order_lines_checked"])
def test_a_key_that_is_given_up_makes_another_users_row_count(
    compiled: Compile, dies_after: str | None
) -> None:
    shop = dirty_shop(seed=11, users=30, dirt=0)
    kept, given = (
        next(row for row in shop.rows["order_lines"] if row["user_id"].meant == user) for user in ("u1", "u2")
    )
    # Of rows that share a key the newest stays.
    twin = {
        **given,
        "order_line_id": kept["order_line_id"],
        "ordered_at": shop.rows["order_lines"][-1]["ordered_at"],
    }
    both = DirtyShop({**shop.rows, "order_lines": [*shop.rows["order_lines"], twin]})
    duplicates = "select row_key from purchasing_power__rejected_rows where reason = 'duplicate'"
    with Warehouse(compiled("defaults")) as warehouse:
        for known, refused in ((shop, []), (both, [kept]), (shop, [])):
            warehouse.load(known.written())
            if dies_after and known is shop and warehouse.is_complete():
                # The rows are judged again, and the steps are not yet made of them.
                warehouse.build(until=dies_after)
            warehouse.build()
            assert [row["row_key"] for row in warehouse.rows(duplicates)] == [
                row["order_line_id"].meant for row in refused
            ]
        assert differences(warehouse, reference(shop.meant(), VARIABLES["defaults"])) == []


def test_a_cancellation_counts_when_its_day_has_come(compiled: Compile) -> None:
    shop = dirty_shop(seed=11, users=30, dirt=0)
    first, *lines = shop.rows["order_lines"]
    newest = max(row["ordered_at"].meant for row in lines if row["ordered_at"].meant)

    def at(days: int) -> Cell:
        moment = newest + dt.timedelta(days=days)
        return Cell(moment, str(moment))

    cancelled = {**first, "cancelled_at": at(3)}
    # Another user comes four days later.
    later = {
        **next(row for row in lines if row["user_id"] != first["user_id"]),
        "order_line_id": Cell("later", "later"),
        "ordered_at": at(4),
    }
    with Warehouse(compiled("defaults")) as warehouse:
        for known in ([cancelled, *lines], [cancelled, *lines, later]):
            warehouse.load(DirtyShop({**shop.rows, "order_lines": known}).written())
            warehouse.build()
        expected = reference(
            DirtyShop({**shop.rows, "order_lines": known}).meant(),
            VARIABLES["defaults"],
            frozen=_cleaning(warehouse),
        )
        assert differences(warehouse, expected) == []


# ---------------------------------------------------------------- comparison


def differences(warehouse: Warehouse, expected: Reference) -> list[str]:
    """What the warehouse holds otherwise than the reference says, a line a difference; the first of each column."""
    found = [
        *_refusals(warehouse, expected),
        *_compare("cleaning", _as_values(_cleaning(warehouse)), _as_values(expected.staged.cleaning), 2e-6),
    ]
    for table, keys, values in (
        ("user_steps", ("user_id", "step_index"), expected.steps),
        ("anchors", ("user_id", "anchor_on"), expected.anchors),
    ):
        given = {
            tuple(row.pop(key) for key in keys): row
            for row in warehouse.rows(f"select * from purchasing_power__{table}")
        }
        found.extend(_compare(table, given, values, 1e-9))
    users = {row.pop("user_id"): row for row in warehouse.rows("select * from purchasing_power__users")}
    found.extend(_compare("users", users, expected.users, 0))
    return found


def _refusals(warehouse: Warehouse, expected: Reference) -> Iterable[str]:
    given = Counter(
        (row["relation"], row["row_key"], row["reason"])
        for row in warehouse.rows("select relation, row_key, reason from purchasing_power__rejected_rows")
    )
    wanted = Counter(
        (relation, row[COLUMNS[relation][0]], row["reason"])
        for relation, rows in expected.staged.refused.items()
        for row in rows
    )
    if given != wanted:
        yield f"rejected_rows: too many {given - wanted}, too few {wanted - given}"


def _cleaning(warehouse: Warehouse) -> Cleaning:
    return {
        (row["relation"], row["column_name"], row["category"]): Parameters(
            row["row_count"], row["upper_fence"], row["mean"], row["median"]
        )
        for row in warehouse.rows("select * from purchasing_power__cleaning")
    }


def _as_values(cleaning: Cleaning) -> dict[Any, dict[str, Any]]:
    return {key: vars(parameters) for key, parameters in cleaning.items()}


def _compare(
    table: str, given: dict[Any, dict[str, Any]], wanted: dict[Any, dict[str, Any]], tolerance: float
) -> list[str]:
    if given.keys() != wanted.keys():
        extra, missing = list(given.keys() - wanted.keys())[:3], list(wanted.keys() - given.keys())[:3]
        return [f"{table}: rows {extra} too many, {missing} too few"]
    found: dict[str, str] = {}
    for key, row in given.items():
        for column in row.keys() | wanted[key].keys():
            if column not in row or column not in wanted[key]:
                found[column] = f"{table}.{column} is on one side only"
            elif not _agree(row[column], wanted[key][column], tolerance):
                found.setdefault(
                    column, f"{table}.{column} at {key}: {row[column]}, not {wanted[key][column]}"
                )
    return sorted(found.values())


def _agree(given: Any, wanted: Any, tolerance: float) -> bool:
    """Counts, money, dates and texts exactly; ratios within the tolerance."""
    if isinstance(wanted, float) and given is not None:
        return math.isclose(given, wanted, rel_tol=tolerance, abs_tol=max(tolerance, 1e-9))
    if isinstance(given, float) and isinstance(wanted, Decimal):
        # The one double that is nearest to it.
        return given == float(wanted)
    return bool(given == wanted)


def _sorted_rows(warehouse: Warehouse, table: str) -> list[str]:
    return sorted(repr(tuple(row.values())) for row in warehouse.rows(f"select * from {table}"))
