"""The classifier of texts and the projection of embeddings: fitted, exported, opened, run over Arrow batches."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import onnx
import pyarrow as pa
import pytest

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring import ProjectionModel, SentimentModel, project_embeddings, read_sentiment
from purchasing_power.scoring.input_models import ProjectionMetadata, SentimentMetadata
from purchasing_power.training.input_graphs import export_classifier, export_projection
from purchasing_power.training.projection import fit_projection
from purchasing_power.training.sentiment import SentimentConfig, SentimentFit, fit_sentiment, hash_all

CONFIG = SentimentConfig(buckets=1 << 12)
SENTIMENT = SentimentMetadata("s1", "2024-01-01", "0" * 64, CONFIG.buckets, CONFIG.shortest, CONFIG.longest)
PROJECTION = ProjectionMetadata("e1", "2024-01-01", "0" * 64, width=6, factors=3)
RANDOM = np.random.default_rng(3)
EMBEDDINGS = RANDOM.normal(size=(200, 6)) * [9, 1, 4, 2, 0.5, 3] + [1, 2, 3, 4, 5, 6]


def rated(count: int = 400) -> tuple[list[str], np.ndarray]:
    """Texts whose tone is one word of six, most of them with the right label."""
    words = ["awful", "broken", "差", "great", "lovely", "好"]
    random = np.random.default_rng(11)
    picked = random.integers(len(words), size=count)
    texts = [f"{words[word]} thing number {row}" for row, word in enumerate(picked)]
    return texts, (picked >= 3) ^ (random.random(count) < 0.1)


@cache
def fit() -> SentimentFit:
    return fit_sentiment(*rated(), CONFIG)


@cache
def classifier_bytes() -> bytes:
    return export_classifier(fit().classifier, SENTIMENT)


@cache
def projection_bytes() -> bytes:
    return export_projection(fit_projection(EMBEDDINGS, 3), PROJECTION)


def test_the_classifier_finds_the_tone_and_says_how_well() -> None:
    assert fit().held_out == 80
    assert fit().accuracy > 0.8 > fit().majority
    good, bad, unknown = SentimentModel(classifier_bytes()).sentiment(["great 7", "AWFUL 9", ""])
    assert good > 0.4
    assert bad < -0.4
    # Nothing to read: the share of positive texts, here about a half.
    assert abs(unknown) < 0.2


def test_probabilities_are_calibrated() -> None:
    texts, positive = rated(2_000)
    # Regularised so much that its own probabilities are all near a half.
    timid = fit_sentiment(texts[:400], positive[:400], replace(CONFIG, strengths=(0.01,)))
    found = 1 / (1 + np.exp(-timid.classifier.score(hash_all(texts[400:], CONFIG.hashing))))
    for lowest, highest in ((0, 0.3), (0.7, 1)):
        inside = (found >= lowest) & (found <= highest)
        assert inside.sum() > 300
        assert found[inside].mean() == pytest.approx(positive[400:][inside].mean(), abs=0.06)


def test_the_graph_computes_the_linear_model() -> None:
    texts = [*rated()[0], "", "никогда", "é" * 5_000, "\ud800"]
    expected = 1 / (1 + np.exp(-fit().classifier.score(hash_all(texts, CONFIG.hashing))))
    found = SentimentModel(classifier_bytes()).probability(texts)
    assert found.shape == (404,)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_text_is_read_alike_in_any_batch() -> None:
    texts = rated()[0]
    model = SentimentModel(classifier_bytes())
    alone = np.concatenate([model.probability([text]) for text in texts[:50]])
    np.testing.assert_array_equal(model.probability(texts)[:50], alone)
    assert len(model.probability([])) == 0


def test_the_order_of_texts_does_not_change_the_bytes() -> None:
    texts, positive = rated()
    order = RANDOM.permutation(len(texts))
    again = fit_sentiment([texts[row] for row in order], positive[order], CONFIG)
    assert export_classifier(again.classifier, SENTIMENT) == classifier_bytes()
    other = fit_sentiment(texts, ~positive, CONFIG)
    assert export_classifier(other.classifier, SENTIMENT) != classifier_bytes()


def test_one_class_cannot_be_fitted() -> None:
    texts, _ = rated()
    with pytest.raises(PurchasingPowerError, match="400 are positive and 0 negative"):
        fit_sentiment(texts, np.ones(400, np.bool_), CONFIG)


def test_factors_are_standardised_and_most_varied_first() -> None:
    factors = ProjectionModel(projection_bytes()).factors(EMBEDDINGS.astype(np.float32))
    np.testing.assert_allclose(factors.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(factors.std(axis=0, ddof=1), 1, atol=1e-5)
    # The widest axes in order, up to a little rotation; the largest weight is positive.
    for factor, axis in enumerate((0, 2, 5)):
        assert np.corrcoef(factors[:, factor], EMBEDDINGS[:, axis])[0, 1] > 0.8


def test_directions_without_variance_are_zero() -> None:
    flat = np.outer(np.arange(30.0), [1, 2, 0, 0])
    found = fit_projection(flat, 3)
    assert found.explained[0] == pytest.approx(1)
    np.testing.assert_array_equal(flat @ found.weights[:, 1:] + found.bias[1:], 0)


def test_texts_become_rows() -> None:
    batch = pa.record_batch({"text_md5": ["a", "b"], "review_text": ["great", "awful"]})
    (out,) = read_sentiment([batch], SentimentModel(classifier_bytes()))
    good, bad = out.to_pylist()
    assert (good["text_md5"], bad["text_md5"], good["model_version"]) == ("a", "b", "s1")
    assert good["sentiment"] > 0 > bad["sentiment"]
    assert round(good["sentiment"], 6) == good["sentiment"]


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.list_(pa.float64()), pa.large_list(pa.float64())]
)
def test_embeddings_of_another_length_have_no_factors(kind: pa.DataType) -> None:
    rows = [EMBEDDINGS[0].tolist(), [1.0, 2.0], None, EMBEDDINGS[1].tolist(), []]
    batch = pa.record_batch({"product_id": list("abcde"), "embedding": pa.array(rows, kind)})
    (out,) = project_embeddings([batch], ProjectionModel(projection_bytes()))
    assert out["product_id"].to_pylist() == ["a", "d"]
    expected = ProjectionModel(projection_bytes()).factors(EMBEDDINGS[:2].astype(np.float32))
    np.testing.assert_allclose(np.array(out["factors"].to_pylist()), expected, rtol=1e-6)


def _changed(content: bytes, **properties: str) -> bytes:
    model = onnx.load_from_string(content)
    kept = {item.key: item.value for item in model.metadata_props}
    onnx.helper.set_model_props(model, kept | {f"purchasing_power.{k}": v for k, v in properties.items()})
    return model.SerializeToString()


def _without_its_numbers(content: bytes) -> bytes:
    """The same file with its largest constant computed instead of stored, as if it lay elsewhere."""
    model = onnx.load_from_string(content)
    (table,) = [constant for constant in model.graph.initializer if constant.name == "weights"]
    shape = onnx.numpy_helper.from_array(np.array(table.dims, np.int64), "weights_shape")
    model.graph.initializer.remove(table)
    model.graph.initializer.append(shape)
    model.graph.node.insert(0, onnx.helper.make_node("ConstantOfShape", ["weights_shape"], ["weights"]))
    return model.SerializeToString()


def _external(content: bytes) -> bytes:
    model = onnx.load_from_string(content)
    (table,) = [constant for constant in model.graph.initializer if constant.name == "weights"]
    table.ClearField("raw_data")
    table.data_location = onnx.TensorProto.EXTERNAL
    table.external_data.add(key="location", value="weights.bin")
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: b"no model", "The sentiment graph .* is not an ONNX model"),
        (lambda: classifier_bytes()[:-100], "is not an ONNX model"),
        (projection_bytes, r"has inputs \['embedding'\]"),
        (lambda: _external(classifier_bytes()), "is not an ONNX model"),
        (lambda: _without_its_numbers(classifier_bytes()), "too few for the 8192 numbers"),
        (lambda: _changed(classifier_bytes(), buckets="1048576"), "too few for the 2097152 numbers"),
        (
            lambda: _changed(classifier_bytes(), buckets="2^18"),
            r"'purchasing_power\.buckets' .* cannot be read",
        ),
        (lambda: _changed(classifier_bytes(), graph="head"), "the ONNX file says it is 'head'"),
        (lambda: _changed(classifier_bytes(), format="9"), "metadata format '9'"),
    ],
)
def test_another_file_is_no_classifier(content: object, message: str) -> None:
    with pytest.raises(PurchasingPowerError, match=message):
        SentimentModel(content())  # type: ignore[operator]


def test_changed_bytes_are_refused() -> None:
    with pytest.raises(PurchasingPowerError, match="the file was changed; run 'purchasing-power prepare'"):
        SentimentModel(classifier_bytes(), "0" * 64)


def test_a_projection_of_another_width_is_refused() -> None:
    with pytest.raises(PurchasingPowerError, match="of width 6 but its metadata says 7"):
        ProjectionModel(_changed(projection_bytes(), width="7"))
