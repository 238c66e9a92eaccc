"""What a date means to the shop: the season, and what is on sale. Known to everybody in advance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from purchasing_power.simulator.config import date_of
from purchasing_power.simulator.products import CATEGORIES
from purchasing_power.simulator.streams import Streams

Floats = npt.NDArray[np.float64]

# First and last day (month, day), how much more is wanted, and the discount on everything.
_PEAKS = (
    ((11, 20), (11, 30), 1.9, 0.20),
    ((12, 1), (12, 20), 1.6, 0.0),
    ((12, 27), (1, 12), 0.9, 0.15),
    ((7, 1), (7, 14), 1.0, 0.15),
)
_WEEKLY_OFFERS = 2


@dataclass(frozen=True)
class Calendar:
    """The days of a log and of the horizon after it.

    Attributes:
        season: [days] how much more or less is wanted than on an average day, by everybody.
        discount: [days, C] share taken off the price of each category.
        weekday: [days] 0 = Monday.
    """

    season: Floats
    discount: Floats
    weekday: npt.NDArray[np.int64]


def make_calendar(seed: int, days: int) -> Calendar:
    """Makes the calendar of a shop for days 0 to `days` - 1 of its log."""
    dates = [date_of(day) for day in range(days)]
    day_of_year = np.array([date.timetuple().tm_yday for date in dates])
    # A mild winter high, as in retail sales.
    season = np.exp(0.12 * np.cos(2 * np.pi * (day_of_year - 350) / 365.25))
    discount = np.zeros((days, len(CATEGORIES)))
    for begins, ends, wanted, share in _PEAKS:
        inside = np.array([_within((date.month, date.day), begins, ends) for date in dates])
        season[inside] *= wanted
        discount[inside] = np.maximum(discount[inside], share)
    for day, date in enumerate(dates):
        # A stream a week, so that an offer is the same however long the log is.
        offers = Streams(seed, date.toordinal() // 7)("offers")
        chosen = offers.choice(len(CATEGORIES), size=_WEEKLY_OFFERS, replace=False)
        discount[day, chosen] = np.maximum(discount[day, chosen], offers.choice([0.10, 0.15, 0.25]))
    return Calendar(season, discount, np.array([date.weekday() for date in dates]))


def _within(day: tuple[int, int], begins: tuple[int, int], ends: tuple[int, int]) -> bool:
    if begins <= ends:
        return begins <= day <= ends
    return day >= begins or day <= ends
