"""Trees as operators: against what the older operator, and a walk by hand, make of the same trees."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
import small_model
from onnx import TensorProto, helper

from purchasing_power.scoring import ScoringModel
from purchasing_power.training import tree_graph
from purchasing_power.training.tree_graph import Ensemble, Tree, join

RANDOM = np.random.default_rng(21)
ROWS = RANDOM.normal(size=(500, 4)).astype(np.float32)


def random_tree(cuts: int) -> Tree:
    """A tree that was grown by cutting leaves at random."""
    left, right = [-1], [-1]
    for _ in range(cuts):
        leaf = int(RANDOM.choice(np.flatnonzero(np.array(left) < 0)))
        left[leaf], right[leaf] = len(left), len(left) + 1
        left += [-1, -1]
        right += [-1, -1]
    nodes = len(left)
    return Tree(
        feature=RANDOM.integers(0, 4, nodes),
        threshold=RANDOM.normal(size=nodes),
        left=np.array(left),
        right=np.array(right),
        value=RANDOM.normal(size=nodes),
    )


def by_hand(trees: list[Tree], rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    sums = np.zeros(len(rows))
    for place, row in enumerate(rows):
        for tree in trees:
            node = 0
            while tree.left[node] >= 0:
                goes_left = row[tree.feature[node]] <= tree.threshold[node]
                node = tree.left[node] if goes_left else tree.right[node]
            sums[place] += tree.value[node]
    return sums


def run(node: onnx.NodeProto, version: int, width: int = 1) -> npt.NDArray[np.float32]:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node],
        "trees",
        [value("rows", TensorProto.FLOAT, ["batch", 4])],
        [value("sums", TensorProto.FLOAT, ["batch", width])],
    )
    domains = [helper.make_opsetid("", 17), helper.make_opsetid(tree_graph.DOMAIN, version)]
    model = helper.make_model(graph, opset_imports=domains, ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return np.asarray(ort.InferenceSession(model.SerializeToString()).run(None, {"rows": ROWS})[0])


def said(ensemble: Ensemble) -> npt.NDArray[np.float32]:
    return run(ensemble.node("rows", "sums", "trees"), tree_graph.DOMAIN_VERSION)[:, 0]


def old_node(by_target: list[list[Tree]]) -> onnx.NodeProto:
    """What versions before this one registered."""
    columns: dict[str, list[Any]] = {}

    def add(**values: Any) -> None:
        for name, value in values.items():
            columns.setdefault(name, []).extend(np.asarray(value).tolist())

    number = 0
    for target, trees in enumerate(by_target):
        for tree in trees:
            is_leaf = tree.left < 0
            leaves = np.flatnonzero(is_leaf)
            add(
                nodes_treeids=np.full(len(is_leaf), number),
                nodes_nodeids=np.arange(len(is_leaf)),
                nodes_featureids=np.where(is_leaf, 0, tree.feature),
                nodes_values=np.where(is_leaf, 0, tree.threshold),
                nodes_modes=np.where(is_leaf, "LEAF", "BRANCH_LEQ"),
                nodes_truenodeids=np.maximum(tree.left, 0),
                nodes_falsenodeids=np.maximum(tree.right, 0),
                target_treeids=np.full(len(leaves), number),
                target_nodeids=leaves,
                target_ids=np.full(len(leaves), target),
                target_weights=tree.value[leaves],
            )
            number += 1
    return helper.make_node(
        tree_graph.OLD_OPERATOR,
        ["rows"],
        ["sums"],
        domain=tree_graph.DOMAIN,
        n_targets=len(by_target),
        aggregate_function="SUM",
        **columns,
    )


@pytest.mark.parametrize("sizes", [(14, 14, 3), (1,), (0,), (5, 0, 0, 7), (0, 0)])
def test_the_operator_adds_up_the_leaves_that_a_row_falls_into(sizes: tuple[int, ...]) -> None:
    trees = [random_tree(cuts) for cuts in sizes]
    ensemble = join(trees)
    expected = by_hand(trees, ROWS)
    np.testing.assert_allclose(said(ensemble), expected, atol=2e-6)
    np.testing.assert_allclose(ensemble.value[ensemble.leaves(ROWS)].sum(axis=1), expected, atol=2e-6)


def test_the_older_operator_is_read_target_by_target() -> None:
    by_target = [[random_tree(14) for _ in range(20)], [random_tree(6), random_tree(0)]]
    node = old_node(by_target)
    found = tree_graph.read(node)
    assert [len(ensemble.root) for ensemble in found] == [20, 2]
    np.testing.assert_allclose(np.stack([said(one) for one in found], axis=1), run(node, 3, 2), atol=2e-6)
    assert sum(one.node("r", "s", "n").ByteSize() for one in found) < 0.5 * node.ByteSize()


def test_what_is_written_is_read_back() -> None:
    ensemble = join([random_tree(14), random_tree(0)])
    (again,) = tree_graph.read(ensemble.node("rows", "sums", "trees"))
    for name in Ensemble.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(again, name), getattr(ensemble, name))


def test_a_part_of_the_trees_keeps_its_leaves() -> None:
    trees = [random_tree(cuts) for cuts in (14, 0, 3, 9)]
    ensemble = join(trees)
    part = ensemble.subset(np.array([1, 3]))
    assert len(part.root) == 2
    np.testing.assert_allclose(said(part), by_hand([trees[1], trees[3]], ROWS), atol=2e-6)
    doubled = ensemble.with_values(2 * ensemble.value.astype(np.float64)).subset(np.array([1, 3]))
    np.testing.assert_allclose(said(doubled), 2 * said(part), atol=2e-6)


def test_a_cut_between_equal_leaves_is_left_out() -> None:
    # The right half's three leaves all say 2, so one leaf is enough for them; the left one's differ.
    tree = Tree(
        feature=np.array([0, 1, 0, 0, 2, 3, 0, 0, 0]),
        threshold=np.zeros(9),
        left=np.array([1, 2, -1, -1, 5, 6, -1, -1, -1]),
        right=np.array([4, 3, -1, -1, 8, 7, -1, -1, -1]),
        value=np.array([0, 0, 1, 3, 0, 0, 2, 2, 2.0]),
    )
    ensemble = join([tree])
    assert (len(ensemble.feature), sorted(ensemble.value)) == (2, [1, 2, 3])
    np.testing.assert_array_equal(said(ensemble), by_hand([tree], ROWS))


def test_a_head_of_an_older_version_says_the_same_when_it_is_written_anew() -> None:
    head = small_model.graphs().head
    old = onnx.ModelProto()
    old.CopyFrom(head)
    boosted = [_trees(one) for one in tree_graph.boosted_trees(head.graph)]
    forest = next(node for node in head.graph.node if node.name == "forest_trees")
    nodes = [
        _old("trees", "boosted_trees", boosted),
        _old("forest_exponents", "forest_trees", [_trees(tree_graph.read(forest)[0])]),
        *(node for node in head.graph.node if node.domain != tree_graph.DOMAIN and node.output[0] != "trees"),
    ]
    del old.graph.node[:], old.opset_import[:]
    old.graph.node.extend(nodes)
    # As tf2onnx and the exporter left them, one beside the other.
    old.opset_import.extend(
        helper.make_opsetid(*item) for item in (("", 17), ("ai.onnx.ml", 2), ("ai.onnx.ml", 3))
    )
    compact = tree_graph.with_compact_trees(old)
    assert not [node for node in compact.graph.node if node.op_type == tree_graph.OLD_OPERATOR]
    assert [(item.domain, item.version) for item in compact.opset_import] == [("", 17), ("ai.onnx.ml", 5)]
    assert compact.ByteSize() < 0.6 * old.ByteSize()
    state, context = RANDOM.normal(size=(500, 64)).astype(np.float32), ROWS
    before, after = (scores(graph, state, context) for graph in (old, compact))
    for name, values in vars(before).items():
        np.testing.assert_allclose(vars(after)[name], values, rtol=1e-5, atol=1e-6, err_msg=name)
    np.testing.assert_array_equal(after.anomaly_score, before.anomaly_score)


def scores(head: onnx.ModelProto, state: Any, context: Any) -> Any:
    stamped = onnx.ModelProto()
    stamped.CopyFrom(head)
    helper.set_model_props(stamped, small_model.metadata().to_properties("head"))
    model = ScoringModel.from_bytes(small_model.exported().encoder, stamped.SerializeToString())
    return model.predict(state, context)


def _trees(ensemble: Ensemble) -> list[Tree]:
    return [ensemble.tree(place) for place in range(len(ensemble.root))]


def _old(output: str, name: str, by_target: list[list[Tree]]) -> onnx.NodeProto:
    node = old_node(by_target)
    node.input[0], node.output[0], node.name = "context", output, name
    return node
