"""What goes wrong in a shop's data on the last day of its log, so that alarms can be tried.

Only the tables of that day change; the truth stays. The steady crawlers beside whom `doubled_bots` puts as
many again are there on every day.
"""

from __future__ import annotations

import numpy as np

from purchasing_power.simulator.block import IDS_PER_CUSTOMER, Block, Shop, sort_by
from purchasing_power.simulator.config import BLOCK_USERS
from purchasing_power.simulator.sessions import CART, DAY_SECONDS, VIEW
from purchasing_power.simulator.streams import Streams
from purchasing_power.simulator.tables import Rows, stack

PRICE_FACTOR = 1.3
# Amounts in cents, of so many lines.
CENTS = 100.0
_IN_CENTS = 1 / 3
_CRAWLER_EVENTS = 1_200


def shift(shop: Shop, block: Block) -> Block:
    """Plants the shifts that were asked for into a block's last day."""
    asked = shop.config.shifts
    if not asked:
        return block
    rows, names = dict(block.rows), block.words["customer_id"]
    last = shop.config.days - 1
    if "price_rise" in asked:
        rows["orders"] = _multiplied(rows["orders"], last, np.full(len(rows["orders"]), PRICE_FACTOR))
    if "currency_bug" in asked:
        chosen = Streams(shop.config.seed, block.number)("cents").random(len(rows["orders"])) < _IN_CENTS
        rows["orders"] = _multiplied(rows["orders"], last, np.where(chosen, CENTS, 1.0))
    if "lost_event" in asked:
        events = rows["events"].columns
        rows["events"] = rows["events"].take((events["kind"] != CART) | (events["at"] // DAY_SECONDS != last))
    if "doubled_bots" in asked:
        crawlers = [
            _crawler_rows(shop, block.number, len(names), np.arange(last + 1)),
            _crawler_rows(shop, block.number, len(names) + 1, np.array([last])),
        ]
        names = np.array(
            [*names, *(f"crawler{2 * block.number + place:08}" for place in range(2))], dtype=object
        )
        rows["events"] = sort_by(stack(rows["events"], stack(*crawlers)), "at", "event_id")
    return Block(block.number, {**block.words, "customer_id": names}, rows)


def _multiplied(orders: Rows, day: int, factor: np.ndarray) -> Rows:
    """Multiplies what was paid on a day."""
    columns = orders.columns
    paid = np.where(
        columns["ordered_at"] // DAY_SECONDS == day, np.round(columns["paid"] * factor, 2), columns["paid"]
    )
    return Rows(orders.table, {**columns, "paid": paid})


def _crawler_rows(shop: Shop, number: int, position: int, days: np.ndarray) -> Rows:
    """Views of a visitor who looks at products day and night, on each of some days."""
    draw = Streams(shop.config.seed, number)(f"crawler {position}")
    day = np.repeat(days, _CRAWLER_EVENTS)
    count = len(day)
    # Above the ids of all customers and of those whom `dirt` plants.
    first = (2 * shop.config.blocks * BLOCK_USERS + 2 * number + position % 2) * IDS_PER_CUSTOMER
    return Rows(
        "events",
        {
            "event_id": first + np.arange(count),
            "session_id": first + day,
            "customer_id": np.full(count, position),
            "at": np.sort(day * DAY_SECONDS + draw.integers(DAY_SECONDS, size=count)),
            "kind": np.full(count, VIEW),
            "product_id": draw.integers(len(shop.catalogue.price), size=count),
            "seconds": draw.integers(3, size=count).astype(np.float64),
        },
    )
