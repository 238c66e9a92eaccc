"""The vars that map a simulated shop to the package's input contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from purchasing_power.simulator.rates import SHOP_CURRENCY

TEST_USER_PATTERN = "test-%"


def vars_yaml(out: Path, horizon_days: int) -> str:
    """Writes the `vars` block of a dbt_project.yml.

    Args:
        out: the shop's folder, as dbt will find it from where it runs.
        horizon_days: days that predictions shall cover.

    Returns:
        YAML.
    """
    block = {
        "vars": {
            "purchasing_power__horizon_days": horizon_days,
            "purchasing_power__currency": SHOP_CURRENCY,
            "purchasing_power__test_user_patterns": [TEST_USER_PATTERN],
            "purchasing_power__inputs": _inputs(out),
        }
    }
    return yaml.safe_dump(block, sort_keys=False, allow_unicode=True, width=10_000)


def _inputs(out: Path) -> dict[str, Any]:
    def mapped(table: str, **columns: str) -> dict[str, Any]:
        return {"relation": (out / f"{table}.parquet").as_posix(), "columns": columns}

    return {
        "order_lines": [
            mapped(
                "orders",
                order_line_id="line_id",
                order_id="order_id",
                user_id="customer_id",
                ordered_at="ordered_at",
                product_id="product_id",
                quantity="quantity",
                amount="paid",
                discount_amount="discount",
                currency="currency",
                cancelled_at="cancelled_at",
            ),
            mapped(
                "refunds",
                order_line_id="refund_id",
                order_id="order_id",
                user_id="customer_id",
                ordered_at="refunded_at",
                product_id="product_id",
                quantity="quantity",
                amount="-amount",
                currency="currency",
            ),
        ],
        "browse_events": mapped(
            "events",
            event_id="event_id",
            session_id="session_id",
            user_id="customer_id",
            occurred_at="input.at",
            event_type="kind",
            product_id="product_id",
            duration_seconds="seconds",
        ),
        "reviews": mapped(
            "reviews",
            review_id="review_id",
            user_id="customer_id",
            reviewed_at="reviewed_at",
            product_id="product_id",
            rating="stars",
            review_text="text",
        ),
        "products": mapped(
            "products",
            product_id="product_id",
            category="category",
            brand="brand",
            list_price="price",
            embedding="embedding",
        ),
        "customers": mapped("customers", user_id="customer_id", signed_up_at="signed_up_at"),
        "exchange_rates": mapped("exchange_rates", currency="currency", rate="rate", valid_from="valid_from"),
    }
