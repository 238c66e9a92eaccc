"""Fits the projection of product embeddings to a few standardised factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

_FloatMatrix = npt.NDArray[np.float64]

# A component that explains less is rounding noise; divided by its deviation it would look like a feature.
_SMALLEST_DEVIATION = 1e-6


@dataclass(frozen=True)
class Projection:
    """Principal components, each of mean 0 and variance 1 over the products that it was fitted on.

    factors = embedding @ weights + bias.

    Attributes:
        weights: [width, factors].
        bias: [factors].
        explained: [factors] share of the embeddings' variance that each factor explains, falling.
    """

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    explained: tuple[float, ...]


def fit_projection(embeddings: _FloatMatrix, factors: int) -> Projection:
    """Fits principal components.

    Args:
        embeddings: [n, width], with n > factors and width >= factors.
        factors: How many components.

    Returns:
        Components whose largest weight is positive, so that the sign does not depend on the solver; one that
        the embeddings do not vary along is 0.
    """
    fitted = PCA(factors, svd_solver="covariance_eigh").fit(embeddings)
    deviation = np.sqrt(fitted.explained_variance_)
    varies = deviation > _SMALLEST_DEVIATION * max(
        float(deviation.max(initial=0.0)), np.finfo(np.float64).tiny
    )
    rows = np.arange(factors)
    signs = np.sign(fitted.components_[rows, np.abs(fitted.components_).argmax(axis=1)])
    scale = np.divide(signs, deviation, out=np.zeros(factors), where=varies)
    weights = (fitted.components_ * scale[:, None]).T
    return Projection(
        weights=weights.astype(np.float32),
        bias=(-fitted.mean_ @ weights).astype(np.float32),
        explained=tuple(float(share) for share in np.where(varies, fitted.explained_variance_ratio_, 0.0)),
    )
