"""Boosted trees inside the head's graph, against LightGBM's own predictions."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import small_model

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring import ScoringModel
from purchasing_power.training.boosting import BoostedTrees, fit_trees
from purchasing_power.training.dataset import AnchorSample
from purchasing_power.training.export import convert

RANDOM = np.random.default_rng(14)


def sample(rows: int = 3000, buyers: float = 0.5) -> AnchorSample:
    context = RANDOM.normal(size=(rows, 4)).astype(np.float32)
    logit = context[:, 0] + np.log(buyers / (1 - buyers))
    bought = RANDOM.uniform(size=rows) < 1 / (1 + np.exp(-logit))
    spend = np.where(bought, np.exp(4 + context[:, 1] + 0.3 * RANDOM.normal(size=rows)), 0.0)
    return AnchorSample(context, spend, bought, np.ones(rows))


def through_onnx(trees: BoostedTrees, context: np.ndarray) -> np.ndarray:
    """What the graph's trees say, from a head whose only output they are."""
    graph = convert(small_model.network(), trees, small_model.forest()).head
    nodes = [item for item in graph.graph.node if item.name.startswith("boosted_")]
    value = onnx.helper.make_tensor_value_info
    alone = onnx.helper.make_model(
        onnx.helper.make_graph(
            nodes,
            "trees",
            [value("context", onnx.TensorProto.FLOAT, ["batch", 4])],
            [value("trees", onnx.TensorProto.FLOAT, ["batch", 3])],
        ),
        opset_imports=graph.opset_import,
        ir_version=graph.ir_version,
    )
    session = ort.InferenceSession(alone.SerializeToString())
    return np.asarray(session.run(None, {"context": context})[0])


def test_onnxruntime_says_what_lightgbm_says() -> None:
    trees = fit_trees(sample(), trees=40, seed=1)
    context = RANDOM.normal(size=(4000, 4)).astype(np.float32)
    np.testing.assert_allclose(through_onnx(trees, context), trees.predict(context), atol=2e-6)


def test_neighbouring_values_fall_on_their_own_side_of_a_cut() -> None:
    # Every cut lies between two neighbouring float32 values: rounded up, it would be the upper one.
    values = [np.float32(4)]
    while len(values) < 8:
        values.append(np.nextafter(values[-1], np.float32(5)))
    place = RANDOM.integers(0, 8, (4000, 4))
    context = np.array(values)[place]
    bought = RANDOM.uniform(size=4000) < place[:, 0] / 7
    labels = AnchorSample(context, np.where(bought, 20.0, 0.0), bought, np.ones(4000))
    trees = fit_trees(labels, trees=20, seed=2)
    assert len(np.unique(trees.predict(context)[:, 0])) > 4
    np.testing.assert_allclose(through_onnx(trees, context), trees.predict(context), atol=2e-6)


def test_they_learn_who_buys_and_what_buyers_spend() -> None:
    trees = fit_trees(sample(6000), trees=100, seed=3)
    far = np.zeros((4, 4), np.float32)
    far[0, 0], far[1, 0], far[2, 1], far[3, 1] = -1.5, 1.5, -1.5, 1.5
    logit, log_amount, median = trees.predict(far).T
    assert logit[0] < -0.5 < 0.5 < logit[1]
    assert log_amount[2] < 3.5 < 4.5 < log_amount[3]
    assert median[2] < 3.5 < 4.5 < median[3]


def test_fewer_trees_learn_more_each() -> None:
    data = sample(6000)
    many, few = (fit_trees(data, trees=trees, seed=4).predict(data.context)[:, 0] for trees in (150, 50))
    assert np.corrcoef(many, few)[0, 1] > 0.97
    assert few.std() == pytest.approx(many.std(), rel=0.1)


def test_the_same_seed_grows_the_same_trees() -> None:
    data = sample()
    first, again, other = (
        [booster.model_to_string() for booster in fit_trees(data, trees=10, seed=seed).boosters]
        for seed in (5, 5, 6)
    )
    assert first == again != other


@pytest.mark.parametrize("buyers", [1, 3])
def test_a_handful_of_buyers_is_enough_to_go_on(buyers: int) -> None:
    context = RANDOM.normal(size=(400, 4)).astype(np.float32)
    bought = np.arange(400) < buyers
    labels = AnchorSample(context, np.where(bought, 30.0, 0.0), bought, np.ones(400))
    said = fit_trees(labels, trees=5, seed=7).predict(context)
    assert np.isfinite(said).all()
    np.testing.assert_allclose(said[:, 1:], np.log(30), atol=1e-3)


def test_without_trees_the_head_is_the_network_alone() -> None:
    exported = convert(small_model.network(), None, small_model.forest()).stamp(small_model.metadata())
    model = ScoringModel.from_bytes(exported.encoder, exported.head)
    context = RANDOM.normal(size=(5, 4)).astype(np.float32)
    state = np.zeros((5, small_model.network().state_size), np.float32)
    with_trees = small_model.scoring_model().predict(state, context)
    assert (model.predict(state, context).expected_spend != with_trees.expected_spend).all()


def test_a_missing_runtime_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "lightgbm":
            raise OSError("libgomp.so.1: cannot open shared object file")
        return usual(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PurchasingPowerError, match=r"libgomp1 on Debian and Ubuntu.*--trees 0"):
        fit_trees(sample(200), trees=2, seed=1)
