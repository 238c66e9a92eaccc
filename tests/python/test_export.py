"""The exported graphs: fused operators, and the same numbers as Keras."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import small_model
import tensorflow as tf

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring import ScoringModel
from purchasing_power.training.config import TrainingConfig
from purchasing_power.training.export import ExportedModel, KerasScorer, ParityBatch, check_parity, convert
from purchasing_power.training.model import TrainedModel
from purchasing_power.training.network import Network

RANDOM = np.random.default_rng(8)


def parity_batch(users: int, steps: int, state_size: int = 64) -> ParityBatch:
    return ParityBatch(
        steps=RANDOM.normal(size=(users, steps, 3)).astype(np.float32),
        state=RANDOM.uniform(-1, 1, (users, state_size)).astype(np.float32),
        context=RANDOM.normal(size=(users, 4)).astype(np.float32),
    )


def operators(graph: bytes) -> Counter[str]:
    model = onnx.load_from_string(graph)
    onnx.checker.check_model(model, full_check=True)
    attributes = [attribute for node in model.graph.node for attribute in node.attribute]
    assert all(attribute.type != onnx.AttributeProto.GRAPH for attribute in attributes)
    return Counter(node.op_type for node in model.graph.node)


def test_one_fused_lstm_a_member_and_no_loop() -> None:
    encoder, head = operators(small_model.exported().encoder), operators(small_model.exported().head)
    assert encoder["LSTM"] == len(small_model.network().encoders) == 2
    assert head["LSTM"] == 0
    assert not {"Loop", "Scan", "If"} & set(encoder | head)


CELLS = [("lstm", 2), ("gru", 1), ("gru", 2), ("rnn", 1), ("rnn", 2)]


def opened(cell: str, layers: int, objective: str = "full") -> tuple[Network, ExportedModel, ScoringModel]:
    network = small_model.network(cell, layers, objective)
    metadata = small_model.metadata(state_size=network.state_size)
    exported = convert(network, None, small_model.forest()).stamp(metadata)
    return network, exported, ScoringModel.from_bytes(exported.encoder, exported.head, exported.sha256)


@pytest.mark.parametrize(("cell", "layers"), CELLS)
def test_every_cell_is_a_fused_operator_that_computes_what_keras_computes(cell: str, layers: int) -> None:
    network, exported, model = opened(cell, layers)
    encoder = operators(exported.encoder)
    assert encoder[cell.upper()] == 2 * layers
    assert not {"Loop", "Scan", "If"} & set(encoder)
    assert network.state_size == 2 * layers * (2 if cell == "lstm" else 1) * 16
    batches = [parity_batch(users, steps, network.state_size) for users, steps in ((32, 1), (16, 40), (8, 0))]
    report = check_parity(network, None, small_model.forest(), model, batches)
    assert 0 < report.state <= 1e-5
    again = convert(network, None, small_model.forest()).stamp(exported.metadata)
    assert again.sha256 == exported.sha256


@pytest.mark.parametrize(("cell", "layers"), CELLS)
def test_steps_in_pieces_give_what_training_saw_at_once(cell: str, layers: int) -> None:
    network, _, model = opened(cell, layers)
    steps = RANDOM.normal(size=(20, 15, 3)).astype(np.float32)
    context = RANDOM.normal(size=(20, 1, 4)).astype(np.float32)
    state = np.zeros((20, network.state_size), np.float32)
    for piece in np.split(steps, [1, 6], axis=1):
        state = model.next_state(piece, state)
    raw = np.asarray(network.model([steps, np.full((20, 1), 15, np.int32), context])).mean(axis=2)[:, 0]
    trained = network.outputs(raw)
    found = model.predict(state, context[:, 0])
    np.testing.assert_allclose(found.expected_spend, trained["expected_spend"], rtol=1e-4)
    np.testing.assert_allclose(found.purchase_probability, trained["purchase_probability"], atol=1e-5)


def test_a_head_that_reads_one_number_computes_what_keras_computes() -> None:
    network, exported, model = opened("lstm", 2, "mse")
    onnx.checker.check_model(onnx.load_from_string(exported.head), full_check=True)
    batches = [parity_batch(users, steps, network.state_size) for users, steps in ((32, 20), (8, 0))]
    report = check_parity(network, None, small_model.forest(), model, batches)
    assert 0 < report.probability <= 1e-5
    state = RANDOM.uniform(-1, 1, (64, network.state_size)).astype(np.float32)
    one, other = (model.predict(state, RANDOM.normal(size=(64, 4)).astype(np.float32)) for _ in range(2))
    np.testing.assert_array_equal(one.expected_spend, other.expected_spend)
    # The forest still looks at the context.
    assert (one.anomaly_score != other.anomaly_score).any()


def test_inputs_and_outputs_are_those_of_the_design() -> None:
    def shapes(graph: bytes) -> dict[str, list[str | int]]:
        model = onnx.load_from_string(graph)
        assert [(item.domain, item.version) for item in model.opset_import if not item.domain] == [("", 17)]
        return {
            value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
            for value in [*model.graph.input, *model.graph.output]
        }

    assert shapes(small_model.exported().encoder) == {
        "steps": ["batch", "time", 3],
        "state": ["batch", 64],
        "next_state": ["batch", 64],
    }
    assert shapes(small_model.exported().head) == {
        "state": ["batch", 64],
        "context": ["batch", 4],
        "purchase_probability": ["batch"],
        "expected_spend": ["batch"],
        "spend_p10": ["batch"],
        "spend_p50": ["batch"],
        "spend_p90": ["batch"],
        "tier_probabilities": ["batch", 3],
        "tier": ["batch"],
        "anomaly_score": ["batch"],
        "is_outlier": ["batch"],
    }


def test_onnxruntime_computes_what_keras_computes() -> None:
    batches = [parity_batch(users, steps) for users, steps in ((64, 1), (32, 40), (1, 600), (256, 0))]
    report = check_parity(
        small_model.network(), small_model.trees(), small_model.forest(), small_model.scoring_model(), batches
    )
    assert report.rows == 353
    assert 0 < report.state <= 1e-5
    assert 0 < report.probability <= 1e-5
    assert 0 < report.money <= 1e-5
    assert 0 < report.anomaly <= 1e-6


def test_the_exported_path_equals_the_training_path() -> None:
    network, steps = small_model.network(), RANDOM.normal(size=(20, 15, 3)).astype(np.float32)
    context = RANDOM.normal(size=(20, 1, 4)).astype(np.float32)
    raw = np.asarray(network.model([steps, np.full((20, 1), 15, np.int32), context])).mean(axis=2)[:, 0]
    trained = network.outputs(raw, small_model.trees().predict(context[:, 0]))
    model = small_model.scoring_model()
    found = model.predict(model.next_state(steps, np.zeros((20, 64), np.float32)), context[:, 0])
    np.testing.assert_allclose(found.expected_spend, trained["expected_spend"], rtol=1e-5)
    np.testing.assert_allclose(found.purchase_probability, trained["purchase_probability"], atol=1e-6)
    np.testing.assert_allclose(found.tier_probabilities, trained["tier_probabilities"], atol=1e-6)


@pytest.mark.parametrize(("place", "name"), [("encoder", "state"), ("head", "probability")])
def test_a_wrong_export_is_caught(place: str, name: str) -> None:
    model = small_model.exported()
    graph = onnx.load_from_string(getattr(model, place))
    biggest = max(graph.graph.initializer, key=lambda constant: len(constant.raw_data))
    values = onnx.numpy_helper.to_array(biggest) * np.float32(1.01)
    biggest.CopyFrom(onnx.numpy_helper.from_array(values, biggest.name))
    files = {"encoder": model.encoder, "head": model.head, place: graph.SerializeToString()}
    with pytest.raises(PurchasingPowerError, match=f"differs from the trained one by .* in a {name}"):
        check_parity(
            small_model.network(),
            small_model.trees(),
            small_model.forest(),
            ScoringModel.from_bytes(files["encoder"], files["head"]),
            [parity_batch(8, 4)],
        )


def test_amounts_that_alone_are_wrong_are_caught() -> None:
    correction = small_model.network().outputs.log_correction
    right = float(correction)
    correction.assign(right + 1e-4)
    try:
        with pytest.raises(
            PurchasingPowerError, match=r"differs from the trained one by .* in a money amount"
        ):
            check_parity(
                small_model.network(),
                small_model.trees(),
                small_model.forest(),
                small_model.scoring_model(),
                [parity_batch(8, 4)],
            )
    finally:
        correction.assign(right)


def test_a_last_bit_of_the_log_odds_is_no_difference_where_a_quantile_follows_it_steeply() -> None:
    trees, scorer = small_model.trees(), KerasScorer(small_model.network())

    class OffByABit:
        """The trained model, its log-odds off by what float32 is off by."""

        def predict(self, state: Any, context: Any) -> Any:
            outputs = scorer.predict(
                tf.constant(state), tf.constant(context), trees.predict(context), nudge=2e-6
            )
            return SimpleNamespace(anomaly_score=small_model.forest().score(context), **outputs)

    batch = parity_batch(20_000, 0)
    # Wide enough that some users' probability is where their quantiles begin.
    batch = dataclasses.replace(batch, context=4 * batch.context)
    expected = scorer.predict(batch.state, batch.context, trees.predict(batch.context))
    found = OffByABit().predict(batch.state, batch.context)
    off = np.abs(found.spend_p90 - expected["spend_p90"]) / np.maximum(
        expected["spend_p90"], expected["expected_spend"]
    )
    assert np.max(off) > 1e-5
    report = check_parity(small_model.network(), trees, small_model.forest(), OffByABit(), [batch])  # type: ignore[arg-type]
    assert report.money <= 1e-5


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(PurchasingPowerError, match="no user to compare"):
        check_parity(
            small_model.network(), small_model.trees(), small_model.forest(), small_model.scoring_model(), []
        )


def test_converting_again_gives_the_same_bytes() -> None:
    again = convert(small_model.network(), small_model.trees(), small_model.forest()).stamp(
        small_model.metadata()
    )
    assert again == small_model.exported()
    other = small_model.graphs().stamp(small_model.metadata(model_version="m2"))
    assert other.sha256 != again.sha256


def test_a_trained_model_exports_what_it_was_told(tmp_path: Path) -> None:
    model = TrainedModel(
        small_model.network(),
        small_model.trees(),
        small_model.forest(),
        small_model.CONTRACT,
        dt.date(2024, 5, 1),
        TrainingConfig(),
        history=(),
    )
    zone = dt.timezone(dt.timedelta(hours=2))
    exported = model.export(
        model_version="m7", trained_at=dt.datetime(2024, 5, 2, 2, tzinfo=zone), metrics={"bias": 0.01}
    )
    assert exported.metadata == dataclasses.replace(
        small_model.metadata(), model_version="m7", metrics={"bias": 0.01}
    )
    opened = ScoringModel.from_bytes(exported.encoder, exported.head, exported.sha256)
    assert opened.metadata == exported.metadata
    with pytest.raises(PurchasingPowerError, match="'trained_at' has no time zone"):
        model.export(model_version="m7", trained_at=dt.datetime(2024, 5, 2), metrics={})
    data = small_model.dataset(tmp_path)
    report = model.check_parity(data, small_model.ANCHORS[4], users=64)
    assert 56 <= report.rows <= 64
