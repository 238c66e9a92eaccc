"""What customers will do on average, given everything that is hidden: the best that any prediction can reach.

No simulation: the chances of all paths from a hidden state are added up exactly, a day at a time (the forward
recursion of hidden Markov models). What is summed is what `orders` draws, so both read the same constants.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from purchasing_power.simulator.customers import POWER_TO_SHIFT
from purchasing_power.simulator.dynamics import (
    CANCELLED,
    DOWN_WHEN_BAD,
    IDLE,
    MISSION_ENDS_WITH_ORDER,
    MISSION_EXPIRES,
    PHASE_CHANGE,
    PHASE_RATE,
    PHASE_SHARE,
    POWER_CHANGE,
    POWER_JUMP,
    SATISFACTION_RATE,
    UP_WHEN_GOOD,
    Chances,
    State,
)
from purchasing_power.simulator.orders import (
    COUPON_SHARE,
    MEAN_REFUNDED_SHARE,
    MISSION_FOCUS,
    REFUND_WHEN_BAD,
    REFUND_WHEN_GOOD,
    refund_lags,
)
from purchasing_power.simulator.products import Catalogue

Floats = npt.NDArray[np.float64]

# More changes of power than these within one horizon count as these.
_MOST_JUMPS = 3

# Where a customer stands: no mission, one begun since, the one of the as-of date (whose category is known).
_NO_MISSION, _NEW_MISSION, _OLD_MISSION = range(3)


@dataclass(frozen=True)
class Expectation:
    """What the horizon brings on average; [B] each.

    Attributes:
        spend: money paid for orders placed within the horizon and not cancelled, less what of it is refunded
            within the horizon.
        purchase_probability: chance of at least one such order.
    """

    spend: Floats
    purchase_probability: Floats


def expect(chances: Chances, state: State, catalogue: Catalogue, as_of: int, horizon: int) -> Expectation:
    """Adds up what customers will do from the beginning of a day.

    Args:
        chances: the chances, for at least `as_of + horizon` days.
        state: hidden state at the beginning of day `as_of`; of customers who have signed up by then.
        catalogue: the products.
        as_of: day of the log.
        horizon: number of days.

    Returns:
        The expectation of every customer of the block.
    """
    size = len(state.alive)
    standing = np.zeros((size, 3, len(PHASE_RATE), len(SATISFACTION_RATE)))
    mission = np.where(state.mission == IDLE, _NO_MISSION, _OLD_MISSION)
    standing[np.arange(size), mission, state.phase, state.satisfaction] = state.alive
    without_order = standing.copy()
    value = _Basket(chances, state, catalogue)
    spend = np.zeros(size)
    bought = np.zeros(size)
    leaving = chances.leaving()
    moves = _satisfaction_moves(chances.customers.bad_experience)
    for ahead in range(horizon):
        day = as_of + ahead
        step = _Step.on(chances, day, leaving, moves)
        standing, kept = step.advance(standing, keep_buyers=True)
        without_order, first = step.advance(without_order, keep_buyers=False)
        bought += first.sum(axis=1)
        remaining = horizon - 1 - ahead
        spend += (kept * value.on(day, ahead)).sum(axis=1) * value.share_kept(remaining)
    return Expectation(spend, bought)


@dataclass(frozen=True)
class _Step:
    """One day of the chain for a block."""

    starting: Floats
    ordering: Floats
    staying: Floats
    moves: Floats

    @classmethod
    def on(cls, chances: Chances, day: int, leaving: Floats, moves: Floats) -> _Step:
        """Collects the chances of a day."""
        impulse = chances.ordering_on_impulse(day)
        mission = np.broadcast_to(chances.ordering_on_mission(day)[:, None], impulse.shape)
        ordering = np.stack([impulse, mission, mission], axis=1)[..., None]
        return cls(chances.starting(day), ordering, 1 - leaving[:, None, None, :], moves)

    def advance(self, standing: Floats, *, keep_buyers: bool) -> tuple[Floats, Floats]:
        """Moves the mass of all states by one day.

        Args:
            standing: [B, mission, phase, satisfaction] chance of each state.
            keep_buyers: whether whoever places an order that is not cancelled goes on in the chain.

        Returns:
            The next day's `standing`, and [B, mission] chance of an order that is not cancelled.
        """
        dealt = standing.sum(axis=2, keepdims=True) * PHASE_SHARE[:, None]
        now = ((1 - PHASE_CHANGE) * standing + PHASE_CHANGE * dealt) * self.staying
        started = now[:, _NO_MISSION] * self.starting
        now[:, _NO_MISSION] -= started
        now[:, _NEW_MISSION] += started
        ordered = now * self.ordering
        quiet = now - ordered
        kept = (1 - CANCELLED) * ordered
        after = CANCELLED * ordered
        if keep_buyers:
            after = after + kept @ self.moves
        result = quiet
        for mission in (_NEW_MISSION, _OLD_MISSION):
            over = MISSION_EXPIRES * quiet[:, mission] + MISSION_ENDS_WITH_ORDER * after[:, mission]
            result[:, mission] *= 1 - MISSION_EXPIRES
            result[:, mission] += (1 - MISSION_ENDS_WITH_ORDER) * after[:, mission]
            result[:, _NO_MISSION] += over
        result[:, _NO_MISSION] += after[:, _NO_MISSION]
        return result, kept.sum(axis=(2, 3))


class _Basket:
    """What an order is worth on average, by the kind of mission that led to it."""

    def __init__(self, chances: Chances, state: State, catalogue: Catalogue) -> None:
        self._customers = customers = chances.customers
        self._calendar = chances.calendar
        size = len(state.alive)
        shift = customers.price_shift(state.log_power, np.arange(size))
        # By the number of changes of power until then; changes are normal, so their sum is.
        spreads = [POWER_TO_SHIFT * POWER_JUMP * np.sqrt(jumps) for jumps in range(_MOST_JUMPS + 1)]
        self._by_jumps = np.stack([catalogue.line_value(shift, spread) for spread in spreads])
        known = np.zeros_like(customers.taste)
        known[np.arange(size), np.maximum(state.mission, 0)] = 1.0
        self._old_mission = MISSION_FOCUS * known + (1 - MISSION_FOCUS) * customers.taste
        coupons = 1 - COUPON_SHARE * customers.coupon
        self._factor = (1 + customers.extra_lines) * coupons
        bad = customers.bad_experience
        self._refunded = MEAN_REFUNDED_SHARE * (bad * REFUND_WHEN_BAD + (1 - bad) * REFUND_WHEN_GOOD)
        self._refund_by = np.cumsum(refund_lags())

    def on(self, day: int, ahead: int) -> Floats:
        """Gives [B, mission] money paid for an order on a day, so many days after the as-of date."""
        line = np.tensordot(_jumps_within(ahead + 1), self._by_jumps, axes=1)
        line *= 1 - self._calendar.discount[day]
        by_taste = (self._customers.taste * line).sum(axis=1)
        by_mission = (self._old_mission * line).sum(axis=1)
        return np.stack([by_taste, by_taste, by_mission], axis=1) * self._factor[:, None]

    def share_kept(self, remaining: int) -> Floats:
        """Gives [B] share of an order's money that is not refunded within so many more days."""
        known = self._refund_by[min(remaining, len(self._refund_by) - 1)]
        return np.asarray(1 - self._refunded * known)


def _jumps_within(days: int) -> Floats:
    """Gives the chance of 0, 1, … changes of power in so many days; the last one stands for it and more."""
    chance = np.zeros(_MOST_JUMPS + 1)
    chance[0] = 1.0
    for _ in range(days):
        moved = POWER_CHANGE * chance
        chance -= moved
        chance[1:] += moved[:-1]
        chance[-1] += moved[-1]
    return chance


def _satisfaction_moves(bad: Floats) -> Floats:
    """Gives [B, 1, S, S] chance of moving from one satisfaction (row) to another by an order."""
    levels = len(SATISFACTION_RATE)
    up, down = np.zeros((levels, levels)), np.zeros((levels, levels))
    for level in range(levels):
        up[level, level] += 1 - UP_WHEN_GOOD
        up[level, min(level + 1, levels - 1)] += UP_WHEN_GOOD
        down[level, level] += 1 - DOWN_WHEN_BAD
        down[level, max(level - 1, 0)] += DOWN_WHEN_BAD
    moves = bad[:, None, None] * down + (1 - bad[:, None, None]) * up
    return np.asarray(moves[:, None])
