"""What other currencies are worth in the shop's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from purchasing_power.simulator.config import LOG_START
from purchasing_power.simulator.streams import Streams

Floats = npt.NDArray[np.float64]

SHOP_CURRENCY = "EUR"
# The shop's own first, so that index 0 is no conversion; then each with its rate at the log's beginning.
_FIRST_RATES = {SHOP_CURRENCY: 1.0, "USD": 0.92, "GBP": 1.17, "CHF": 1.03, "CNY": 0.13, "MXN": 0.048}
CURRENCIES = tuple(_FIRST_RATES)
_MONTHLY_CHANGE = 0.015


@dataclass(frozen=True)
class ExchangeRates:
    """Monthly rates.

    Attributes:
        valid_from: [M] first days of months, as days of the log; the first is not after day 0.
        rate: [M, currencies] one unit of a currency in the shop's currency.
    """

    valid_from: npt.NDArray[np.int64]
    rate: Floats

    def at(self, day: npt.NDArray[np.int64], currency: npt.NDArray[np.int64]) -> Floats:
        """Gives the rate of currencies (indices into CURRENCIES) on days of the log."""
        month = np.searchsorted(self.valid_from, day, side="right") - 1
        return np.asarray(self.rate[month, currency])


def make_rates(seed: int, days: int) -> ExchangeRates:
    """Draws the rates of a log: random walks from what they were at its beginning."""
    start = np.datetime64(LOG_START, "D")
    months = np.arange(start.astype("datetime64[M]"), (start + days).astype("datetime64[M]") + 1)
    valid_from = (months.astype("datetime64[D]") - start).astype(np.int64)
    steps = Streams(seed)("exchange rates").normal(scale=_MONTHLY_CHANGE, size=(len(months), len(CURRENCIES)))
    steps[:, 0] = 0.0
    rate = np.array(list(_FIRST_RATES.values())) * np.exp(np.cumsum(steps, axis=0))
    return ExchangeRates(valid_from, np.round(rate, 5))
