"""Trees as one operator of ONNX, whichever library grew them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

DOMAIN = "ai.onnx.ml"
DOMAIN_VERSION = 3


class TreeColumns:
    """Collects trees as the attributes of a `TreeEnsembleRegressor`, whose outputs are sums over trees."""

    def __init__(self) -> None:
        """Starts without a tree."""
        self._columns: dict[str, list[npt.NDArray[Any]]] = {}
        self._trees = 0
        self._targets = 0

    def add(
        self,
        *,
        feature: npt.NDArray[np.int64],
        threshold: npt.NDArray[np.float64],
        left: npt.NDArray[np.int64],
        right: npt.NDArray[np.int64],
        value: npt.NDArray[np.float64],
        target: int = 0,
    ) -> None:
        """Adds a tree of n nodes; a row goes left where its feature is at most the threshold.

        Args:
            feature: [n] which feature a node looks at.
            threshold: [n] what it compares it with.
            left: [n] place of the left child, -1 of a leaf.
            right: [n] place of the right child.
            value: [n] what a leaf adds to the output.
            target: Which output that is.
        """
        is_leaf = left < 0
        leaves = np.flatnonzero(is_leaf)
        columns: dict[str, npt.NDArray[Any]] = {
            "nodes_treeids": np.full(len(left), self._trees),
            "nodes_nodeids": np.arange(len(left)),
            "nodes_featureids": np.where(is_leaf, 0, feature),
            "nodes_values": np.where(is_leaf, 0, _rounded_down(threshold)),
            "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ"),
            "nodes_truenodeids": np.maximum(left, 0),
            "nodes_falsenodeids": np.maximum(right, 0),
            "target_treeids": np.full(len(leaves), self._trees),
            "target_nodeids": leaves,
            "target_ids": np.full(len(leaves), target),
            "target_weights": value[leaves],
        }
        for name, column in columns.items():
            self._columns.setdefault(name, []).append(column)
        self._trees += 1
        self._targets = max(self._targets, target + 1)

    def attributes(self) -> dict[str, Any]:
        """Gives the operator's attributes."""
        attributes: dict[str, Any] = {
            name: np.concatenate(parts).tolist() for name, parts in self._columns.items()
        }
        return {**attributes, "n_targets": self._targets, "aggregate_function": "SUM"}


def _rounded_down(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Gives the largest float32 that is no larger, so that float32 values fall on the same side as before."""
    near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)
