"""Who writes a review, how many stars it has, and what it says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from purchasing_power.simulator.customers import COUNTRIES, Customers
from purchasing_power.simulator.orders import Orders
from purchasing_power.simulator.streams import Streams
from purchasing_power.simulator.text import DRAWS, write_review

Integers = npt.NDArray[np.int64]

# Who is angry writes more often than who is pleased.
_WRITES_WHEN_BAD = 0.38
_WRITES_WHEN_GOOD = 0.20
_WITHOUT_STARS = 0.25
_FIRST_DAY = 2
_DAILY = 0.15


@dataclass(frozen=True)
class Reviews:
    """Reviews of a block (r), by order.

    Attributes:
        order: [r] position of the order.
        line: [r] position of the line whose product it is about.
        day: [r] day of the log, which may lie after its end.
        stars: [r] 1 to 5; -1 where none were given.
        text: [r] what it says.
    """

    order: Integers
    line: Integers
    day: Integers
    stars: Integers
    text: npt.NDArray[np.object_]


def draw_reviews(customers: Customers, orders: Orders, streams: Streams) -> Reviews:
    """Draws the reviews of a block's orders; one an order at most.

    What a customer feels is this order's experience and, in part, how satisfied they were with the shop
    before, so reviews tell of what makes customers leave.
    """
    draw = streams("reviews").random((len(orders.day), 5))
    writes = draw[:, 0] < np.where(orders.bad, _WRITES_WHEN_BAD, _WRITES_WHEN_GOOD)
    noise = streams("review feelings").normal(size=len(orders.day))
    words = streams("review words").random((len(orders.day), DRAWS))
    order = np.flatnonzero(writes & ~orders.cancelled)
    feeling = np.where(orders.bad, -0.7, 0.45) + 0.25 * (orders.satisfaction - 1.5) + 0.2 * noise
    feeling = np.clip(feeling, -1.0, 1.0)[order]
    stars = np.clip(np.floor(3.3 + 2.2 * feeling + 0.8 * (draw[order, 1] - 0.5)), 1, 5).astype(np.int64)
    first_line = np.cumsum(orders.lines) - orders.lines
    lag = _FIRST_DAY + np.floor(np.log1p(-draw[order, 2]) / np.log1p(-_DAILY)).astype(np.int64)
    languages = [COUNTRIES[country][2] for country in customers.country[orders.customer[order]]]
    text = [
        write_review(language, felt, chosen)
        for language, felt, chosen in zip(languages, feeling.tolist(), words[order], strict=True)
    ]
    return Reviews(
        order=order,
        line=first_line[order] + (draw[order, 3] * orders.lines[order]).astype(np.int64),
        day=orders.day[order] + lag,
        stars=np.where(draw[order, 4] < _WITHOUT_STARS, -1, stars),
        text=np.array(text, dtype=object),
    )
