"""Rows that no shop should hold: each ends staged or refused, with what is said of it, and nothing else is touched.

From raw tables through features, training, scores, marts and alarms, in one shop.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import bad_rows
import pyarrow.parquet as pq
import pytest
from bad_rows import CASES, COLUMNS, KEY, LONG_ID, Case, key_of
from shop import FEATURES, SCORING, TINY_TRAINING, Shop

pytestmark = pytest.mark.dbt


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A clean simulated shop, and beside each of its tables one of bad rows."""
    shop = bad_rows.make_shop(tmp_path_factory.mktemp("bad_rows"))
    for done in (shop.dbt(*FEATURES), shop.command(*TINY_TRAINING), shop.dbt(*SCORING)):
        assert done.returncode == 0, done.output
        assert "Traceback" not in done.output
    return shop


@pytest.fixture(scope="module")
def staged(shop: Shop) -> dict[str, list[dict[str, Any]]]:
    return {
        relation: rows_of(shop, f"select * from stg_purchasing_power__{relation}") for relation in COLUMNS
    }


@pytest.fixture(scope="module")
def refused(shop: Shop) -> list[dict[str, Any]]:
    return rows_of(shop, "select * from purchasing_power__rejected_rows")


def rows_of(shop: Shop, query: str) -> list[dict[str, Any]]:
    names = shop.columns(f"({query})")
    return [dict(zip(names, row, strict=True)) for row in shop.sql(query)]


def key(name: str, case: Case) -> str | None:
    found = case.row.get(KEY[case.relation], key_of(name))
    return found.upper() if found is not None and case.relation == "exchange_rates" else found


@pytest.mark.parametrize("name", CASES)
def test_a_bad_row_ends_as_it_should(
    shop: Shop, staged: dict[str, list[dict[str, Any]]], refused: list[dict[str, Any]], name: str
) -> None:
    case = CASES[name]
    own = key(name, case)
    column = KEY[case.relation]
    here = [row for row in staged[case.relation] if own is not None and row[column] == own]
    there = [row for row in refused if row["relation"] == case.relation and row["row_key"] == own]
    if isinstance(case.fate, str):
        reasons = {row["reason"] for row in there}
        assert case.fate in reasons
        # What was written is kept, in the spelling of the shop.
        assert all(row["raw_values"] for row in there)
        return
    if own is None:
        here = [row for row in staged[case.relation] if row["user_id"] == f"user of {name}"]
    (row,) = here
    assert there == []
    for what, expected in case.fate.items():
        found = row[what]
        assert (float(found) if isinstance(found, Decimal) else found) == expected or str(found) == expected


def test_every_row_is_staged_or_refused(
    shop: Shop, staged: dict[str, list[dict[str, Any]]], refused: list[dict[str, Any]]
) -> None:
    for relation, mappings in shop.inputs().items():
        files = [entry["relation"] for entry in (mappings if isinstance(mappings, list) else [mappings])]
        given = sum(pq.read_metadata(shop.folder / file).num_rows for file in files)
        ended = len(staged[relation]) + sum(row["relation"] == relation for row in refused)
        assert ended == given > bad_rows.tables()[relation].num_rows


def test_whoever_has_a_usable_row_is_scored_under_their_own_name(shop: Shop) -> None:
    scored = {user_id for (user_id,) in shop.sql("select user_id from purchasing_power__scores")}
    named = {
        case.row["user_id"]
        for case in CASES.values()
        if not isinstance(case.fate, str) and case.row.get("user_id") and case.relation == "order_lines"
    }
    assert LONG_ID in named
    assert named <= scored
    assert not {None, "", "  "} & scored


def test_no_number_of_a_score_or_feature_is_wrong(shop: Shop) -> None:
    for table in ("purchasing_power__scores", "purchasing_power__user_steps", "purchasing_power__anchors"):
        numbers = [
            name
            for name, kind, *_ in shop.sql(f"describe {table}")
            if kind.startswith(("DOUBLE", "FLOAT", "DECIMAL", "BIGINT", "INTEGER"))
        ]
        wrong = " or ".join(f"{name} is null or not isfinite(cast({name} as double))" for name in numbers)
        assert numbers
        assert shop.sql(f"select count(*) from {table} where {wrong}") == [(0,)]
    assert shop.sql("select count(*) > 100 from purchasing_power__scores") == [(True,)]


def test_marts_and_alarms_are_built_of_them(shop: Shop) -> None:
    done = shop.dbt("build", "--select", "purchasing_power.marts", "purchasing_power.monitoring")
    assert done.returncode == 0, done.output
    assert "ERROR=0" in done.output
