"""What a method predicts of n users, however it came by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Prediction:
    """Predictions of one method; money over the horizon.

    Attributes:
        purchase_probability: [n] probability of at least one order.
        expected_spend: [n] mean spend.
        spend_p50: [n] median of spend.
        tier: [n] index of the tier, 0 = lowest.
        spend_p10: [n] 10 % quantile of spend, where the method has one.
        spend_p90: [n] 90 % quantile of spend, where the method has one.
        buyer_rank: [n] what orders users from unlikely to likely buyers, where that is not the probability.
    """

    purchase_probability: Values
    expected_spend: Values
    spend_p50: Values
    tier: npt.NDArray[np.int64]
    spend_p10: Values | None = None
    spend_p90: Values | None = None
    buyer_rank: Values | None = None


def level_among_buyers(level: float, probability: Values) -> Values:
    """Gives the level among buyers at which a quantile of everybody's spend lies, 0 where that quantile is 0.

    Of a user who buys with probability p, the level q of spend is the level (q - (1 - p)) / p of what they
    spend if they buy, as the other 1 - p of all outcomes are 0.

    Args:
        level: The level among all outcomes, within (0, 1).
        probability: [n] purchase probability; 0 gives 0.
    """
    possible = np.maximum(probability, np.finfo(np.float64).tiny)
    found: Values = np.clip((level - (1 - probability)) / possible, 0.0, 1.0)
    return found


class Scores(Protocol):
    """A table of scores, as the scoring core's head gives it."""

    def column(self, name: str) -> Any:
        """Gives a column by its name."""
        ...


def prediction_from_scores(scores: Scores, tier_names: Sequence[str]) -> Prediction:
    """Reads predictions from a table of the scoring core.

    Args:
        scores: n rows of purchase_probability, expected_spend, spend_p10, spend_p50, spend_p90,
            purchasing_power_tier.
        tier_names: Names of the tiers, lowest first.
    """
    places = {name: place for place, name in enumerate(tier_names)}
    tiers = scores.column("purchasing_power_tier").to_pylist()

    def money(name: str) -> Values:
        values: Values = scores.column(name).to_numpy()
        return values

    return Prediction(
        purchase_probability=money("purchase_probability"),
        expected_spend=money("expected_spend"),
        spend_p50=money("spend_p50"),
        tier=np.array([places[name] for name in tiers], np.int64),
        spend_p10=money("spend_p10"),
        spend_p90=money("spend_p90"),
    )
