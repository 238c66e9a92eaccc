"""What the hand-written feature builds have in common: settings, the columns they make, how they run.

Nothing of the package is imported, so that a build measures itself alone.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

# The simulated shop's horizon, and the package's defaults under which it is built.
HORIZON = 56
ANCHOR_STEP_DAYS = 7
ANCHOR_LIMIT = 52
BOT_EVENTS_PER_DAY = 1000
SESSION_GAP_MINUTES = 30
SHORTEST_TENURE = 28
VALIDATION_BELOW = "26"
HOUR_TO_RADIANS = math.tau / 24
WEEKDAY_TO_RADIANS = math.tau / 7

KINDS = ("view", "search", "cart", "wishlist")
FACTORS = ("embedding_1", "embedding_2", "embedding_3", "embedding_4")
BY_STEP = ("user_id", "step_on")
# Money is counted in ten-thousandths, so that differences of running sums are exact.
MONEY = 10_000
MONEY_COLUMNS = ("spend", "refunds", "discount", "highest_line_amount")
# A mean's context is the mean of the steps that have one: those in which this channel is above 0.
MEANS = {
    "price_level_bought": "order_lines",
    "category_entropy": "order_lines",
    "price_level_viewed": "products_browsed",
    **dict.fromkeys(FACTORS, "active_steps"),
}
SUMS = (
    "refunds",
    "discount",
    "products_bought",
    "categories_bought",
    "sessions",
    "browse_seconds",
    "products_browsed",
    "categories_browsed",
    *(f"events_{kind}" for kind in KINDS),
    "browse_events",
    "reviews",
    "sentiment",
)
TOTALS = ("spend", "orders", "active_steps")
CHANNELS = (
    "spend",
    "orders",
    "order_lines",
    "units",
    "refunds",
    "discount",
    "highest_line_amount",
    "price_level_bought",
    "products_bought",
    "categories_bought",
    "category_entropy",
    "sessions",
    "browse_seconds",
    "products_browsed",
    "categories_browsed",
    "price_level_viewed",
    *(f"events_{kind}" for kind in KINDS),
    "browse_events",
    "reviews",
    "sentiment",
    "days_since_previous_step",
    "days_since_previous_order",
    "weekday_sin",
    "weekday_cos",
    "hour_sin",
    "hour_cos",
    *FACTORS,
)

Build = Callable[[Path, Path, Path], None]


def run_as_command(build: Build) -> None:
    """Runs a build as a process of its own, and prints what it took as JSON; imports do not count."""
    shop, frozen, out = (Path(argument) for argument in sys.argv[1:4])
    out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    build(shop, frozen, out)
    print(json.dumps({"seconds": time.perf_counter() - started}))
