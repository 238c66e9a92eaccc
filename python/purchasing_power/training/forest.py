"""An isolation forest over users' context: who is unlike everybody else, as a part of the head's graph.

Liu, Ting, Zhou 2008, "Isolation forest": users that few random cuts set apart are unusual.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import IsolationForest

from purchasing_power.training.tree_graph import Tree, join

ANOMALY_OUTPUTS = ("anomaly_score", "is_outlier")

_TREES = 100
_USERS_PER_TREE = 256


@dataclass(frozen=True)
class Forest:
    """A fitted forest, and from which score on a user is an outlier.

    Attributes:
        estimator: The fitted forest.
        threshold: Users whose score is above it are outliers.
    """

    estimator: IsolationForest
    threshold: np.float32

    def score(self, context: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Gives the anomaly scores [n] of context [n, K]: 0 to 1, about one half for the ordinary."""
        scores: npt.NDArray[np.float64] = -self.estimator.score_samples(context)
        return scores


def fit_forest(context: npt.NDArray[np.float32], *, outlier_share: float, seed: int) -> Forest:
    """Fits a forest.

    Args:
        context: [n, K] standardised context of n >= 1 users, one row each.
        outlier_share: Share of these users that are outliers.
        seed: Seeds the choice of users and cuts.
    """
    estimator = IsolationForest(
        n_estimators=_TREES, max_samples=min(_USERS_PER_TREE, len(context)), random_state=seed
    ).fit(context)
    scores = -estimator.score_samples(context)
    # Of equal scores all or none is above, so never more users than the share.
    threshold = np.quantile(scores, 1 - outlier_share, method="inverted_cdf")
    # The graph's scores are float32 and differ from these by rounding: a user at the threshold is no outlier.
    return Forest(estimator, np.float32(threshold + 1e-6))


def add_forest(head: onnx.ModelProto, forest: Forest) -> None:
    """Adds a forest to the head's graph, which is changed: outputs anomaly_score [batch], is_outlier [batch].

    All trees are one operator whose leaves hold what they add to the exponent of the score. The converter of
    skl2onnx 1.20 makes 2,700 nodes of the same forest, which take five times as long.
    """
    graph = head.graph
    constants: dict[str, npt.NDArray[Any]] = {
        "forest_axis": np.array([1], np.int64),
        "forest_base": np.array(2, np.float32),
        "forest_threshold": np.array(forest.threshold, np.float32),
    }
    graph.node.extend(
        [
            join(_trees(forest.estimator)).node("context", "forest_exponents", "forest_trees"),
            helper.make_node("Squeeze", ["forest_exponents", "forest_axis"], ["forest_exponent"]),
            helper.make_node("Pow", ["forest_base", "forest_exponent"], ["anomaly_score"]),
            helper.make_node("Greater", ["anomaly_score", "forest_threshold"], ["is_outlier"]),
        ]
    )
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    kinds = (TensorProto.FLOAT, TensorProto.BOOL)
    graph.output.extend(
        helper.make_tensor_value_info(name, kind, ["batch"])
        for name, kind in zip(ANOMALY_OUTPUTS, kinds, strict=True)
    )


def _trees(estimator: IsolationForest) -> Iterator[Tree]:
    usual = float(_path_length(np.array([estimator.max_samples_]))[0])
    trees = list(zip(estimator.estimators_, estimator.estimators_features_, strict=True))
    for fitted, features in trees:
        tree = fitted.tree_
        # A leaf of several users stands for the cuts that would still have been needed.
        path = _depths(tree) + _path_length(tree.n_node_samples)
        yield Tree(
            feature=features[np.maximum(tree.feature, 0)],
            threshold=tree.threshold,
            left=tree.children_left,
            right=tree.children_right,
            # A forest grown on one user has no cut at all; scikit-learn gives everybody one half.
            value=-(path / usual if usual else np.ones(len(path))) / len(trees),
        )


def _depths(tree: Any) -> npt.NDArray[np.int64]:
    depths = np.zeros(tree.node_count, np.int64)
    # Children come after their parents.
    for node in np.flatnonzero(tree.children_left >= 0):
        depths[[tree.children_left[node], tree.children_right[node]]] = depths[node] + 1
    return depths


def _path_length(users: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Mean cuts that set one of n users apart in a random tree (Liu, Ting, Zhou 2008, equation 1)."""
    n = np.maximum(users.astype(np.float64), 2.0)
    length = 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n
    return np.where(users > 2, length, np.where(users == 2, 1.0, 0.0))
