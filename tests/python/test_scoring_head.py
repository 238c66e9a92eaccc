"""The head, and what a model must be before it scores."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pyarrow as pa
import pytest
import small_model

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring import HEAD_OUTPUT_SCHEMA, ModelMetadata, ScoringModel, model_sha256, score
from purchasing_power.scoring.metadata import METADATA_PREFIX

STATE = 64


def people(count: int = 300) -> pa.RecordBatch:
    random = np.random.default_rng(2)
    states = [None if index % 3 == 0 else random.uniform(-1, 1, STATE) for index in range(count)]
    return pa.record_batch(
        {
            "context": pa.array(list(random.normal(0, 2, (count, 4))), pa.list_(pa.float64())),
            "user_id": pa.array([f"u{index}" for index in range(count)]),
            "state": pa.array(states, pa.list_(pa.float32())),
        }
    )


def test_scores_are_business_ready() -> None:
    (scores,) = score([people()], small_model.scoring_model())
    assert scores.schema.equals(HEAD_OUTPUT_SCHEMA)
    assert scores["user_id"].to_pylist() == people()["user_id"].to_pylist()
    value = {name: scores[name].to_numpy() for name in scores.schema.names[1:6]}
    assert ((value["purchase_probability"] > 0) & (value["purchase_probability"] < 1)).all()
    assert (value["expected_spend"] >= 0).all()
    assert (value["spend_p10"] >= 0).all()
    assert (value["spend_p10"] <= value["spend_p50"]).all()
    assert (value["spend_p50"] <= value["spend_p90"]).all()
    assert set(scores["purchasing_power_tier"].to_pylist()) <= {"low", "middle", "high"}


def test_a_quantile_is_zero_exactly_where_buying_is_too_unlikely() -> None:
    (scores,) = score([people(2000)], small_model.scoring_model())
    probability = scores["purchase_probability"].to_numpy()
    # The middle is the mean of the quantiles from 30 % to 70 %: the highest of them is the last to be 0.
    for name, level in (("spend_p10", 0.1), ("spend_p50", 0.7), ("spend_p90", 0.9)):
        spends = scores[name].to_numpy() > 0
        clear = np.abs(probability - (1 - level)) > 1e-3
        np.testing.assert_array_equal(spends[clear], (probability > 1 - level)[clear])


def test_a_null_state_is_a_state_of_zeros() -> None:
    given = people(30)
    zeros = pa.array([[0.0] * STATE] * 30, pa.list_(pa.float32()))
    (from_null,) = score([given.set_column(2, "state", pa.nulls(30))], small_model.scoring_model())
    (from_zero,) = score([given.set_column(2, "state", zeros)], small_model.scoring_model())
    assert from_null.equals(from_zero)


def test_the_batch_does_not_change_a_score() -> None:
    whole = pa.Table.from_batches(score([people()], small_model.scoring_model()))
    parts = pa.Table.from_batches(
        score([people().slice(start, 7) for start in range(0, 300, 7)], small_model.scoring_model())
    )
    for name in whole.schema.names[1:6]:
        np.testing.assert_allclose(whole[name].to_numpy(), parts[name].to_numpy(), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("context", [[0.0] * 3] * 2, "'context' has 3 numbers a row but the model's context has 4"),
        ("context", [[0.0] * 4, None], "'context' is NULL in 1 rows"),
        ("context", [[0.0] * 4, [float("inf")] * 4], "infinity in 1 rows"),
        ("state", [[0.0] * 32] * 2, "'state' has 32 numbers a row but the model's state has 64"),
    ],
)
def test_bad_input_is_one_sentence(name: str, values: list[list[float] | None], message: str) -> None:
    given = people(2)
    position = given.schema.get_field_index(name)
    with pytest.raises(PurchasingPowerError, match=message):
        list(score([given.set_column(position, name, pa.array(values))], small_model.scoring_model()))


def test_tampered_bytes_are_refused() -> None:
    model = small_model.exported()
    with pytest.raises(PurchasingPowerError, match="the file was changed"):
        ScoringModel.from_bytes(model.encoder, model.head + b"\0", model.sha256)
    assert model_sha256(model.encoder, model.head) == model.sha256


def test_something_else_than_a_model_is_refused() -> None:
    with pytest.raises(PurchasingPowerError, match="not an ONNX model"):
        ScoringModel.from_bytes(b"no model", small_model.exported().head)


def test_swapped_graphs_are_refused() -> None:
    model = small_model.exported()
    with pytest.raises(PurchasingPowerError, match="The encoder graph has inputs"):
        ScoringModel.from_bytes(model.head, model.encoder)


def test_graphs_of_two_models_are_refused() -> None:
    model = small_model.exported()
    other = small_model.graphs().stamp(small_model.metadata(model_version="m2", currency="USD"))
    with pytest.raises(PurchasingPowerError, match="disagree on currency, model_version"):
        ScoringModel.from_bytes(model.encoder, other.head)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": ("one",)}, "takes 'steps' of width 3 but its metadata says 1"),
        ({"context": ("one",)}, "takes 'context' of width 4 but its metadata says 1"),
        ({"state_size": 7}, "takes 'state' of width 64 but its metadata says 7"),
        ({"tier_names": ("only",)}, "1 tier names but 2 cut points"),
    ],
)
def test_metadata_that_contradicts_the_graph_is_refused(change: dict[str, object], message: str) -> None:
    other = small_model.graphs().stamp(small_model.metadata(**change))
    with pytest.raises(PurchasingPowerError, match=message):
        ScoringModel.from_bytes(other.encoder, other.head)


def test_metadata_survives_the_file() -> None:
    assert small_model.scoring_model().metadata == small_model.metadata()
    properties = small_model.metadata().to_properties("head")
    assert ModelMetadata.from_properties(properties, "head") == small_model.metadata()
    assert all(key.startswith(METADATA_PREFIX) for key in properties)
    assert properties["purchasing_power.format"] == "1"
    assert properties["purchasing_power.tier_names"] == '["low", "middle", "high"]'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "99"}, "metadata format '99'"),
        ({"graph": "encoder"}, "says it is 'encoder'"),
        ({"horizon_days": "soon"}, "'purchasing_power.horizon_days' of the head graph cannot be read"),
        ({"channels": "[oops"}, "'purchasing_power.channels' of the head graph cannot be read"),
    ],
)
def test_unreadable_metadata_is_one_sentence(change: dict[str, str], message: str) -> None:
    properties = small_model.metadata().to_properties("head")
    properties.update({METADATA_PREFIX + name: value for name, value in change.items()})
    with pytest.raises(PurchasingPowerError, match=message):
        ModelMetadata.from_properties(properties, "head")


def test_a_graph_without_metadata_is_refused() -> None:
    graph = onnx.load_from_string(small_model.exported().encoder)
    del graph.metadata_props[:]
    with pytest.raises(PurchasingPowerError, match="metadata format None"):
        ScoringModel.from_bytes(graph.SerializeToString(), small_model.exported().head)
    properties = small_model.metadata().to_properties("head")
    del properties["purchasing_power.currency"]
    with pytest.raises(PurchasingPowerError, match=r"lacks the metadata key 'purchasing_power\.currency'"):
        ModelMetadata.from_properties(properties, "head")


def test_other_features_are_refused_with_what_to_run() -> None:
    model = small_model.scoring_model()
    model.check_features(feature_hash="f1", scaling_version="s1")
    with pytest.raises(PurchasingPowerError, match="feature hash f1 but the warehouse has f2; run 'purch"):
        model.check_features(feature_hash="f2", scaling_version="s1")
    with pytest.raises(PurchasingPowerError, match="scaling version s1 but the warehouse has s2"):
        model.check_features(feature_hash="f1", scaling_version="s2")


def test_metadata_is_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        small_model.metadata().currency = "USD"  # type: ignore[misc]
