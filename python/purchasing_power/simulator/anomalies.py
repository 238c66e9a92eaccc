"""Customers who at the end of the log do what they never did, for whoever looks for such people.

Their rows come beside those of the shop, which stays as it is, its truth included: nobody is expected to do
so.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from purchasing_power.simulator.block import IDS_PER_CUSTOMER, Block, Shop, sort_by
from purchasing_power.simulator.config import BLOCK_USERS
from purchasing_power.simulator.sessions import DAY_SECONDS
from purchasing_power.simulator.streams import Streams
from purchasing_power.simulator.tables import NO_TIME, Rows, stack

Integers = npt.NDArray[np.int64]

ANOMALIES = ("spend_spike", "order_burst", "refund_streak")
# Only who has ordered so often is somebody with habits.
FEWEST_ORDERS = 5

_LAST_DAYS = 7
# A spike is one order, of so many times what an order of the customer comes to on average.
_SPIKE_FACTOR = (8.0, 20.0)
_SPIKE_LINES = 5
_BURST_ORDERS = (8, 15)
_BURST_DAYS = 3
_STREAK_ORDERS = (5, 9)
_STREAK_DAYS = 28
_STREAK_REFUND_DAYS = (3, 7)
# Above the ids of all that a customer does by themself.
_FIRST_ID = IDS_PER_CUSTOMER // 2


def plant_anomalies(shop: Shop, block: Block) -> Block:
    """Adds the rows of a share of the customers, each of one kind, and names them in `planted`."""
    streams = Streams(shop.config.seed, block.number)
    draw = streams("anomalies").random((BLOCK_USERS, 2))
    orders = block.rows["orders"]
    counts = np.bincount(
        np.unique(np.stack([orders.columns["customer_id"], orders.columns["order_id"]]), axis=1)[0],
        minlength=BLOCK_USERS,
    )
    chosen = np.flatnonzero((draw[:, 0] < shop.config.anomalies) & (counts >= FEWEST_ORDERS))
    if not len(chosen):
        return block
    kinds = (draw[chosen, 1] * len(ANOMALIES)).astype(np.int64)
    refunds = block.rows["refunds"]
    for customer, kind in zip(chosen.tolist(), kinds.tolist(), strict=True):
        number = block.number * BLOCK_USERS + customer
        past = block.rows["orders"].take(block.rows["orders"].columns["customer_id"] == customer)
        added = _order_rows(shop, past, number, customer, ANOMALIES[kind])
        orders = stack(orders, added)
        if ANOMALIES[kind] == "refund_streak":
            refunds = stack(refunds, _refund_rows(shop, added, number))
    planted = Rows(
        "planted",
        {"customer_id": chosen, "kind": np.array([ANOMALIES[kind] for kind in kinds], dtype=object)},
    )
    rows = {
        **block.rows,
        "orders": sort_by(orders, "ordered_at", "line_id"),
        "refunds": sort_by(refunds, "refunded_at", "refund_id"),
        "planted": planted,
    }
    return Block(block.number, block.words, rows)


def _order_rows(shop: Shop, past: Rows, number: int, customer: int, kind: str) -> Rows:
    """Gives orders of things that the customer has bought before."""
    draw = Streams(shop.config.seed, number)(kind)
    last = shop.config.days
    if kind == "spend_spike":
        day = np.array([last - 1 - int(draw.integers(_LAST_DAYS - 1))])
        lines = _SPIKE_LINES
    elif kind == "order_burst":
        day = np.sort(
            last - 1 - draw.integers(_BURST_DAYS, size=int(draw.integers(*_BURST_ORDERS, endpoint=True)))
        )
        lines = 1
    else:
        count = int(draw.integers(*_STREAK_ORDERS, endpoint=True))
        day = np.sort(last - draw.integers(_STREAK_REFUND_DAYS[1] + 1, _STREAK_DAYS, size=count))
        lines = 2
    order = np.repeat(np.arange(len(day)), lines)
    copied = past.take(draw.integers(len(past), size=len(order)))
    quantity, paid = copied.columns["quantity"], copied.columns["paid"]
    if kind == "spend_spike":
        average = past.columns["paid"].sum() / len(np.unique(past.columns["order_id"]))
        wanted = average * draw.uniform(*_SPIKE_FACTOR) / lines
        times = np.maximum(np.ceil(wanted / np.maximum(paid, 0.01)), 1.0)
        quantity, paid = quantity * times, np.round(paid * times, 2)
    second = day[order] * DAY_SECONDS + draw.integers(8 * 3600, 22 * 3600, size=len(day))[order]
    return Rows(
        "orders",
        {
            "line_id": _ids(number, len(order)),
            "order_id": _ids(number, len(day))[order],
            "customer_id": np.full(len(order), customer),
            "ordered_at": second,
            "product_id": copied.columns["product_id"],
            "quantity": quantity,
            "paid": paid,
            "discount": np.zeros(len(order)),
            "currency": copied.columns["currency"],
            "cancelled_at": np.full(len(order), NO_TIME),
        },
    )


def _refund_rows(shop: Shop, orders: Rows, number: int) -> Rows:
    """Gives all that was paid for these orders back."""
    draw = Streams(shop.config.seed, number)("refunds of a streak")
    columns, count = orders.columns, len(orders)
    later = draw.integers(*_STREAK_REFUND_DAYS, endpoint=True, size=count) * DAY_SECONDS
    return Rows(
        "refunds",
        {
            "refund_id": _ids(number, count),
            "order_id": columns["order_id"],
            "line_id": columns["line_id"],
            "customer_id": columns["customer_id"],
            "refunded_at": columns["ordered_at"] + later,
            "product_id": columns["product_id"],
            "quantity": columns["quantity"],
            "amount": np.maximum(columns["paid"], 0.01),
            "currency": columns["currency"],
        },
    )


def _ids(number: int, count: int) -> Integers:
    return number * IDS_PER_CUSTOMER + _FIRST_ID + np.arange(count)
