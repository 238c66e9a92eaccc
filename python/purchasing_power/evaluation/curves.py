"""What metrics are numbers of, as curves to look at; bounded in size, so that a warehouse can keep them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from purchasing_power.evaluation.metrics import Flags, tiers_of
from purchasing_power.evaluation.prediction import Prediction, Values

# A curve has at most so many points and one more.
_POINTS = 100
_GROUPS = 10
_BINS = 20


@dataclass(frozen=True)
class Curve:
    """Points of one curve, in order.

    Attributes:
        name: What it is: roc, gain, calibration_probability, calibration_spend, confusion,
            spend_distribution, loss.
        series: Which of several curves of that name, '' where there is one.
        x: [n] what runs along.
        y: [n] what is shown over it.
    """

    name: str
    series: str
    x: Values
    y: Values


def curves_of(
    prediction: Prediction,
    spend: Values,
    orders: npt.NDArray[Any],
    *,
    tier_names: Sequence[str],
    tier_cut_points: Sequence[float],
) -> list[Curve]:
    """Draws one method's predictions of n users.

    Args:
        prediction: The predictions.
        spend: [n] money within the horizon.
        orders: [n] orders within the horizon.
        tier_names: Names of the T tiers, lowest first.
        tier_cut_points: Money at which each tier but the lowest begins.

    Returns:
        roc: false over true positive rate of buying. gain: share of users, those of whom most is expected
        first, over share of spend. calibration_…: mean prediction of ten equal groups over what came.
        confusion: series the actual tier, x the predicted one (0 the lowest), y users.
        spend_distribution: series realised and expected, x the lower end of a bin, y users; the first bin is
        0. Curves that the users do not define are left out.
    """
    expected, probability = prediction.expected_spend, prediction.purchase_probability
    rank = probability if prediction.buyer_rank is None else prediction.buyer_rank
    bought = orders > 0
    curves = []
    if bought.any() and not bought.all():
        curves.append(_roc(bought, rank))
    if spend.sum() > 0:
        curves.append(_gain(spend, expected))
    curves += [
        _calibration("calibration_probability", probability, bought.astype(np.float64)),
        _calibration("calibration_spend", expected, spend),
        *_confusion(tiers_of(spend, tier_cut_points), prediction.tier, tier_names),
        *_distribution(spend, expected),
    ]
    return curves


def loss_curves(training: Sequence[float], held_back: Sequence[float]) -> list[Curve]:
    """Draws the loss of each epoch, on the users trained on and on those held back."""
    epochs = np.arange(1, len(training) + 1, dtype=np.float64)
    return [
        Curve("loss", "training", epochs, np.asarray(training, np.float64)),
        Curve("loss", "held_back", epochs, np.asarray(held_back, np.float64)),
    ]


def _roc(bought: Flags, rank: Values) -> Curve:
    # Ties are one threshold.
    thresholds, group = np.unique(-rank, return_inverse=True)
    size = len(thresholds)
    hits = np.cumsum(np.bincount(group, weights=bought, minlength=size)) / bought.sum()
    false = np.cumsum(np.bincount(group, weights=~bought, minlength=size)) / (~bought).sum()
    return _thinned("roc", np.append(0.0, false), np.append(0.0, hits))


def _gain(spend: Values, expected: Values) -> Curve:
    # Users of whom the same is expected share what they spent, whatever row they stand in.
    _, group = np.unique(-expected, return_inverse=True)
    shared = (np.bincount(group, weights=spend) / np.bincount(group))[np.sort(group)]
    users = np.arange(len(spend) + 1) / len(spend)
    return _thinned("gain", users, np.append(0.0, np.cumsum(shared) / shared.sum()))


def _thinned(name: str, x: Values, y: Values) -> Curve:
    """Reads a rising curve at equal steps along x, and keeps its ends."""
    at = np.linspace(0.0, 1.0, _POINTS + 1)
    shown = np.interp(at, x, y)
    # Where it rises at once, the beginning is where it rises from.
    shown[0] = y[0]
    return Curve(name, "", at, shown)


def _calibration(name: str, predicted: Values, came: Values) -> Curve:
    order = np.argsort(predicted, kind="stable")
    groups = [rows for rows in np.array_split(order, _GROUPS) if len(rows)]
    return Curve(
        name,
        "",
        np.array([predicted[rows].mean() for rows in groups], np.float64),
        np.array([came[rows].mean() for rows in groups], np.float64),
    )


def _confusion(
    actual: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], tier_names: Sequence[str]
) -> list[Curve]:
    tiers = np.arange(len(tier_names))
    return [
        Curve(
            "confusion",
            name,
            tiers.astype(np.float64),
            np.array([((actual == place) & (predicted == tier)).sum() for tier in tiers], np.float64),
        )
        for place, name in enumerate(tier_names)
    ]


def _distribution(spend: Values, expected: Values) -> list[Curve]:
    positive = np.concatenate([spend[spend > 0], expected[expected > 0]])
    if not len(positive):
        return []
    # In equal ratios: money spreads over several times its middle.
    low, high = np.quantile(positive, (0.01, 1.0))
    edges = np.append(0.0, np.geomspace(low, max(high, low * 1.01), _BINS + 1))
    return [
        Curve(
            "spend_distribution",
            series,
            edges[:-1],
            np.histogram(np.clip(values, 0.0, edges[-1]), edges)[0].astype(np.float64),
        )
        for series, values in (("realised", spend), ("expected", expected))
    ]
