"""Boosted trees beside the network: they see the context alone and err in other places.

Averages of models that are about as good and differ in kind beat each of them; here the network's view of
the sequence is averaged with the trees' view of the context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.training.dataset import AnchorSample
from purchasing_power.training.tree_graph import TREE_OUTPUT, Tree, join, put_trees

if TYPE_CHECKING:
    import lightgbm

# Anchors that trees are grown on at most: more change little, and memory stays what it is.
LARGEST_SAMPLE = 500_000

# Chosen on the earlier windows of four shops. Cuts drawn at random instead of the best ones, few features and
# half the leaves' gain make trees that differ, which is worth more than trees that fit.
_SETTINGS: dict[str, Any] = {
    "num_leaves": 15,
    "extra_trees": True,
    "min_data_in_leaf": 100,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "feature_fraction": 0.5,
    "lambda_l2": 5.0,
    # The same trees whatever the number of cores.
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
# Number of trees times learning rate: fewer trees learn more each.
_LEARNT_IN_ALL = 9.0
_LARGEST_RATE = 0.3


@dataclass(frozen=True)
class BoostedTrees:
    """Fitted trees, one ensemble a target: log-odds of a purchase, log of a buyer's mean and median spend.

    Attributes:
        boosters: The ensembles, in the order of `TREE_TARGETS`.
    """

    boosters: Sequence[lightgbm.Booster]

    def predict(self, context: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Gives [n, 3] of context [n, K]."""
        columns = [booster.predict(context, raw_score=True) for booster in self.boosters]
        return np.stack(columns, axis=1).astype(np.float32)


def fit_trees(sample: AnchorSample, *, trees: int, seed: int) -> BoostedTrees:
    """Grows trees.

    Args:
        sample: Context and labels of training anchors.
        trees: How many trees an ensemble has, at least 1.
        seed: Seeds cuts, rows and features.

    Raises:
        PurchasingPowerError: LightGBM cannot be loaded.
    """
    spent = sample.spend > 0
    log_spend = np.log(sample.spend[spent])
    return BoostedTrees(
        [
            _grow("binary", sample.context, sample.bought, sample.weight, trees, seed),
            _grow("gamma", sample.context[spent], sample.spend[spent], sample.weight[spent], trees, seed),
            _grow("regression_l1", sample.context[spent], log_spend, sample.weight[spent], trees, seed),
        ]
    )


def _grow(
    objective: str,
    context: npt.NDArray[np.float32],
    label: npt.NDArray[Any],
    weight: npt.NDArray[np.float64],
    trees: int,
    seed: int,
) -> lightgbm.Booster:
    library = _load_lightgbm()
    rate = min(_LEARNT_IN_ALL / trees, _LARGEST_RATE)
    settings = {**_SETTINGS, "objective": objective, "learning_rate": rate, "seed": seed}
    if len(label) < 2 * _SETTINGS["min_data_in_leaf"]:
        # No cut is possible; and LightGBM stops where a part of a few rows is no row.
        settings["bagging_freq"] = 0
    # LightGBM's own bound is of weights' sum; rows that weigh a hundredth would never fill a leaf.
    data = library.Dataset(context, label, weight=weight / weight.mean(), params={"verbosity": -1})
    booster: lightgbm.Booster = library.train(settings, data, num_boost_round=trees)
    return booster


def _load_lightgbm() -> Any:
    try:
        import lightgbm
    except OSError as error:
        raise PurchasingPowerError(
            f"LightGBM cannot be loaded ({error}): install OpenMP's runtime (libgomp1 on Debian and Ubuntu, "
            "libgomp on Fedora, libomp by Homebrew on macOS), or train without trees: --trees 0."
        ) from error
    return lightgbm


def add_trees(head: onnx.ModelProto, trees: BoostedTrees) -> None:
    """Puts trees into the head's graph, which is changed: they take the place of its input of that name."""
    graph = head.graph
    put_trees(
        graph,
        [
            join(_tree(item["tree_structure"]) for item in grown.dump_model()["tree_info"])
            for grown in trees.boosters
        ],
    )
    inputs = [value for value in graph.input if value.name != TREE_OUTPUT]
    del graph.input[:]
    graph.input.extend(inputs)


def _tree(root: dict[str, Any]) -> Tree:
    feature: list[int] = []
    threshold: list[float] = []
    left: list[int] = []
    right: list[int] = []
    value: list[float] = []

    def place(node: dict[str, Any]) -> int:
        number = len(feature)
        is_leaf = "leaf_value" in node
        feature.append(0 if is_leaf else node["split_feature"])
        threshold.append(0.0 if is_leaf else node["threshold"])
        value.append(node["leaf_value"] if is_leaf else 0.0)
        left.append(-1)
        right.append(-1)
        if not is_leaf:
            left[number], right[number] = place(node["left_child"]), place(node["right_child"])
        return number

    place(root)
    return Tree(
        feature=np.array(feature, np.int64),
        threshold=np.array(threshold, np.float64),
        left=np.array(left, np.int64),
        right=np.array(right, np.int64),
        value=np.array(value, np.float64),
    )
