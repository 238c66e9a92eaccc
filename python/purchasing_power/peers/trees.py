"""Gradient-boosted trees (LightGBM: Ke et al. 2017), one ensemble for each thing to be known."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from purchasing_power.evaluation import Prediction
from purchasing_power.evaluation.metrics import tiers_of
from purchasing_power.evaluation.prediction import Values
from purchasing_power.peers.task import PeerTask

_ROUNDS = 300
# Found on windows before the ones that are reported, for both sets of features.
_SETTINGS: dict[str, Any] = {
    "learning_rate": 0.03,
    "num_leaves": 15,
    "extra_trees": True,
    "min_child_samples": 100,
    "subsample": 0.8,
    "subsample_freq": 1,
    "colsample_bytree": 0.5,
    "reg_lambda": 5.0,
    "verbose": -1,
    # The same seed gives the same trees.
    "deterministic": True,
    "force_col_wise": True,
    # Two threads that wait for each other are slower than one where cores are shared: 2 s for 0.4 s on two.
    "num_threads": 1,
}


def predict(task: PeerTask, columns: npt.NDArray[np.int64]) -> Prediction:
    """Fits a mean, a median, a purchase, tiers and two quantiles.

    Args:
        task: The users and what may be learnt from.
        columns: Positions of the context's columns to read.
    """
    examples, now = task.examples(), task.context()[:, columns]
    data = lightgbm.Dataset(
        examples.context[:, columns],
        weight=examples.weight,
        params={**_SETTINGS, "seed": task.seed},
        free_raw_data=False,
    ).construct()
    spend, cuts = examples.spend, task.tier_cut_points

    def fit(objective: str, label: npt.NDArray[Any], **settings: Any) -> Values:
        data.set_label(label)
        chosen = {**_SETTINGS, "seed": task.seed, "objective": objective, **settings}
        return np.asarray(lightgbm.train(chosen, data, _ROUNDS).predict(now), np.float64)

    median = fit("regression_l1", spend).clip(0)
    low, high = (fit("quantile", spend, alpha=level).clip(0) for level in (0.1, 0.9))
    tiers = fit("multiclass", tiers_of(spend, cuts), num_class=len(cuts) + 1)
    return Prediction(
        purchase_probability=fit("binary", examples.bought),
        expected_spend=fit("tweedie", spend),
        spend_p50=median,
        tier=tiers.argmax(axis=1),
        # Quantiles that are fitted apart may cross.
        spend_p10=np.minimum(low, median),
        spend_p90=np.maximum(high, median),
    )
