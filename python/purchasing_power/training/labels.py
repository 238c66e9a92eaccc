"""Statistics of the training labels: what outputs are relative to, and where tiers begin."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.training.network import LabelScale


def tier_cut_points(spend: npt.NDArray[np.float64], n_tiers: int) -> tuple[float, ...]:
    """Cuts spend over the horizon into tiers.

    The cut points are the quantiles i / T of all labels. Where so many users buy nothing that those are not T
    - 1 distinct positive amounts, the quantiles of the buyers' spend are taken, and the lowest tier holds the
    others too.

    Args:
        spend: [n] money over the horizon, one per training label.
        n_tiers: T, at least 2.

    Returns:
        T - 1 strictly increasing amounts > 0.

    Raises:
        PurchasingPowerError: There are fewer than T - 1 distinct positive amounts.
    """
    if n_tiers < 2:
        raise PurchasingPowerError(
            f"{n_tiers} tier names are configured but a tier needs another to differ from; "
            "list at least two in purchasing_power__tier_names."
        )
    levels = np.arange(1, n_tiers) / n_tiers
    buyers = spend[spend > 0]
    distinct = np.unique(buyers)
    if len(distinct) < n_tiers - 1:
        raise PurchasingPowerError(
            f"The training labels hold {len(distinct)} distinct positive amounts but {n_tiers} tiers need "
            f"{n_tiers - 1}; bring more history or fewer tiers."
        )
    for sample in (spend, buyers, distinct):
        points = np.quantile(sample, levels, method="inverted_cdf")
        if points[0] > 0 and (np.diff(points) > 0).all():
            return tuple(float(point) for point in points)
    # Only where a few amounts repeat so often: then every amount that a tier can begin at is one.
    return tuple(float(point) for point in distinct[-(n_tiers - 1) :])


def label_scale(spend: npt.NDArray[np.float64], n_tiers: int) -> LabelScale:
    """Measures the training labels.

    Args:
        spend: [n] money over the horizon, one per training label.
        n_tiers: T, at least 2.

    Raises:
        PurchasingPowerError: There are too few buyers for T tiers.
    """
    cuts = tier_cut_points(spend, n_tiers)
    log_spend, levels = np.log(spend[spend > 0]), np.log1p(spend)
    return LabelScale(
        buy_rate=float(np.clip((spend > 0).mean(), 0.0001, 0.9999)),
        mean=float(spend.mean()),
        log_mean=float(log_spend.mean()),
        log_std=float(max(log_spend.std(), 0.1)),
        level_mean=float(levels.mean()),
        level_std=float(max(levels.std(), 0.1)),
        tier_cut_points=cuts,
    )
