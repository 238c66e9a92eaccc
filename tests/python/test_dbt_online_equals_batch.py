"""Scoring in real time against the batch path: the same channels, the same context, the same scores, whatever the vars.

The SQL of a shop's features is run by DuckDB, and evaluated event by event by the scorer; a model of random weights stands for a
trained one, so that no number of either can differ unseen.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from compiled_features import Compile, Warehouse
from dirty_shop import dirty_shop
from feature_variables import MODEL_OUTPUTS, VARIABLES
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from online_shop import OnlineShop, replay

from purchasing_power.online import OnlineScorer, Score, UserMemory
from purchasing_power.warehouse.online import MemoryReader

pytestmark = pytest.mark.dbt

KEYS = ("user_id", "step_index", "step_on", "step_started_at")
FACTS = {
    "user_id",
    "anchor_on",
    "first_seen_on",
    "steps_before",
    "split",
    "label_spend",
    "label_orders",
    "label_ends_on",
}
SHOPS = {
    "seed": st.integers(0, 10_000),
    "users": st.integers(6, 30),
    "days": st.sampled_from([60, 150, 420]),
    "dirt": st.sampled_from([0.0, 0.2]),
}
quickly = settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    database=None,
    # A smaller seed is no simpler shop, so nothing is shrunk.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


@contextmanager
def online_shop(
    compiled: Compile, name: str, seed: int, users: int, days: int, dirt: float
) -> Iterator[OnlineShop]:
    with Warehouse(compiled(name)) as warehouse:
        warehouse.load(dirty_shop(seed, users, days, dirt).written())
        warehouse.give(**MODEL_OUTPUTS.get(name, {}))
        warehouse.build()
        yield OnlineShop(warehouse)


@pytest.mark.parametrize("name", VARIABLES)
@quickly
@given(**SHOPS)
def test_every_channel_of_every_step_is_the_warehouses(
    compiled: Compile, name: str, seed: int, users: int, days: int, dirt: float
) -> None:
    with online_shop(compiled, name, seed, users, days, dirt) as shop:
        expected = {
            (row["user_id"], row["step_index"]): row
            for row in shop.warehouse.rows("select * from purchasing_power__user_steps")
        }
        found = {}
        for user_id, events in shop.events.items():
            memory = shop.newcomer(user_id)
            for event in events:
                memory = shop.scorer.absorb(memory, event)
                # The last one of a step stays.
                found[user_id, memory.steps + 1] = shop.compiled.step(memory)
        assert found.keys() == expected.keys()
        for key, row in expected.items():
            for column in row.keys() - set(KEYS):
                assert agree(found[key][column], row[column]), (key, column, found[key][column], row[column])


@pytest.mark.parametrize("name", VARIABLES)
@quickly
@given(**SHOPS)
def test_every_context_feature_at_every_anchor_is_the_warehouses(
    compiled: Compile, name: str, seed: int, users: int, days: int, dirt: float
) -> None:
    with online_shop(compiled, name, seed, users, days, dirt) as shop:
        expected = {
            (row["user_id"], row["anchor_on"]): row
            for row in shop.warehouse.rows("select * from purchasing_power__anchors")
        }
        for user_id, anchors in anchors_of(expected).items():
            for anchor, memory in replay(shop, shop.newcomer(user_id), anchors):
                row, found = expected[user_id, anchor], shop.compiled.context(memory, anchor)
                assert memory.first_seen_on == row["first_seen_on"]
                for column in row.keys() - FACTS:
                    assert agree(found[column], row[column]), (
                        user_id,
                        anchor,
                        column,
                        found[column],
                        row[column],
                    )


@pytest.mark.parametrize("name", VARIABLES)
@quickly
@given(**SHOPS)
def test_scores_are_those_of_the_batch_path(
    compiled: Compile, name: str, seed: int, users: int, days: int, dirt: float
) -> None:
    with online_shop(compiled, name, seed, users, days, dirt) as shop:
        expected = shop.batch_scores()
        anchors = anchors_of(expected)
        for user_id, own in anchors.items():
            for anchor, memory in replay(shop, shop.newcomer(user_id), own):
                assert_same(shop.scorer.score(memory, anchor), expected[user_id, anchor])
        # The same from memories that the warehouse added up half-way.
        dates = sorted({anchor for _, anchor in expected})
        middle = dates[len(dates) // 2]
        loaded = load(shop, middle)
        assert loaded
        for user_id, memory in loaded.items():
            later = [anchor for anchor in anchors.get(user_id, []) if anchor >= middle]
            for anchor, reached in replay(shop, memory, later):
                assert_same(shop.scorer.score(reached, anchor), expected[user_id, anchor])


def test_a_changed_definition_is_seen(compiled: Compile) -> None:
    with online_shop(compiled, "defaults", 5, 20, 150, 0.2) as shop:
        expected = shop.batch_scores()
        for level, name, definition in (
            ("measure", "spend", "coalesce(sum(abs(amount)), 0)"),
            ("category", "line_count", "activity = 'order_line'"),
            ("spacing", "day_of_week", "day_of_week(step_on) + 1"),
            ("point", "order_gap", "days_since_previous_order + 1"),
            ("window", "spend_7d", "coalesce(max(spend), 0)"),
            ("context", "overdue", "1"),
        ):
            changed = [
                {**row, "definition": definition} if (row["level"], row["name"]) == (level, name) else row
                for row in shop.definitions
            ]
            assert changed != shop.definitions
            other = OnlineShop(shop.warehouse)
            other.__dict__["scorer"] = OnlineScorer(shop.model, changed, shop.scaling)
            differing = Counter(
                is_same(other.scorer.score(memory, anchor), expected[user_id, anchor])
                for user_id, own in anchors_of(expected).items()
                for anchor, memory in replay(other, other.newcomer(user_id), own)
            )
            assert differing[False] > 0, name


# ---------------------------------------------------------------- comparison


def anchors_of(expected: dict[tuple[str, dt.date], Any]) -> dict[str, list[dt.date]]:
    anchors: dict[str, list[dt.date]] = defaultdict(list)
    for user_id, anchor in expected:
        anchors[user_id].append(anchor)
    return anchors


def load(shop: OnlineShop, as_of_date: dt.date) -> dict[str, UserMemory]:
    """The memories of everybody who was known at an as-of date, from the tables as they were then."""
    shop.write_user_states(as_of_date)
    warehouse = shop.warehouse
    users = f"select * from purchasing_power__users where is_dated and first_seen_on < date '{as_of_date}'"
    steps = f"select * from purchasing_power__user_steps where step_on < date '{as_of_date}'"
    # Those whom batch_scores() has states of.
    warehouse.put(
        "users_then",
        warehouse.arrow(f"{users} and user_id in (select user_id from purchasing_power__training_sequences)"),
    )
    warehouse.put("user_steps_then", warehouse.arrow(steps))
    relations = {
        "purchasing_power__users": "users_then",
        "purchasing_power__user_steps": "user_steps_then",
        "purchasing_power__user_states": "purchasing_power__user_states",
    }
    reader = MemoryReader(warehouse.connection(), relations, shop.scorer, shop.definitions, as_of_date)
    return {memory.user_id: memory for memory in reader.read()}


def agree(found: Any, expected: Any) -> bool:
    return math.isclose(float(found), float(expected), rel_tol=1e-9, abs_tol=1e-9)


def is_same(found: Score, expected: dict[str, Any]) -> bool:
    return (
        all(
            math.isclose(getattr(found, name), expected[name], rel_tol=1e-5)
            for name in (
                "purchase_probability",
                "expected_spend",
                "spend_p10",
                "spend_p50",
                "spend_p90",
                "anomaly_score",
            )
        )
        and found.purchasing_power_tier == expected["purchasing_power_tier"]
        and found.is_outlier == expected["is_outlier"]
        and not found.is_provisional
    )


def assert_same(found: Score, expected: dict[str, Any]) -> None:
    assert is_same(found, expected), (found, expected)
