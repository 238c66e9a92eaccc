"""Metrics of spend predictions; every function takes [n] arrays, one number a user.

A metric that a sample does not define (one class only, nobody spent anything) is NaN; `evaluate` leaves it
out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from purchasing_power.evaluation.prediction import (
    Prediction,
    Scores,
    Values,
    level_among_buyers,
    prediction_from_scores,
)

Flags = npt.NDArray[np.bool_]

_SMALLEST_PROBABILITY = 1e-6


def spearman(actual: Values, predicted: Values) -> float:
    """Spearman's rank correlation, ties at their mean rank; 0 where one side is constant."""
    ranks = np.stack([rankdata(actual), rankdata(predicted)])
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    variances = (centred**2).sum(axis=1)
    if not variances.all():
        return 0.0
    return float((centred[0] * centred[1]).sum() / math.sqrt(float(variances[0] * variances[1])))


def normalized_gini(actual: Values, predicted: Values) -> float:
    """Gini coefficient of the gains curve in predicted order over that in actual order: 1 is a perfect order.

    Users with equal predictions share their spend evenly, so the order of rows does not matter; a constant
    prediction has 0. As in Wang, Liu, Miao 2019 (arXiv 1912.07753), section 4.3, up to ties.
    """
    if actual.sum() <= 0:
        return math.nan
    perfect = _gini(actual, actual)
    return _gini(actual, predicted) / perfect if perfect > 0 else math.nan


def _gini(actual: Values, order: Values) -> float:
    _, group = np.unique(-order, return_inverse=True)
    sizes = np.bincount(group)
    shared = (np.bincount(group, weights=actual) / sizes)[np.sort(group)]
    return float(np.cumsum(shared).sum() / shared.sum() - (len(actual) + 1) / 2)


def mae_over_mean(actual: Values, predicted: Values) -> float:
    """Mean absolute error over the mean of the actual values."""
    return _ratio(np.abs(actual - predicted).mean(), actual.mean())


def rmsle(actual: Values, predicted: Values) -> float:
    """Root mean squared error of log(1 + value)."""
    return float(np.sqrt(np.mean((np.log1p(predicted) - np.log1p(actual)) ** 2)))


def bias(actual: Values, predicted: Values) -> float:
    """Sum of predictions over sum of actual values, minus 1: +0.1 predicts ten per cent too much."""
    return _ratio(predicted.sum(), actual.sum()) - 1


def area_under_roc(flagged: Flags, score: Values) -> float:
    """Area under the ROC curve: the chance that a flagged user has a higher score than another.

    By the rank sum of Mann and Whitney; ties count one half.
    """
    members = int(flagged.sum())
    others = len(flagged) - members
    rank_sum = rankdata(score)[flagged].sum()
    return _ratio(rank_sum - members * (members + 1) / 2, members * others)


def buy_log_loss(bought: Flags, probability: Values) -> float:
    """Mean negative log-likelihood; probabilities are kept 1e-6 away from 0 and 1."""
    return float(np.mean(buy_log_losses(bought, probability)))


def buy_log_losses(bought: Flags, probability: Values) -> Values:
    """Gives [n] the negative log-likelihood of each user's outcome."""
    kept = np.clip(probability, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
    losses: Values = -np.where(bought, np.log(kept), np.log1p(-kept))
    return losses


def average_precision(bought: Flags, probability: Values) -> float:
    """Sum over thresholds of the gain in recall times the precision there; ties are one threshold."""
    thresholds, group = np.unique(-probability, return_inverse=True)
    chosen = np.cumsum(np.bincount(group, minlength=len(thresholds)))
    hits = np.cumsum(np.bincount(group, weights=bought, minlength=len(thresholds)))
    return _ratio(float((np.diff(hits, prepend=0.0) * hits / chosen).sum()), bought.sum())


def top_fifth(spend: Values) -> Flags:
    """Flags the users whose spend reaches the 80 % quantile of all users' spend: all where that is 0."""
    flags: Flags = spend >= np.quantile(spend, 0.8)
    return flags


def classification(actual: Flags, predicted: Flags) -> dict[str, float]:
    """Gives accuracy, precision, recall and f1; the last three are 0 where they would divide by 0."""
    hits = int((actual & predicted).sum())
    found, true = int(predicted.sum()), int(actual.sum())
    return {
        "accuracy": float((actual == predicted).mean()),
        "precision": hits / found if found else 0.0,
        "recall": hits / true if true else 0.0,
        "f1": 2 * hits / (found + true) if found + true else 0.0,
    }


def tiers_of(spend: Values, cut_points: Sequence[float]) -> npt.NDArray[np.int64]:
    """Gives each user's tier, 0 = lowest: the number of cut points that the spend reaches."""
    return np.searchsorted(np.asarray(cut_points), spend, side="right").astype(np.int64)


def macro_recall_and_f1(
    actual: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """Recall and F1 of each tier that somebody is in, averaged over those tiers alike.

    Unlike the accuracy, neither gains by leaving out a rare tier: always the same of T tiers has a recall of
    1 / T.
    """
    of_tiers = [classification(actual == tier, predicted == tier) for tier in np.unique(actual)]
    recall, f1 = (float(np.mean([found[name] for found in of_tiers])) for name in ("recall", "f1"))
    return recall, f1


def coverage(actual: Values, low: Values, high: Values) -> float:
    """Share of values within [low, high]."""
    return float(((actual >= low) & (actual <= high)).mean())


def nominal_coverage(probability: Values) -> Values:
    """Gives [n] the share of a buyer's spend that p10 to p90 ought to cover, if everything else is right.

    The quantiles count the outcome of no purchase too, so 80 % of all outcomes are not 80 % of a buyer's.
    """
    return level_among_buyers(0.9, probability) - level_among_buyers(0.1, probability)


def decile_calibration_error(actual: Values, predicted: Values) -> float:
    """How far predicted and actual sums are apart in ten groups of predictions, over the actual sum.

    The groups are equally large, by rising prediction; ties stay in row order.
    """
    order = np.argsort(predicted, kind="stable")
    apart = sum(
        abs(float(predicted[rows].sum() - actual[rows].sum()))
        for rows in np.array_split(order, 10)
        if len(rows)
    )
    return _ratio(apart, actual.sum())


def evaluate(
    prediction: Prediction, spend: Values, orders: npt.NDArray[Any], tier_cut_points: Sequence[float]
) -> dict[str, float]:
    """Measures one method's predictions of n users.

    Ranking and bias are read from the expected spend, error from the median, because the median is what
    minimises an absolute error.

    Args:
        prediction: The predictions.
        spend: [n] money within the horizon.
        orders: [n] orders within the horizon.
        tier_cut_points: Money at which each tier but the lowest begins.

    Returns:
        metric -> value; metrics that the sample does not define are left out.
    """
    bought = orders > 0
    expected, probability = prediction.expected_spend, prediction.purchase_probability
    buyer_rank = probability if prediction.buyer_rank is None else prediction.buyer_rank
    in_top = prediction.tier == len(tier_cut_points)
    tiers = tiers_of(spend, tier_cut_points)
    tier_macro_recall, tier_macro_f1 = macro_recall_and_f1(tiers, prediction.tier)
    values = {
        "spearman": spearman(spend, expected),
        "normalized_gini": normalized_gini(spend, expected),
        "mae_over_mean": mae_over_mean(spend, prediction.spend_p50),
        "rmsle": rmsle(spend, prediction.spend_p50),
        "bias": bias(spend, expected),
        "buy_auc": area_under_roc(bought, buyer_rank),
        "buy_log_loss": buy_log_loss(bought, probability),
        "average_precision": average_precision(bought, buyer_rank),
        "tier_accuracy": float((tiers == prediction.tier).mean()),
        "tier_macro_recall": tier_macro_recall,
        "tier_macro_f1": tier_macro_f1,
        "decile_calibration_error": decile_calibration_error(spend, expected),
    }
    in_top_fifth = top_fifth(spend)
    # Where fewer than a fifth spent anything, the fifth is everybody, and no class at all.
    if not in_top_fifth.all():
        values["top_fifth_auc"] = area_under_roc(in_top_fifth, expected)
        values.update(
            {f"top_fifth_{name}": value for name, value in classification(in_top_fifth, in_top).items()}
        )
    if prediction.spend_p10 is not None and prediction.spend_p90 is not None:
        low, high = prediction.spend_p10, prediction.spend_p90
        values["coverage_p10_p90"] = coverage(spend, low, high)
        if bought.any():
            values["buyers_coverage_p10_p90"] = coverage(spend[bought], low[bought], high[bought])
            values["buyers_coverage_nominal"] = float(nominal_coverage(probability[bought]).mean())
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else math.nan


def evaluate_scores(
    scores: Scores,
    spend: Values,
    orders: npt.NDArray[Any],
    *,
    tier_names: Sequence[str],
    tier_cut_points: Sequence[float],
) -> dict[str, float]:
    """Measures a table of scores against what its users did, in the same order; see `evaluate`."""
    return evaluate(prediction_from_scores(scores, tier_names), spend, orders, tier_cut_points)
