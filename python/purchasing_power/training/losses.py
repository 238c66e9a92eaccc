"""What training minimises, written on the raw outputs that `network.SpendOutputs` describes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from purchasing_power.training.network import QUANTILE_LEVELS, LabelScale, SpendOutputs

_TWEEDIE_POWER = 1.5
_SLOPES = np.linspace(0, 1, 21)


def cross_entropy(actual: Any, logit: Any) -> Any:
    """Binary cross-entropy of labels (0 or 1) against logits; shapes broadcast."""
    return tf.nn.softplus(logit) - actual * logit


def lognormal_loss(spend: Any, mu: Any, sigma: Any, scale: float) -> Any:
    """Negative log-likelihood of positive spend under a lognormal, up to terms without parameters.

    The positive part of the zero-inflated lognormal loss (Wang, Liu, Miao 2019, arXiv 1912.07753, equation
    4).

    Args:
        spend: [...] money, anything where it is 0 (the result is 0 there).
        mu: [...] mean of the log of spend.
        sigma: [...] its standard deviation, > 0.
        scale: Unit of sigma; only shifts the loss by a constant.
    """
    is_positive = spend > 0
    log_spend = tf.math.log(tf.where(is_positive, spend, 1.0))
    loss = tf.math.log(sigma / scale) + 0.5 * tf.square((log_spend - mu) / sigma)
    return tf.where(is_positive, loss, 0.0)


def tweedie_loss(spend: Any, log_mean: Any) -> Any:
    """Half the unit deviance of a Tweedie distribution of power 1.5, up to terms without parameters.

    Its variance grows with the mean to the power 1.5, as that of a sum of a random number of baskets does
    (Jørgensen 1987, section 3), so large spenders do not drown the others.

    Args:
        spend: [...] money over the mean of spend.
        log_mean: [...] log of its predicted mean.
    """
    power = _TWEEDIE_POWER
    return tf.exp(log_mean * (2 - power)) / (2 - power) - spend * tf.exp(log_mean * (1 - power)) / (1 - power)


def tweedie_slope(
    log_mean: npt.NDArray[np.float64], weight: npt.NDArray[np.float64], spend: npt.NDArray[np.float64]
) -> float:
    """Gives the slope within [0, 1] that `log_mean` must be multiplied by for the smallest Tweedie loss.

    1 where nothing was spent, since nothing speaks against it.

    Args:
        log_mean: [n] predicted logs of means.
        weight: [n] weight of the examples that each prediction stands for.
        spend: [n] their money, as weighed.
    """
    if not spend.any():
        return 1.0
    # With its best intercept the loss of power 1.5 is 4 sqrt(A B) for these two sums A and B.
    left = [
        (weight * np.exp(slope * log_mean / 2)).sum() * (spend * np.exp(-slope * log_mean / 2)).sum()
        for slope in _SLOPES
    ]
    return float(_SLOPES[int(np.argmin(left))])


def pinball_loss(actual: Any, predicted: Any, level: float) -> Any:
    """Pinball (quantile) loss (Koenker, Bassett 1978).

    Args:
        actual: [...] values.
        predicted: [...] predicted quantiles.
        level: The quantile's level, within (0, 1).
    """
    error = actual - predicted
    return tf.maximum(level * error, (level - 1) * error)


def level_loss(scale: LabelScale, spend: Any, level: Any) -> Any:
    """Squared error of the level: log(1 + spend), standardised over all training labels.

    Args:
        scale: Statistics of the training labels.
        spend: [...] money within the horizon.
        level: [...] prediction.
    """
    return tf.square(level - (tf.math.log1p(spend) - scale.level_mean) / scale.level_std)


def multi_target_loss(outputs: SpendOutputs, raw: Any, spend: Any, bought: Any) -> Any:
    """Sum of all targets' losses, over what a constant prediction of the purchase costs.

    Only buyers say anything of amounts: a loss of spend that counts everybody's zeros is, where one user in
    a thousand buys, nearly all noise of the few who do. The divisor keeps the weight decay and the longest
    gradient meaning the same in every shop.

    Args:
        outputs: The layer that gives the raw outputs their meaning.
        raw: [..., P] raw outputs.
        spend: [...] money within the horizon.
        bought: [...] 1 where there was an order.

    Returns:
        [...] loss of each prediction.
    """
    part = outputs.parameters(raw)
    scale = outputs.scale
    buy = cross_entropy(bought, part.buy_logit)
    amount = lognormal_loss(spend, part.mu, part.sigma, scale.log_std)
    unit = scale.mean_of_buyers
    mean = bought * tweedie_loss(spend / unit, part.log_amount - math.log(unit))
    log_spend = tf.math.log1p(spend)
    quantiles = tf.add_n(
        [
            pinball_loss(log_spend, tf.math.log1p(outputs.quantile(part, level)), level)
            for level in QUANTILE_LEVELS
        ]
    )
    reached = tf.cast(spend[..., None] >= tf.constant(scale.tier_cut_points, tf.float32), tf.float32)
    tiers = tf.reduce_mean(cross_entropy(reached, outputs.tier_logits(part)), axis=-1)
    return (buy + amount + mean + quantiles + tiers) / (_entropy(scale.buy_rate) + scale.buy_rate)


def _entropy(rate: float) -> float:
    return -rate * math.log(rate) - (1 - rate) * math.log(1 - rate)
