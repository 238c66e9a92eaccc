"""What is ordered, what it costs, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from purchasing_power.simulator.calendar import Calendar
from purchasing_power.simulator.customers import Customers
from purchasing_power.simulator.dynamics import IDLE, Lives
from purchasing_power.simulator.products import CATEGORIES, PICK_SPREAD, Catalogue
from purchasing_power.simulator.streams import Streams

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# A line of an order that a mission led to is about the mission's category with this chance, else by taste.
MISSION_FOCUS = 0.7
COUPON_SHARE = 0.10

REFUND_WHEN_BAD = 0.35
REFUND_WHEN_GOOD = 0.015
_WHOLE_REFUND = 0.7
_PART_REFUNDED = 0.5
MEAN_REFUNDED_SHARE = _WHOLE_REFUND + (1 - _WHOLE_REFUND) * _PART_REFUNDED
_FIRST_REFUND_DAY = 3
_LAST_REFUND_DAY = 45
_DAILY_REFUND = 0.12


@dataclass(frozen=True)
class Orders:
    """The orders of a block, by day and customer (n), and their lines, by order (m).

    Attributes:
        day: [n] day of the log.
        customer: [n] position in the block.
        mission: [n] category of the mission that led to it, or IDLE.
        cancelled: [n] called off.
        bad: [n] a bad experience.
        satisfaction: [n] satisfaction before it.
        lines: [n] number of lines.
        order: [m] position of the line's order.
        product: [m] index into the catalogue.
        quantity: [m] units.
        paid: [m] money paid for the line.
        discount: [m] money taken off its list price.
    """

    day: Integers
    customer: Integers
    mission: Integers
    cancelled: Flags
    bad: Flags
    satisfaction: Integers
    lines: Integers
    order: Integers
    product: Integers
    quantity: Integers
    paid: Floats
    discount: Floats


@dataclass(frozen=True)
class Refunds:
    """Money that goes back (k), by order line.

    Attributes:
        line: [k] position of the line.
        day: [k] day of the log, which may lie after its end.
        amount: [k] money, above 0.
    """

    line: Integers
    day: Integers
    amount: Floats


def draw_orders(
    customers: Customers, lives: Lives, catalogue: Catalogue, calendar: Calendar, streams: Streams
) -> Orders:
    """Fills the baskets of all orders of a block."""
    day, customer = np.nonzero(lives.ordered)
    mission = lives.mission[day, customer]
    lines = 1 + streams("extra lines of orders").poisson(customers.extra_lines[customer])
    order = np.repeat(np.arange(len(day)), lines)
    draw = streams("lines").random((len(order), 3))
    about_mission = (mission[order] != IDLE) & (draw[:, 0] < MISSION_FOCUS)
    category = np.where(about_mission, mission[order], customers.wanted_category(customer[order], draw[:, 1]))
    shift = customers.price_shift(lives.log_power[day, customer], customer)
    product = catalogue.pick(category, shift[order], PICK_SPREAD, draw[:, 2])
    mean_quantity = np.array([mean for _, _, _, mean in CATEGORIES])
    quantity = 1 + streams("quantities").poisson(mean_quantity[category] - 1)
    coupon = streams("coupons").random(len(day)) < customers.coupon[customer]
    listed = catalogue.price[product] * quantity
    share_paid = (1 - calendar.discount[day[order], category]) * (1 - COUPON_SHARE * coupon[order])
    paid = np.round(listed * share_paid, 2)
    return Orders(
        day=day,
        customer=customer,
        mission=mission,
        cancelled=lives.cancelled[day, customer],
        bad=lives.bad[day, customer],
        satisfaction=lives.satisfaction[day, customer],
        lines=lines,
        order=order,
        product=product,
        quantity=quantity,
        paid=paid,
        discount=np.round(listed - paid, 2),
    )


def draw_refunds(orders: Orders, streams: Streams) -> Refunds:
    """Draws what of the orders comes back, and when."""
    draw = streams("refunds").random((len(orders.order), 3))
    bad, cancelled = orders.bad[orders.order], orders.cancelled[orders.order]
    line = np.flatnonzero(~cancelled & (draw[:, 0] < np.where(bad, REFUND_WHEN_BAD, REFUND_WHEN_GOOD)))
    share = np.where(draw[line, 1] < _WHOLE_REFUND, 1.0, _PART_REFUNDED)
    lag = np.searchsorted(np.cumsum(refund_lags())[:-1], draw[line, 2], side="right")
    # Half a cent would be rounded to nothing.
    amount = np.maximum(np.round(orders.paid[line] * share, 2), 0.01)
    return Refunds(line, orders.day[orders.order[line]] + lag, amount)


def refund_lags() -> Floats:
    """Gives the chance that a refund comes 0, 1, 2, … days after its order; sums to 1."""
    days = np.arange(_LAST_REFUND_DAY + 1)
    chance = np.where(days < _FIRST_REFUND_DAY, 0.0, (1 - _DAILY_REFUND) ** days)
    return np.asarray(chance / chance.sum())
