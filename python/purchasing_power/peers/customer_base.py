"""BG/NBD for purchases (Fader, Hardie, Lee 2005) times Gamma-Gamma for amounts (Fader, Hardie 2013).

It reads when users bought and for how much, and nothing else. A user buys at a rate of their own until they
leave for good, which they may do after each purchase; both differ between users, and so does what they spend.
"""

from __future__ import annotations

from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import date
from io import StringIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from lifetimes import BetaGeoFitter, GammaGammaFitter
from lifetimes.utils import ConvergenceError

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.evaluation import Prediction
from purchasing_power.evaluation.metrics import tiers_of
from purchasing_power.evaluation.prediction import Values
from purchasing_power.peers.task import PeerTask
from purchasing_power.warehouse.purchases import Purchases, read_purchases

# Of this many users the eight parameters are known well enough.
_USERS_TO_FIT = 20_000
# The smallest that converges is taken.
_PENALTIES = (0.001, 0.01, 0.1)
_FUTURES = 200
_FUTURES_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class _History:
    """What the models know of n users who bought; times in weeks.

    Attributes:
        frequency: [n] days with a purchase after the first one.
        recency: [n] from the first to the last purchase.
        age: [n] from the first purchase to the cut.
        amount: [n] mean spend of the days counted in `frequency`, 0 where there is none.
    """

    frequency: Values
    recency: Values
    age: Values
    amount: Values

    def take(self, rows: npt.NDArray[Any]) -> _History:
        return _History(self.frequency[rows], self.recency[rows], self.age[rows], self.amount[rows])


def predict(task: PeerTask) -> Prediction:
    """Fits both models on purchases before the cut; who was never seen buying is predicted to buy nothing.

    The mean is the models' own, purchases times amount. Quantiles and tiers, which they have no formula for,
    are those of futures drawn from them.

    Raises:
        PurchasingPowerError: A model does not converge, or nobody bought twice.
    """
    random = np.random.default_rng(task.seed)
    users = task.user_ids()
    buyers, history = _histories(read_purchases(task.project, before=task.cut), users, task.cut)
    if not (history.frequency > 0).any():
        raise PurchasingPowerError("nobody bought on two days before the cut")
    sample = history
    if len(buyers) > _USERS_TO_FIT:
        sample = history.take(random.choice(len(buyers), _USERS_TO_FIT, replace=False))
    purchases = _fit(BetaGeoFitter, sample.frequency, sample.recency, sample.age)
    again = sample.take(np.flatnonzero(sample.frequency > 0))
    # Without the constraint a shop's mean amount may come out negative.
    amounts = _fit(GammaGammaFitter, again.frequency, again.amount, q_constraint=True)

    weeks = task.dataset.contract.horizon_days / 7
    expected, probability = _formulas(purchases, amounts, history, weeks)
    quantiles, tier = _futures(purchases, amounts, history, weeks, task.tier_cut_points, random)

    def everybody(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        spread = np.zeros(len(users), values.dtype)
        spread[buyers] = values
        return spread

    low, median, high = (everybody(quantile) for quantile in quantiles)
    return Prediction(
        purchase_probability=everybody(probability),
        expected_spend=everybody(expected),
        spend_p50=median,
        tier=everybody(tier),
        spend_p10=low,
        spend_p90=high,
    )


def _histories(purchases: Purchases, users: pa.Array, cut: date) -> tuple[npt.NDArray[np.int64], _History]:
    """Gives the positions of the users who bought, and what is known of them."""
    known = pc.index_in(purchases.user_id, value_set=users)
    kept = np.flatnonzero(known.is_valid())
    position = known.drop_null().to_numpy()
    day, spend = purchases.day[kept].astype(np.float64), purchases.spend[kept]
    # Purchases are ordered by user and day, so a user's are one run.
    starts = np.flatnonzero(np.diff(position, prepend=-1))
    days = np.diff(np.append(starts, len(position)))
    first, last = day[starts], day[starts + days - 1]
    repeated = np.add.reduceat(spend, starts) - spend[starts] if len(starts) else spend
    history = _History(
        frequency=(days - 1).astype(np.float64),
        recency=(last - first) / 7,
        age=((cut - date(1970, 1, 1)).days - first) / 7,
        # Up to rounding of the sums, an amount is above 0.
        amount=np.where(days > 1, np.maximum(repeated, 0.01), 0.0) / np.maximum(days - 1, 1),
    )
    return position[starts].astype(np.int64), history


def _fit(fitter: Any, *data: Values, **settings: Any) -> Any:
    for penalty in _PENALTIES:
        try:
            # On its way the search tries parameters that overflow, and what it prints when it fails would
            # stand in a command's JSON.
            with np.errstate(all="ignore"), redirect_stdout(StringIO()):
                return fitter(penalizer_coef=penalty).fit(*data, **settings)
        except ConvergenceError:
            continue
    raise PurchasingPowerError(f"{fitter.__name__} does not converge on this shop's purchases")


def _formulas(purchases: Any, amounts: Any, known: _History, weeks: float) -> tuple[Values, Values]:
    """Gives [n] expected spend and purchase probability within so many weeks."""
    history = (known.frequency, known.recency, known.age)
    r, alpha, _, _ = (float(purchases.params_[name]) for name in ("r", "alpha", "a", "b"))
    number = purchases.conditional_expected_number_of_purchases_up_to_time(weeks, *history)
    if amounts.params_["q"] > 1:
        mean = amounts.conditional_expected_average_profit(known.frequency, known.amount)
    else:
        # The fitted distribution has no mean, as may be where few buy again: everybody gets the shop's own.
        mean = np.average(known.amount, weights=known.frequency)
    alive = np.asarray(purchases.conditional_probability_alive(*history), np.float64)
    # Of somebody who has not left the rate is Gamma(r + x, alpha + T).
    silent = ((alpha + known.age) / (alpha + known.age + weeks)) ** (r + known.frequency)
    expected = np.asarray(number, np.float64) * np.asarray(mean, np.float64)
    probability = alive * (1 - silent)
    if not (np.isfinite(expected).all() and np.isfinite(probability).all()):
        raise PurchasingPowerError("the fitted models give no finite expectation")
    return expected.clip(0), probability.clip(0, 1)


def _futures(
    purchases: Any,
    amounts: Any,
    known: _History,
    weeks: float,
    cuts: tuple[float, ...],
    random: np.random.Generator,
) -> tuple[Values, npt.NDArray[np.int64]]:
    """Draws futures of n users: [3, n] quantiles of spend (0.1, 0.5, 0.9) and the [n] likeliest tiers."""
    r, alpha, a, b = (float(purchases.params_[name]) for name in ("r", "alpha", "a", "b"))
    p, q, v = (float(amounts.params_[name]) for name in ("p", "q", "v"))
    users = len(known.frequency)
    quantiles, tiers = np.zeros((3, users)), np.zeros(users, np.int64)
    alive = np.asarray(
        purchases.conditional_probability_alive(known.frequency, known.recency, known.age), np.float64
    )
    at_once = _FUTURES_AT_ONCE // _FUTURES
    for first in range(0, users, at_once):
        block = slice(first, first + at_once)
        x, age, shape = known.frequency[block], known.age[block], (_FUTURES, len(known.age[block]))
        stays = random.uniform(size=shape) < alive[block]
        wished = random.poisson(random.gamma(r + x, 1 / (alpha + age), shape) * weeks)
        # The purchase after which they leave; a chance of 0 would never come.
        last = random.geometric(random.beta(a, b + x, shape).clip(1e-9))
        number = np.where(stays, np.minimum(wished, last), 0)
        price = random.gamma(q + p * x, 1 / (v + x * known.amount[block]), shape)
        spend = random.gamma(p * number) / np.maximum(price, np.finfo(np.float64).tiny)
        quantiles[:, block] = np.quantile(spend, (0.1, 0.5, 0.9), axis=0)
        reached = tiers_of(spend, cuts)
        shares = [(reached == tier).sum(axis=0) for tier in range(len(cuts) + 1)]
        tiers[block] = np.argmax(shares, axis=0)
    return quantiles, tiers
