"""The isolation forest inside the head's graph, against scikit-learn's own scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import small_model

from purchasing_power.scoring import ScoringModel
from purchasing_power.scoring.model import HeadOutput
from purchasing_power.training.export import convert
from purchasing_power.training.forest import Forest, fit_forest

RANDOM = np.random.default_rng(12)


def predict(forest: Forest, context: npt.NDArray[np.float32]) -> HeadOutput:
    exported = convert(small_model.network(), None, forest).stamp(small_model.metadata())
    model = ScoringModel.from_bytes(exported.encoder, exported.head)
    return model.predict(np.zeros((len(context), 64), np.float32), context)


def test_onnxruntime_scores_and_flags_as_scikit_learn_does() -> None:
    context = RANDOM.normal(size=(4000, 4)).astype(np.float32)
    forest = fit_forest(context, outlier_share=0.05, seed=1)
    found = predict(forest, context)
    np.testing.assert_allclose(found.anomaly_score, forest.score(context), atol=1e-6)
    np.testing.assert_array_equal(found.is_outlier, forest.score(context) > forest.threshold)
    assert 0.04 < found.is_outlier.mean() <= 0.05


def test_neighbouring_values_fall_on_their_own_side_of_a_cut() -> None:
    # Every cut lies between two neighbouring float32 values: rounded up, it would be the upper one.
    four = np.float32(4)
    context = RANDOM.choice([four, np.nextafter(four, np.float32(5))], (600, 4), p=[0.9, 0.1])
    forest = fit_forest(context.astype(np.float32), outlier_share=0.05, seed=7)
    assert len(np.unique(forest.score(context))) > 2
    np.testing.assert_allclose(predict(forest, context).anomaly_score, forest.score(context), atol=1e-6)


def test_who_is_unlike_the_others_is_flagged() -> None:
    ordinary = RANDOM.normal(size=(3000, 4)).astype(np.float32)
    strange = np.array([[8, -8, 8, 8], [0, 9, 9, 0]], np.float32)
    found = predict(fit_forest(ordinary, outlier_share=0.01, seed=2), np.concatenate([ordinary, strange]))
    assert found.is_outlier[-2:].all()
    assert found.is_outlier[:-2].mean() <= 0.01


@pytest.mark.parametrize("users", [1, 2, 50])
def test_users_who_are_all_alike_are_no_outliers(users: int) -> None:
    alike = np.ones((users, 4), np.float32)
    found = predict(fit_forest(alike, outlier_share=0.01, seed=3), alike)
    np.testing.assert_allclose(found.anomaly_score, 0.5, atol=1e-6)
    assert not found.is_outlier.any()


def test_a_share_of_zero_flags_none_of_the_training_users() -> None:
    context = RANDOM.normal(size=(500, 4)).astype(np.float32)
    assert not predict(fit_forest(context, outlier_share=0.0, seed=4), context).is_outlier.any()


def test_the_same_seed_grows_the_same_trees() -> None:
    context = RANDOM.normal(size=(500, 4)).astype(np.float32)
    heads = [
        convert(small_model.network(), None, fit_forest(context, outlier_share=0.01, seed=seed)).head
        for seed in (5, 5, 6)
    ]
    first, again, other = (head.SerializeToString(deterministic=True) for head in heads)
    assert first == again != other
