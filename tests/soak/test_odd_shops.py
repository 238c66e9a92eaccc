"""Shops of odd shapes, through features, training and scores: correct tables, or one sentence."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from shop import FEATURES, INTEGRATION, PACKAGE, SCORING, TINY_TRAINING, Shop

ORDERS = (
    "create table orders as select 'o' || i as line, 'o' || i as id, 'u' || (i % {users}) as who, "
    "timestamp '2024-01-01' + interval 1 hour * (i * {hours}) as at, 'p' || (i % 7) as what, "
    "{amount} as amount from range({rows}) as rows (i)"
)


@dataclass(frozen=True)
class Odd:
    """A shop, and what is to become of it.

    Attributes:
        orders: SQL that makes its orders: line, id, who, at, what, amount.
        events: SQL that makes its events (who, at, kind), if it has any.
        users: how many are scored.
        variables: vars beside the mapping.
        training: the sentence that training ends with, where there is nothing to learn.
    """

    orders: str
    users: int
    events: str = ""
    variables: dict[str, Any] = field(default_factory=dict)
    training: str = ""


def regular(rows: int = 4_000, users: int = 100, hours: float = 1, amount: str = "5 + (i * 37 % 113)") -> str:
    return ORDERS.format(rows=rows, users=users, hours=hours, amount=amount)


SHOPS = {
    "all users alike": Odd(regular(amount="10"), 100, training="fewer tiers"),
    "only buyers": Odd(regular(), 100),
    "no buyers at all": Odd(
        regular(rows=60, amount="0"), 140, "create table events as select 'v' || (i % 80) as who, "
        "timestamp '2024-01-01' + interval 1 hour * i as at, 'view' as kind from range(4000) as rows (i)",
        training="fewer tiers",
    ),
    "every other line comes back": Odd(
        regular(amount="case when i % 2 = 0 then 1 else -1 end * (5 + (i * 37 % 113))"), 100
    ),
    "one user": Odd(regular(users=1), 1, training="users"),
    "one row": Odd(regular(rows=1), 1, training="old enough"),
    "one day": Odd(regular(rows=500, hours=0.01), 100, training="old enough"),
    "a horizon longer than the data": Odd(
        regular(), 100, variables={"purchasing_power__horizon_days": 400}, training="old enough"
    ),
    "one user with 100,000 events": Odd(
        regular(), 101, "create table events as select 'heavy' as who, timestamp '2024-01-02' + interval 1 second * "
        "(i * 120) as at, 'view' as kind from range(100000) as rows (i)",
    ),
    "days without a row": Odd(
        regular().replace("from range", "from range").replace("(i * 1)", "(i + 24 * 20 * (i // 1000))"), 100
    ),
    "amounts of ten orders of magnitude": Odd(regular(amount="power(10, i % 10) / 100"), 100),
    "a million users with one order": Odd(
        regular(rows=1_000_000, users=1_000_000, hours=0.002), 1_000_000, training="fewer tiers"
    ),
    "a million users, of whom a fifth come back": Odd(
        regular(rows=1_200_000, users=1_000_000, hours=0.002), 1_000_000
    ),
}  # fmt: skip


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[Odd], Shop]]:
    def make_shop(odd: Odd) -> Shop:
        for name in ("profiles.yml", "selectors.yml"):
            shutil.copy(INTEGRATION / name, tmp_path / name)
        (tmp_path / "shop").mkdir()
        with duckdb.connect(str(tmp_path / "shop" / "warehouse.duckdb")) as connection:
            connection.execute(odd.orders)
            if odd.events:
                connection.execute(odd.events)
        order = {"order_line_id": "line", "order_id": "id", "user_id": "who", "ordered_at": "input.at"}
        inputs: dict[str, Any] = {
            "order_lines": {
                "relation": "main.orders",
                "columns": {**order, "product_id": "what", "amount": "amount"},
            }
        }
        if odd.events:
            inputs["browse_events"] = {
                "relation": "main.events",
                "columns": {"user_id": "who", "occurred_at": "input.at", "event_type": "kind"},
            }
        variables = {
            "purchasing_power__horizon_days": 28,
            "purchasing_power__explained_users": 5,
            "purchasing_power__inputs": inputs,
            **odd.variables,
        }
        project = {"name": "odd", "config-version": 2, "profile": "corner_shop", "vars": variables}
        (tmp_path / "dbt_project.yml").write_text(yaml.safe_dump(project))
        shop = Shop(tmp_path)
        shop.install(PACKAGE)
        return shop

    yield make_shop
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.parametrize("name", SHOPS)
def test_an_odd_shop_ends_as_it_should(make: Callable[[Odd], Shop], name: str) -> None:
    odd = SHOPS[name]
    shop = make(odd)
    done = shop.dbt(*FEATURES)
    assert done.returncode == 0, done.output
    done = shop.command(*TINY_TRAINING)
    assert "Traceback" not in done.output
    if odd.training:
        assert done.returncode == 1, done.output
        assert odd.training in done.output
        return
    assert done.returncode == 0, done.output
    done = shop.dbt(*SCORING)
    assert done.returncode == 0, done.output
    found = shop.sql(
        "select count(*), count(*) filter (not isfinite(expected_spend) or expected_spend < 0 "
        "or not purchase_probability between 0 and 1) from purchasing_power__scores"
    )
    assert found == [(odd.users, 0)]
    everything = shop.dbt("run", "--select", "purchasing_power.marts", "purchasing_power.monitoring")
    assert everything.returncode == 0, everything.output
