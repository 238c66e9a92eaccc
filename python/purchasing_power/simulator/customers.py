"""Who the customers are: what stays with them for life, drawn once each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from purchasing_power.simulator.config import BLOCK_USERS
from purchasing_power.simulator.products import CATEGORIES
from purchasing_power.simulator.streams import Streams

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Country, its share of customers, the language that they write in.
COUNTRIES: tuple[tuple[str, float, str], ...] = (
    ("DE", 0.22, "de"),
    ("AT", 0.06, "de"),
    ("GB", 0.20, "en"),
    ("IE", 0.06, "en"),
    ("US", 0.14, "en"),
    ("ES", 0.14, "es"),
    ("MX", 0.05, "es"),
    ("CN", 0.13, "zh"),
)

_BODY_SPREAD = 0.55
_TAIL_SHARE = 0.03
_TAIL_EXPONENT = 2.0

_TASTE_CONCENTRATION = 0.35

# Shopping missions a year: gamma, as in the negative binomial model of buying.
_MISSION_SHAPE = 0.75
_MISSIONS_A_YEAR = 10.0

# The place in a price list moves with the logarithm of power and against price sensitivity.
POWER_TO_SHIFT = 1.25
_SENSITIVITY_TO_SHIFT = 0.45

_JOINED_BEFORE = 0.70
_YEARS_BEFORE = 3.0
_WEEKDAY_CONCENTRATION = 12.0
# The shares of Monday to Sunday for somebody who shops whenever it is, after work, and at the weekend.
_WEEKDAY_KINDS = np.array(
    [
        [0.15, 0.145, 0.14, 0.14, 0.13, 0.13, 0.165],
        [0.18, 0.18, 0.17, 0.17, 0.14, 0.07, 0.09],
        [0.08, 0.08, 0.09, 0.09, 0.14, 0.25, 0.27],
    ]
)
_WEEKDAY_KIND_SHARES = (0.5, 0.25, 0.25)


@dataclass(frozen=True)
class Customers:
    """A block of customers; each array has one entry a customer (B).

    Attributes:
        number: [B] the customer's number in the shop, from 0.
        joined: [B] day of the log on which they sign up; negative before it began.
        joined_second: [B] second of that day.
        country: [B] index into COUNTRIES.
        log_power: [B] logarithm of the purchasing power on the first day; 0 is the median of the body.
        sensitivity: [B] how strongly a discount moves them; 1 on average.
        taste: [B, C] share of what they want that falls to each category.
        missions: [B] shopping missions begun a day, on an average day and in an average phase of life.
        conversion: [B] chance of an order on a day of a mission.
        idle_sessions: [B] visits a day without any mission.
        mission_sessions: [B] visits a day during a mission.
        extra_lines: [B] mean number of lines of an order beyond the first.
        bad_experience: [B] chance that an order goes wrong for them.
        churn: [B] chance a day of leaving for good at middling satisfaction.
        weekday: [B, 7] how much of their shopping falls on a weekday; 1 on average.
        hour: [B] hour of day that they prefer.
        season_exponent: [B] how strongly they follow the season.
        coupon: [B] chance that they use a coupon on an order.
    """

    number: Integers
    joined: Integers
    joined_second: Integers
    country: Integers
    log_power: Floats
    sensitivity: Floats
    taste: Floats
    missions: Floats
    conversion: Floats
    idle_sessions: Floats
    mission_sessions: Floats
    extra_lines: Floats
    bad_experience: Floats
    churn: Floats
    weekday: Floats
    hour: Floats
    season_exponent: Floats
    coupon: Floats

    def price_shift(self, log_power: Floats, customer: Integers) -> Floats:
        """Gives the place in price lists, in logits, of customers (positions in the block) of such powers."""
        return POWER_TO_SHIFT * log_power - _SENSITIVITY_TO_SHIFT * (self.sensitivity[customer] - 1)

    def wanted_category(self, customer: Integers, uniform: Floats) -> Integers:
        """Draws categories by taste.

        Args:
            customer: [n] positions in the block.
            uniform: [n] uniform random numbers in [0, 1).

        Returns:
            [n] indices into CATEGORIES.
        """
        cumulative = np.cumsum(self.taste, axis=1)
        drawn: Integers = (uniform[:, None] >= cumulative[customer, :-1]).sum(axis=1)
        return drawn


def make_customers(seed: int, block: int, days: int) -> Customers:
    """Draws a block of customers.

    Args:
        seed: the shop's seed.
        block: number of the block.
        days: length of the log; who joins during it does so within its first year.

    Returns:
        The block, always whole.
    """
    streams = Streams(seed, block)
    size = BLOCK_USERS

    def normal(name: str) -> Floats:
        return streams(name).normal(size=size)

    log_power = _draw_log_power(streams, size)
    # Who has more counts pennies less.
    sensitivity = np.exp(0.5 * normal("sensitivity") - 0.35 * log_power)
    sensitivity = np.clip(sensitivity, 0.05, 4.0)
    relative_rate = streams("missions").gamma(_MISSION_SHAPE, 1 / _MISSION_SHAPE, size=size)
    joining = streams("joining").random((2, size))
    before = joining[0] < _JOINED_BEFORE
    joined = np.where(
        before,
        -np.ceil(joining[1] * _YEARS_BEFORE * 365),
        np.floor(joining[1] * min(days, 365)),
    ).astype(np.int64)
    hour = np.where(streams("hour kind").random(size) < 0.3, 12.5, 19.5) + 1.5 * normal("hour")
    kind = streams("weekday kind").choice(3, size=size, p=_WEEKDAY_KIND_SHARES)
    weekday = streams("weekday").standard_gamma(_WEEKDAY_CONCENTRATION * 7 * _WEEKDAY_KINDS[kind])
    taste = streams("taste").standard_gamma(_TASTE_CONCENTRATION, size=(size, len(CATEGORIES))) + 1e-9
    return Customers(
        number=block * size + np.arange(size),
        joined=joined,
        joined_second=(np.clip(hour, 0, 22) * 3600 * streams("joined second").random(size)).astype(np.int64),
        country=streams("country").choice(len(COUNTRIES), size=size, p=[share for _, share, _ in COUNTRIES]),
        log_power=log_power,
        sensitivity=sensitivity,
        taste=taste / taste.sum(axis=1, keepdims=True),
        missions=relative_rate * _MISSIONS_A_YEAR / 365,
        conversion=np.clip(0.11 * np.exp(0.5 * normal("conversion")), 0.02, 0.5),
        # Keen buyers look around more, but there are keen lookers who rarely buy.
        idle_sessions=0.065 * (relative_rate + 0.05) ** 0.6 * np.exp(0.5 * normal("idle sessions")),
        mission_sessions=0.40 * np.exp(0.3 * normal("mission sessions")),
        extra_lines=0.9 * np.exp(0.5 * normal("extra lines") + 0.35 * np.clip(log_power, -2, 2.5)),
        bad_experience=streams("bad experience").beta(1.3, 7.0, size=size),
        churn=streams("churn").gamma(1.5, 1 / (1.5 * 750), size=size),
        weekday=7 * weekday / weekday.sum(axis=1, keepdims=True),
        hour=np.clip(hour, 0, 23),
        season_exponent=np.exp(0.4 * normal("season")),
        coupon=np.clip(0.12 * sensitivity, 0.0, 0.6),
    )


def _draw_log_power(streams: Streams, size: int) -> Floats:
    """Draws log incomes: a lognormal body whose top follows Pareto's law.

    The form that Clementi and Gallegati (2005, in Econophysics of Wealth Distributions) find in the incomes
    of Germany, Britain and the United States: some three per cent at the top stand on the tail, which begins
    where the body's own does.
    """
    body = _BODY_SPREAD * streams("power").normal(size=size)
    rank = streams("power tail").random((2, size))
    begins = _BODY_SPREAD * 1.8808  # the normal law's 97 % quantile
    tail = begins - np.log1p(-rank[1]) / _TAIL_EXPONENT
    in_tail = rank[0] < _TAIL_SHARE
    return np.where(in_tail, tail, np.minimum(body, begins))
