"""Trees as operators of the head's graph, whichever library grew them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

DOMAIN = "ai.onnx.ml"
# The first with `TreeEnsemble`, whose modes and numbers are tensors: the same trees in a third of the bytes
# of the older operator, which writes "BRANCH_LEQ" for every cut.
DOMAIN_VERSION = 5
OPERATOR = "TreeEnsemble"
OLD_OPERATOR = "TreeEnsembleRegressor"

# What boosted trees say of the context, [n, 3], inside the head's graph.
TREE_OUTPUT = "trees"
TREE_TARGETS = ("buy_logit", "log_amount", "median")

# How the operator names what it does (https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html).
_LEFT_IF_AT_MOST = 0
_SUM = 1


class Tree(NamedTuple):
    """A tree of n nodes, children after their parents.

    A row goes left where its feature is at most the threshold.

    Attributes:
        feature: [n] which feature a node looks at.
        threshold: [n] what it compares it with.
        left: [n] place of the left child, -1 of a leaf.
        right: [n] place of the right child.
        value: [n] what a leaf adds to the output.
    """

    feature: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float64]
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ensemble:
    """Trees whose leaves add up to one number: t trees of s cuts and l leaves in all.

    Attributes:
        feature: [s] which feature a cut looks at.
        threshold: [s] a row goes left where its feature is at most this.
        left: [s] place of what is left of a cut, among the leaves where it is one, else among the cuts.
        right: [s] place of what is right of it.
        left_is_leaf: [s] whether that is a leaf.
        right_is_leaf: [s] whether that is a leaf.
        root: [t] place of each tree's first cut; trees follow one another, and so do their leaves.
        value: [l] what a leaf adds.
    """

    feature: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float32]
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    left_is_leaf: npt.NDArray[np.bool_]
    right_is_leaf: npt.NDArray[np.bool_]
    root: npt.NDArray[np.int64]
    value: npt.NDArray[np.float32]

    def node(self, rows: str, output: str, name: str) -> onnx.NodeProto:
        """Gives the operator: rows [n, K] -> output [n, 1]."""
        return helper.make_node(
            OPERATOR,
            [rows],
            [output],
            name=name,
            domain=DOMAIN,
            n_targets=1,
            aggregate_function=_SUM,
            tree_roots=self.root.tolist(),
            nodes_featureids=self.feature.tolist(),
            nodes_splits=numpy_helper.from_array(self.threshold),
            nodes_modes=numpy_helper.from_array(np.full(len(self.feature), _LEFT_IF_AT_MOST, np.uint8)),
            nodes_truenodeids=self.left.tolist(),
            nodes_falsenodeids=self.right.tolist(),
            nodes_trueleafs=self.left_is_leaf.astype(np.int64).tolist(),
            nodes_falseleafs=self.right_is_leaf.astype(np.int64).tolist(),
            leaf_targetids=[0] * len(self.value),
            leaf_weights=numpy_helper.from_array(self.value),
        )

    def leaves(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
        """Gives the place [n, t] of the leaf that each of the rows [n, K] falls into, in each tree."""
        found = np.empty((len(rows), len(self.root)), np.int32)
        every = np.arange(len(rows))
        for tree, root in enumerate(self.root):
            walking, at = every, np.full(len(rows), root)
            while len(walking):
                goes_left = rows[walking, self.feature[at]] <= self.threshold[at]
                following = np.where(goes_left, self.left[at], self.right[at])
                arrived = np.where(goes_left, self.left_is_leaf[at], self.right_is_leaf[at])
                found[walking[arrived], tree] = following[arrived]
                walking, at = walking[~arrived], following[~arrived]
        return found

    def subset(self, trees: npt.NDArray[np.int64]) -> Ensemble:
        """Gives some of the trees, by their rising places, with their own leaves' values."""
        return join([self.tree(int(place)) for place in trees])

    def with_values(self, value: npt.NDArray[np.float64]) -> Ensemble:
        """Gives the same trees with other values [l] in their leaves."""
        return replace(self, value=value.astype(np.float32))

    def tree(self, place: int) -> Tree:
        """Gives one tree as it was before it was joined."""
        nodes: list[tuple[int, float, int, int, float]] = []

        def add(at: int, is_leaf: bool) -> int:
            here = len(nodes)
            if is_leaf:
                nodes.append((0, 0.0, -1, -1, float(self.value[at])))
                return here
            nodes.append((0, 0.0, 0, 0, 0.0))
            left = add(int(self.left[at]), bool(self.left_is_leaf[at]))
            right = add(int(self.right[at]), bool(self.right_is_leaf[at]))
            nodes[here] = (int(self.feature[at]), float(self.threshold[at]), left, right, 0.0)
            return here

        add(int(self.root[place]), False)
        columns = [np.array(column) for column in zip(*nodes, strict=True)]
        return Tree(*columns)


def join(trees: Iterable[Tree]) -> Ensemble:
    """Joins trees to an ensemble that adds up their leaves, without cuts that change nothing."""
    parts: list[Ensemble] = []
    cuts = leaves = 0
    for tree in trees:
        part = _numbered(_without_idle_cuts(tree), cuts, leaves)
        parts.append(part)
        cuts, leaves = cuts + len(part.feature), leaves + len(part.value)
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in Ensemble.__dataclass_fields__
    }
    return Ensemble(**columns)


def put_trees(graph: onnx.GraphProto, ensembles: Sequence[Ensemble]) -> None:
    """Computes `trees` [n, 3] from the context in a graph, in the place of what did so before.

    An operator a target, because one for all three would add up a row of three numbers at every leaf, which
    takes a tenth longer.
    """
    outputs = [f"{TREE_OUTPUT}_{target}" for target in TREE_TARGETS]
    nodes = [
        ensemble.node("context", output, f"boosted_{output}")
        for ensemble, output in zip(ensembles, outputs, strict=True)
    ]
    nodes.append(helper.make_node("Concat", outputs, [TREE_OUTPUT], name=f"boosted_{TREE_OUTPUT}", axis=1))
    replaced = {*outputs, TREE_OUTPUT}
    nodes += [node for node in graph.node if not replaced & set(node.output)]
    # Copied before the list that holds some of them is emptied.
    nodes = copy.deepcopy(nodes)
    del graph.node[:]
    graph.node.extend(nodes)


def boosted_trees(graph: onnx.GraphProto) -> list[Ensemble]:
    """Gives the ensembles of TREE_TARGETS in the head's graph, this or an older version's; none without."""
    makers = {node.output[0]: node for node in graph.node if node.domain == DOMAIN}
    if TREE_OUTPUT in makers:
        return read(makers[TREE_OUTPUT])
    names = [f"{TREE_OUTPUT}_{target}" for target in TREE_TARGETS]
    return [read(makers[name])[0] for name in names if name in makers]


def with_compact_trees(head: onnx.ModelProto) -> onnx.ModelProto:
    """Writes the trees of a head as this version does; the numbers stay the same."""
    compact = copy.deepcopy(head)
    boosted = boosted_trees(compact.graph)
    if boosted:
        put_trees(compact.graph, boosted)
    for node in compact.graph.node:
        if node.op_type == OLD_OPERATOR:
            (ensemble,) = read(node)
            node.CopyFrom(ensemble.node(node.input[0], node.output[0], node.name))
    import_domain(compact)
    return compact


def read(node: onnx.NodeProto) -> list[Ensemble]:
    """Reads an ensemble a target back from an operator, of this form or of that of earlier versions."""
    attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    if node.op_type == OLD_OPERATOR:
        return _read_old(attributes)

    def numbers(name: str) -> npt.NDArray[np.int64]:
        return np.array(attributes[name], np.int64)

    return [
        Ensemble(
            feature=numbers("nodes_featureids"),
            threshold=numpy_helper.to_array(attributes["nodes_splits"]),
            left=numbers("nodes_truenodeids"),
            right=numbers("nodes_falsenodeids"),
            left_is_leaf=numbers("nodes_trueleafs").astype(np.bool_),
            right_is_leaf=numbers("nodes_falseleafs").astype(np.bool_),
            root=numbers("tree_roots"),
            value=numpy_helper.to_array(attributes["leaf_weights"]),
        )
    ]


def import_domain(model: onnx.ModelProto) -> None:
    """Says in a model, which is changed, that it uses the operator; whichever version it named before."""
    others = [item for item in model.opset_import if item.domain != DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend([*others, helper.make_opsetid(DOMAIN, DOMAIN_VERSION)])


def _numbered(tree: Tree, cuts: int, leaves: int) -> Ensemble:
    """Numbers a tree's cuts and leaves, each from a number on."""
    is_leaf = tree.left < 0
    place = np.where(is_leaf, leaves + np.cumsum(is_leaf), cuts + np.cumsum(~is_leaf)) - 1
    at = np.flatnonzero(~is_leaf)
    left, right = tree.left[at], tree.right[at]
    if not len(at):
        # The operator knows no tree without a cut: one between the leaf and itself stands for it.
        at = left = right = np.zeros(1, np.int64)
    return Ensemble(
        feature=tree.feature[at].astype(np.int64),
        threshold=_rounded_down(tree.threshold[at]),
        left=place[left],
        right=place[right],
        left_is_leaf=is_leaf[left],
        right_is_leaf=is_leaf[right],
        root=np.array([cuts], np.int64),
        value=tree.value[is_leaf].astype(np.float32),
    )


def _without_idle_cuts(tree: Tree) -> Tree:
    """Leaves out cuts between leaves of the same value; an isolation forest's last cuts are such."""
    left, right, value = tree.left.copy(), tree.right.copy(), tree.value.astype(np.float32)
    used = np.ones(len(left), np.bool_)
    for node in range(len(left) - 1, -1, -1):
        children = [left[node], right[node]]
        if left[node] >= 0 and (left[children] < 0).all() and value[children[0]] == value[children[1]]:
            value[node] = value[children[0]]
            used[children] = False
            left[node] = right[node] = -1
    place = np.cumsum(used) - 1
    return Tree(
        feature=tree.feature[used],
        threshold=tree.threshold[used],
        left=np.where(left < 0, -1, place[left])[used],
        right=np.where(right < 0, -1, place[right])[used],
        value=value[used].astype(np.float64),
    )


def _read_old(attributes: dict[str, Any]) -> list[Ensemble]:
    columns = {
        name: np.array(values)
        for name, values in attributes.items()
        if name.startswith(("nodes_", "target_")) and name != "nodes_modes"
    }
    is_leaf = np.array([mode == b"LEAF" for mode in attributes["nodes_modes"]])
    tree_of, tree_of_value = columns["nodes_treeids"], columns["target_treeids"]
    by_target: list[list[Tree]] = [[] for _ in range(attributes["n_targets"])]
    for number in np.unique(tree_of):
        mine, values = tree_of == number, tree_of_value == number
        value = np.zeros(mine.sum())
        value[columns["target_nodeids"][values]] = columns["target_weights"][values]
        tree = Tree(
            feature=columns["nodes_featureids"][mine],
            threshold=columns["nodes_values"][mine],
            left=np.where(is_leaf[mine], -1, columns["nodes_truenodeids"][mine]),
            right=np.where(is_leaf[mine], -1, columns["nodes_falsenodeids"][mine]),
            value=value,
        )
        by_target[int(columns["target_ids"][values][0])].append(tree)
    return [join(trees) for trees in by_target]


def _rounded_down(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Gives the largest float32 that is no larger, so that float32 values fall on the same side as before."""
    near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)
