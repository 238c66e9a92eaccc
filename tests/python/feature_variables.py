"""Vars under which the feature SQL is compared with other implementations: between them they use every rule and grain."""

from __future__ import annotations

import hashlib
from typing import Any

from dirty_shop import mapping

BASE = {
    "purchasing_power__horizon_days": 14,
    "purchasing_power__anchor_limit": 5,
    "purchasing_power__currency": "EUR",
    "purchasing_power__test_users": ["qa-1"],
    "purchasing_power__test_user_patterns": ["test%"],
}
# Those that are compiled for daily runs too.
LATER_RUNS = {"defaults", "every_rule", "weeks"}
VARIABLES: dict[str, dict[str, Any]] = {
    "defaults": {**BASE, "purchasing_power__inputs": mapping()},
    "every_rule": {
        **BASE,
        "purchasing_power__inputs": mapping(without=("browse_events.duration_seconds",)),
        "purchasing_power__horizon_days": 28,
        "purchasing_power__event_types": ["view", "cart", "корзина"],
        "purchasing_power__fills": {
            "amount": "group_median",
            "quantity": "nearest",
            "discount_amount": "mean",
            "event_count": "median",
        },
        "purchasing_power__outliers": {
            "amount": {"factor": 1.5},
            "quantity": {"action": "reject"},
            "discount_amount": {"method": "quantile", "quantile": 0.9},
            "event_count": {"action": "reject"},
        },
        "purchasing_power__missing_indicators": ["amount", "quantity", "event_count"],
        "purchasing_power__seasonal_features": True,
        "purchasing_power__extra_channels": [
            {"name": "points", "input": "order_lines", "expression": "points", "fill": "nearest"},
            {
                "name": "scrolled",
                "input": "browse_events",
                "expression": "scrolled",
                "aggregate": "avg",
                "fill": "mean",
            },
            {
                "name": "helpful",
                "input": "reviews",
                "expression": "helpful",
                "aggregate": "max",
                "fill": 2,
            },
        ],
    },
    "weeks": {
        **BASE,
        "purchasing_power__inputs": mapping(),
        "purchasing_power__step_grain": "week",
        "purchasing_power__outliers": {"amount": {"action": "flag"}},
    },
    "events": {**BASE, "purchasing_power__inputs": mapping(), "purchasing_power__step_grain": "event"},
    "orders_alone": {
        **BASE,
        "purchasing_power__training_users": 12,
        "purchasing_power__inputs": mapping(
            "order_lines",
            without=("order_lines.order_line_id", "order_lines.order_id", "order_lines.currency"),
        ),
    },
}
VARIABLES["every_rule"]["purchasing_power__embedding_channels"] = 2
VARIABLES["every_rule"]["purchasing_power__inputs"]["products"]["columns"]["embedding"] = "[1.0]"
# What the models in Python would have read; they are not what is compared here.
MODEL_OUTPUTS: dict[str, dict[str, Any]] = {
    "every_rule": {
        "text_sentiment": {
            hashlib.md5(text.encode()).hexdigest(): sentiment
            for text, sentiment in {"bon": 0.5, "never again": -0.8125}.items()
        },
        "product_factors": {f"p{number}": [number / 64, -1.5 + number % 7] for number in range(0, 130, 2)},
    }
}
