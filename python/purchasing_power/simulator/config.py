"""What can be asked of a simulated shop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from purchasing_power.errors import PurchasingPowerError

# In spring, so that the last horizon of a year's log is no Christmas that nothing in the log resembles.
LOG_START = date(2022, 3, 1)

# Customers that are simulated together from one set of seeds. A constant and no option, because it is part of
# what a seed means: with it a customer is the same in a shop of any size.
BLOCK_USERS = 1024

SHIFTS = ("price_rise", "lost_event", "doubled_bots", "currency_bug")


@dataclass(frozen=True)
class ShopConfig:
    """A shop to simulate.

    Attributes:
        users: customers who sign up.
        days: length of the log, from `LOG_START`.
        seed: the same seed gives the same shop.
        horizon_days: days that the truth table looks ahead.
        dirt: 0 to 1, how much of what real logs suffer from is added; see `dirt.RATES`.
        anomalies: 0 to 1, the share of customers with habits who break them at the end; see `anomalies`.
        shifts: what goes wrong on the log's last day, of SHIFTS; see `shifts`.

    Raises:
        PurchasingPowerError: a value is out of its range.
    """

    users: int
    days: int
    seed: int = 0
    horizon_days: int = 56
    dirt: float = 0.0
    anomalies: float = 0.0
    shifts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuses what cannot be simulated."""
        _require(self.users >= 1, f"--users is {self.users}; a shop needs at least 1 user.")
        _require(self.seed >= 0, f"--seed is {self.seed}; give a whole number from 0 up.")
        _require(self.horizon_days >= 1, f"--horizon is {self.horizon_days}; give at least 1 day.")
        _require(
            self.days > self.horizon_days,
            f"--days is {self.days} and --horizon {self.horizon_days}; the log must be longer than the "
            "horizon, because the truth at its cut looks one horizon ahead.",
        )
        _require(0 <= self.dirt <= 1, f"--dirt is {self.dirt}; give a number from 0 (clean) to 1.")
        _require(
            0 <= self.anomalies <= 1,
            f"--anomalies is {self.anomalies}; give a share of customers from 0 (none) to 1.",
        )
        for name in self.shifts:
            _require(name in SHIFTS, f"--shift is {name!r}; choose one of {', '.join(SHIFTS)}.")

    @property
    def blocks(self) -> int:
        """How many blocks of customers there are; the last one may be cut."""
        return -(-self.users // BLOCK_USERS)

    @property
    def as_of_days(self) -> tuple[int, int]:
        """Days of the log at which the truth is told: the backtest's cut, and the day after the last."""
        return self.days - self.horizon_days, self.days


def date_of(day: int) -> date:
    """Gives the date of a day of the log."""
    return LOG_START + timedelta(days=day)


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise PurchasingPowerError(sentence)
