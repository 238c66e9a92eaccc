"""Predictions that cost nothing; a model that does not beat them is not worth its keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from purchasing_power.evaluation.metrics import tiers_of
from purchasing_power.evaluation.prediction import Prediction, Values


class Labels(Protocol):
    """What n users did before an anchor."""

    @property
    def past_spend(self) -> Values:
        """[n] money of the horizon before the anchor."""
        ...


def persistence(past_spend: Values, tier_cut_points: Sequence[float]) -> Prediction:
    """Everybody spends what they spent in the horizon before the anchor, and buys if they bought then.

    Who spent more is taken for the likelier buyer; a 0 or 1 alone would rank most users alike.

    Args:
        past_spend: [n] money of the horizon before the anchor.
        tier_cut_points: Money at which each tier but the lowest begins.
    """
    return Prediction(
        purchase_probability=(past_spend > 0).astype(np.float64),
        expected_spend=past_spend,
        spend_p50=past_spend,
        tier=tiers_of(past_spend, tier_cut_points),
        buyer_rank=past_spend,
    )


def majority(past_spend: Values, tier_cut_points: Sequence[float]) -> Prediction:
    """Everybody is like most were in the horizon before the anchor.

    All get the share of buyers, the mean, the quantiles and the commonest tier but the top one, because four
    in five are not in the top fifth.

    Args:
        past_spend: [n] money of the horizon before the anchor.
        tier_cut_points: Money at which each tier but the lowest begins.
    """
    users = len(past_spend)
    counts = np.bincount(tiers_of(past_spend, tier_cut_points), minlength=len(tier_cut_points) + 1)
    commonest = int(counts[:-1].argmax())
    low, middle, high = np.quantile(past_spend, (0.1, 0.5, 0.9))
    return Prediction(
        purchase_probability=np.full(users, (past_spend > 0).mean()),
        expected_spend=np.full(users, past_spend.mean()),
        spend_p50=np.full(users, middle),
        tier=np.full(users, commonest, np.int64),
        spend_p10=np.full(users, low),
        spend_p90=np.full(users, high),
    )


def baselines(labels: Labels, tier_cut_points: Sequence[float]) -> dict[str, Prediction]:
    """Gives what persistence and majority predict of a model's users.

    Args:
        labels: What the users did around the anchor.
        tier_cut_points: Money at which each tier but the lowest begins.
    """
    return {method.__name__: method(labels.past_spend, tier_cut_points) for method in (persistence, majority)}
