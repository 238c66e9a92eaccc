"""How far figures would move with other users: the bootstrap (Efron 1979), every method on the same draws.

A resample of n users is held as how often each was drawn, [n] counts, so that users are sorted once a method
and each resample costs a few sums. Every figure is what `evaluate` gives of the drawn users' rows, repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from purchasing_power.evaluation.metrics import (
    Flags,
    buy_log_losses,
    nominal_coverage,
    tiers_of,
)
from purchasing_power.evaluation.prediction import Prediction, Values

# Resamples that are worked on at once hold about this many counts.
_COUNTS_AT_ONCE = 1_000_000
_LEVELS = (0.025, 0.975)

Figures = Mapping[str, Values]


@dataclass(frozen=True)
class Interval:
    """What 95 of 100 resamples give, from `low` to `high`."""

    low: float
    high: float


@dataclass(frozen=True)
class Bootstrap:
    """Figures of several methods on the same resamples.

    Attributes:
        figures: method -> metric -> [resamples], NaN where a resample does not define the metric.
    """

    figures: Mapping[str, Figures]

    def interval(self, method: str, metric: str) -> Interval | None:
        """Gives the 95 % percentile interval of a figure; None where the method does not have it."""
        return _interval(self.figures[method].get(metric))

    def difference(self, method: str, other: str, metric: str) -> Interval | None:
        """Gives the 95 % interval of a method's figure less another's, paired: both saw the same users."""
        ours, theirs = self.figures[method].get(metric), self.figures[other].get(metric)
        return None if ours is None or theirs is None else _interval(ours - theirs)

    def with_median(self, name: str, methods: Sequence[str]) -> Bootstrap:
        """Adds what is reported of several runs of one method: in each resample their median."""
        runs = [self.figures[method] for method in methods]
        median = {metric: np.median([run[metric] for run in runs], axis=0) for metric in runs[0]}
        return Bootstrap({**self.figures, name: median})


def bootstrap_figures(
    predictions: Mapping[str, Prediction],
    spend: Values,
    orders: npt.NDArray[Any],
    tier_cut_points: Sequence[float],
    *,
    resamples: int = 200,
    seed: int = 0,
) -> Bootstrap:
    """Draws as many users as there are, with replacement, and measures every method on each draw.

    Args:
        predictions: method -> predictions of the same n users.
        spend: [n] money within the horizon.
        orders: [n] orders within the horizon.
        tier_cut_points: Money at which each tier but the lowest begins.
        resamples: How often users are drawn.
        seed: The same seed draws the same users.
    """
    users = len(spend)
    random = np.random.default_rng(seed)
    outcome = _Outcome(spend, orders, tier_cut_points)
    methods = {name: _Method(prediction, outcome) for name, prediction in predictions.items()}
    blocks: dict[str, list[Figures]] = {name: [] for name in methods}
    at_once = max(1, _COUNTS_AT_ONCE // users)
    for first in range(0, resamples, at_once):
        rows = min(at_once, resamples - first)
        drawn = np.stack(
            [np.bincount(random.integers(0, users, users), minlength=users) for _ in range(rows)]
        )
        draw = _Draw(outcome, drawn.astype(np.float64))
        for name, method in methods.items():
            # A resample without a buyer divides by 0 and is NaN by design.
            with np.errstate(divide="ignore", invalid="ignore"):
                blocks[name].append(method.measure(draw))
    return Bootstrap(
        {
            name: {metric: np.concatenate([block[metric] for block in found]) for metric in found[0]}
            for name, found in blocks.items()
            if found
        }
    )


class _Order:
    """Users by a rising value: what ranks, sums and quantiles of any resample start from."""

    def __init__(self, values: Values) -> None:
        self.rows = np.argsort(values, kind="stable")
        self.sorted = values[self.rows]
        starts = np.flatnonzero(np.diff(self.sorted, prepend=np.nan) != 0)
        self._sizes = np.diff(np.append(starts, len(values)))
        self.ends = np.append(starts[1:], len(values)) - 1

    def counts(self, drawn: Values) -> Values:
        """Gives [r, n] the counts in this order."""
        return np.take(drawn, self.rows, axis=1)

    def by_group(self, ordered: Values) -> Values:
        """Gives [r, groups] cumulative sums of [r, n] ordered values at the end of each group of ties."""
        return np.take(np.cumsum(ordered, axis=1), self.ends, axis=1)

    def mean_ranks(self, drawn: Values) -> Values:
        """Gives [r, n] the ranks of users, from 1, in the order of rows; ties have their mean rank."""
        until = self.by_group(self.counts(drawn))
        before = np.concatenate([np.zeros((len(drawn), 1)), until[:, :-1]], axis=1)
        ranks = np.empty_like(drawn)
        ranks[:, self.rows] = np.repeat((before + until + 1) / 2, self._sizes, axis=1)
        return ranks


class _Outcome:
    """What the users did, and what of it does not depend on the method."""

    def __init__(self, spend: Values, orders: npt.NDArray[Any], tier_cut_points: Sequence[float]) -> None:
        self.spend = np.asarray(spend, np.float64)
        self.bought: Flags = orders > 0
        self.order = _Order(self.spend)
        self.tier_cut_points = tier_cut_points
        self.tiers = tiers_of(self.spend, tier_cut_points)


class _Draw:
    """r resamples, and what all methods need of them."""

    def __init__(self, outcome: _Outcome, drawn: Values) -> None:
        self.drawn = drawn
        self.ranks = outcome.order.mean_ranks(drawn)
        self.spend = drawn @ outcome.spend
        self.buyers = drawn @ outcome.bought
        self.bought = drawn * outcome.bought
        self.money = drawn * outcome.spend
        # As the 80 % quantile interpolates: between two of the n drawn amounts.
        users = drawn.shape[1]
        until = np.cumsum(outcome.order.counts(drawn), axis=1)
        below, share = divmod(0.8 * (users - 1), 1)
        low, high = (
            np.array([outcome.order.sorted[np.searchsorted(row, place, side="right")] for row in until])
            for place in (below, min(below + 1, users - 1))
        )
        self.in_top_fifth = outcome.spend >= (low + share * (high - low))[:, None]
        self.top_fifth = drawn * self.in_top_fifth
        self.top_size = self.top_fifth.sum(axis=1)


class _Method:
    """One method's predictions, sorted once."""

    def __init__(self, prediction: Prediction, outcome: _Outcome) -> None:
        probability = prediction.purchase_probability
        self._outcome = outcome
        self._expected = np.asarray(prediction.expected_spend, np.float64)
        self._by_expected = _Order(self._expected)
        self._by_likely = _Order(probability if prediction.buyer_rank is None else prediction.buyer_rank)
        self._tier = prediction.tier
        apart = np.abs(outcome.spend - prediction.spend_p50)
        log_apart = np.log1p(prediction.spend_p50) - np.log1p(outcome.spend)
        # [n] what each user adds to a mean over all users, or over the buyers.
        of_all: dict[str, npt.NDArray[Any]] = {
            "apart": apart,
            "rmsle": log_apart**2,
            "buy_log_loss": buy_log_losses(outcome.bought, probability),
            "tier_accuracy": outcome.tiers == prediction.tier,
        }
        of_buyers: dict[str, npt.NDArray[Any]] = {}
        if prediction.spend_p10 is not None and prediction.spend_p90 is not None:
            inside = (outcome.spend >= prediction.spend_p10) & (outcome.spend <= prediction.spend_p90)
            of_all["coverage_p10_p90"] = of_buyers["buyers_coverage_p10_p90"] = inside
            of_buyers["buyers_coverage_nominal"] = nominal_coverage(probability)
        self._of_all = {name: np.asarray(values, np.float64) for name, values in of_all.items()}
        self._of_buyers = {name: np.asarray(values, np.float64) for name, values in of_buyers.items()}

    def measure(self, draw: _Draw) -> dict[str, Values]:
        """Gives metric -> [r]."""
        drawn, users = draw.drawn, draw.drawn.shape[1]
        expected = drawn @ self._expected
        ranks = self._by_expected.mean_ranks(drawn)
        found: dict[str, Values] = {name: drawn @ each / users for name, each in self._of_all.items()}
        found |= {name: draw.bought @ each / draw.buyers for name, each in self._of_buyers.items()}
        found["mae_over_mean"] = found.pop("apart") * users / draw.spend
        found["rmsle"] = np.sqrt(found["rmsle"])
        found["bias"] = expected / draw.spend - 1
        found["spearman"] = _correlation(drawn, draw.ranks - (users + 1) / 2, ranks - (users + 1) / 2)
        # The gains curve's area is linear in the ranks: each amount counts as often as a user is ahead of it.
        gain, perfect = (
            _dot(draw.money, each) / draw.spend - (users + 1) / 2 for each in (ranks, draw.ranks)
        )
        found["normalized_gini"] = np.where(perfect > 0, gain / perfect, np.nan)
        found["buy_auc"] = _area(self._by_likely.mean_ranks(drawn), draw.bought, draw.buyers)
        found["average_precision"] = self._average_precision(draw)
        found["decile_calibration_error"] = self._calibration(draw)
        found |= self._top_fifth(draw, ranks)
        found |= self._tiers(draw)
        return found

    def _average_precision(self, draw: _Draw) -> Values:
        order = self._by_likely
        # From the likeliest down: what is not below a group of ties.
        chosen = _from_the_top(order.by_group(order.counts(draw.drawn)))
        hits = _from_the_top(order.by_group(order.counts(draw.bought)))
        gained = hits - np.concatenate([hits[:, 1:], np.zeros((len(hits), 1))], axis=1)
        precision: Values = _dot(gained, np.where(chosen > 0, hits / chosen, 0.0)) / draw.buyers
        return precision

    def _calibration(self, draw: _Draw) -> Values:
        order = self._by_expected
        users = len(order.rows)
        counts = order.counts(draw.drawn)
        until = np.cumsum(counts, axis=1)
        ends = np.cumsum([len(part) for part in np.array_split(np.arange(users), 10)])
        at = np.stack([np.searchsorted(row, ends, side="left") for row in until])
        # A user who was drawn several times may stand on both sides of an edge.
        beyond = np.take_along_axis(until, at, axis=1) - ends
        apart = order.sorted - self._outcome.spend[order.rows]
        sums = np.take_along_axis(np.cumsum(counts * apart, axis=1), at, axis=1) - beyond * apart[at]
        error: Values = np.abs(np.diff(sums, axis=1, prepend=0.0)).sum(axis=1) / draw.spend
        return error

    def _top_fifth(self, draw: _Draw, ranks: Values) -> dict[str, Values]:
        users = draw.drawn.shape[1]
        predicted = (self._tier == len(self._outcome.tier_cut_points)).astype(np.float64)
        chosen, hits = draw.drawn @ predicted, draw.top_fifth @ predicted
        found = {
            "top_fifth_accuracy": 1 - (chosen + draw.top_size - 2 * hits) / users,
            "top_fifth_precision": np.where(chosen > 0, hits / chosen, 0.0),
            "top_fifth_recall": hits / draw.top_size,
            "top_fifth_f1": 2 * hits / (chosen + draw.top_size),
            "top_fifth_auc": _area(ranks, draw.top_fifth, draw.top_size),
        }
        is_class = draw.top_size < users
        return {name: np.where(is_class, values, np.nan) for name, values in found.items()}

    def _tiers(self, draw: _Draw) -> dict[str, Values]:
        tiers = range(len(self._outcome.tier_cut_points) + 1)
        actual = np.stack([self._outcome.tiers == tier for tier in tiers], axis=1).astype(np.float64)
        predicted = np.stack([self._tier == tier for tier in tiers], axis=1).astype(np.float64)
        there, chosen, hits = (draw.drawn @ flags for flags in (actual, predicted, actual * predicted))
        occurring = (there > 0).sum(axis=1)
        recall = np.where(there > 0, hits / there, 0.0)
        f1 = np.where(there > 0, 2 * hits / (there + chosen), 0.0)
        return {
            "tier_macro_recall": recall.sum(axis=1) / occurring,
            "tier_macro_f1": f1.sum(axis=1) / occurring,
        }


def _interval(values: Values | None) -> Interval | None:
    if values is None or np.isnan(values).all():
        return None
    low, high = np.nanquantile(values, _LEVELS)
    return Interval(float(low), float(high))


def _dot(left: Values, right: Values) -> Values:
    """Gives [r] the inner products of the rows of two [r, n]."""
    products: Values = np.einsum("rn,rn->r", left, right)
    return products


def _correlation(drawn: Values, left: Values, right: Values) -> Values:
    """Gives [r] the correlation of centred values; 0 where one side is constant."""
    weighted = drawn * left
    both, size = _dot(weighted, right), _dot(weighted, left) * _dot(drawn * right, right)
    return np.where(size > 0, both / np.sqrt(size), 0.0)


def _area(ranks: Values, flagged: Values, members: Values) -> Values:
    """Gives [r] the area under the ROC curve from ranks [r, n] and how often flagged users were drawn."""
    others = ranks.shape[1] - members
    area: Values = (_dot(ranks, flagged) - members * (members + 1) / 2) / (members * others)
    return area


def _from_the_top(until: Values) -> Values:
    """Turns sums up to the end of each group into sums from each group on."""
    before = np.concatenate([np.zeros((len(until), 1)), until[:, :-1]], axis=1)
    onward: Values = until[:, -1:] - before
    return onward
