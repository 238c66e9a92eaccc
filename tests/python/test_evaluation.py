"""Every metric against an independent implementation or a value worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn import metrics as reference

from purchasing_power.evaluation import (
    baselines,
    curves_of,
    evaluate,
    evaluate_scores,
    loss_curves,
    majority,
    persistence,
)
from purchasing_power.evaluation import metrics as ours
from purchasing_power.evaluation.prediction import Prediction, level_among_buyers
from purchasing_power.training.dataset import AnchorLabels

CUTS = (50.0, 200.0)


@pytest.fixture(params=[0, 1, 2])
def sample(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(request.param)
    spend = np.round(random.lognormal(4, 1, 400) * (random.uniform(size=400) < 0.7), 1)
    # Rounded, so that predictions tie.
    predicted = np.round(spend * random.lognormal(0, 0.5, 400) + random.uniform(0, 30, 400), -1)
    probability = np.round(np.clip(0.3 + 0.4 * (spend > 0) + random.normal(0, 0.3, 400), 0.01, 0.99), 1)
    return spend, predicted, probability.clip(0.01, 0.99)


def test_spearman(sample: tuple[np.ndarray, ...]) -> None:
    spend, predicted, _ = sample
    assert ours.spearman(spend, predicted) == pytest.approx(stats.spearmanr(spend, predicted).statistic)
    assert ours.spearman(spend, np.ones(400)) == 0


def test_normalized_gini(sample: tuple[np.ndarray, ...]) -> None:
    spend, predicted, _ = sample
    # Over all orders of tied users the share of a sorted curve is that of the evenly shared one.
    random = np.random.default_rng(0)
    orders = [np.lexsort((random.uniform(size=400), -predicted)) for _ in range(300)]
    perfect = np.sort(spend)[::-1]

    def area(values: np.ndarray) -> float:
        return float((np.cumsum(values) / values.sum()).sum() - 401 / 2)

    expected = np.mean([area(spend[order]) for order in orders]) / area(perfect)
    assert ours.normalized_gini(spend, predicted) == pytest.approx(expected, abs=2e-3)
    shuffled = random.permutation(400)
    assert ours.normalized_gini(spend[shuffled], predicted[shuffled]) == pytest.approx(
        ours.normalized_gini(spend, predicted)
    )


def test_normalized_gini_by_hand() -> None:
    spend = np.array([6.0, 3.0, 1.0, 0.0])
    # Gains 0.6, 0.9, 1, 1 less the 2.5 of an even split: 1.0; the reverse order gives -1.0.
    assert ours.normalized_gini(spend, spend) == 1
    assert ours.normalized_gini(spend, -spend) == pytest.approx(-1)
    # 3 first, then 6, 1, 0: gains 0.3, 0.9, 1, 1 give 0.7.
    assert ours.normalized_gini(spend, np.array([3.0, 4.0, 2.0, 1.0])) == pytest.approx(0.7)
    assert ours.normalized_gini(spend, np.zeros(4)) == pytest.approx(0)
    assert math.isnan(ours.normalized_gini(np.zeros(4), spend))


def test_errors(sample: tuple[np.ndarray, ...]) -> None:
    spend, predicted, _ = sample
    assert ours.rmsle(spend, predicted) == pytest.approx(
        math.sqrt(reference.mean_squared_log_error(spend, predicted))
    )
    assert ours.mae_over_mean(spend, predicted) == pytest.approx(
        reference.mean_absolute_error(spend, predicted) / spend.mean()
    )
    assert ours.bias(np.array([10.0, 30.0]), np.array([20.0, 24.0])) == pytest.approx(0.1)


def test_buying(sample: tuple[np.ndarray, ...]) -> None:
    spend, _, probability = sample
    bought = spend > 0
    assert ours.area_under_roc(bought, probability) == pytest.approx(
        reference.roc_auc_score(bought, probability)
    )
    assert ours.buy_log_loss(bought, probability) == pytest.approx(reference.log_loss(bought, probability))
    assert ours.average_precision(bought, probability) == pytest.approx(
        reference.average_precision_score(bought, probability)
    )
    assert math.isnan(ours.area_under_roc(np.ones(400, bool), probability))
    # A certain and wrong prediction costs much, but not infinitely much.
    assert ours.buy_log_loss(np.array([True]), np.array([0.0])) == pytest.approx(-math.log(1e-6))


def test_classification(sample: tuple[np.ndarray, ...]) -> None:
    spend, predicted, _ = sample
    actual, guess = ours.top_fifth(spend), predicted > 120
    found = ours.classification(actual, guess)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(actual, guess))
    assert found["precision"] == pytest.approx(reference.precision_score(actual, guess))
    assert found["recall"] == pytest.approx(reference.recall_score(actual, guess))
    assert found["f1"] == pytest.approx(reference.f1_score(actual, guess))
    nobody = ours.classification(actual, np.zeros(400, bool))
    assert (nobody["precision"], nobody["recall"], nobody["f1"]) == (0, 0, 0)


def test_macro_recall_and_f1(sample: tuple[np.ndarray, ...]) -> None:
    spend, predicted, _ = sample
    actual, guess = ours.tiers_of(spend, CUTS), ours.tiers_of(predicted, CUTS)
    recall, f1 = ours.macro_recall_and_f1(actual, guess)
    assert recall == pytest.approx(reference.recall_score(actual, guess, average="macro"))
    assert f1 == pytest.approx(reference.f1_score(actual, guess, average="macro"))
    # A tier that nobody is in takes nothing away, though somebody was put there.
    assert ours.macro_recall_and_f1(np.array([0, 0, 1]), np.array([0, 2, 1])) == (
        0.75,
        pytest.approx((2 / 3 + 1) / 2),
    )


def test_coverage_of_buyers_and_what_it_ought_to_be() -> None:
    # Half buy: the 90 % quantile is the 80 % quantile of what they spend, and the 10 % quantile is 0.
    assert level_among_buyers(0.9, np.array([0.5])) == pytest.approx(0.8)
    assert level_among_buyers(0.1, np.array([0.5, 0.0, 1.0])) == pytest.approx([0, 0, 0.1])
    assert ours.nominal_coverage(np.array([1.0, 0.5, 0.05])) == pytest.approx([0.8, 0.8, 0.0])
    random = np.random.default_rng(0)
    probability = random.choice([0.2, 0.4, 0.6], 40_000)
    spend = np.exp(random.normal(size=40_000)) * (random.uniform(size=40_000) < probability)
    low, high = (
        np.array([np.quantile(spend[probability == value], level) for value in (0.2, 0.4, 0.6)])
        for level in (0.1, 0.9)
    )
    place = np.searchsorted([0.2, 0.4, 0.6], probability)
    prediction = Prediction(probability, spend, spend, ours.tiers_of(spend, CUTS), low[place], high[place])
    found = evaluate(prediction, spend, spend > 0, (1.0, 2.0))
    # Right quantiles cover what they ought to, also of the buyers.
    assert found["buyers_coverage_p10_p90"] == pytest.approx(found["buyers_coverage_nominal"], abs=0.01)
    assert abs(found["buyers_coverage_nominal"] - 0.8) > 0.02


def test_top_fifth_auc_reads_the_expected_spend(sample: tuple[np.ndarray, ...]) -> None:
    spend, predicted, probability = sample
    prediction = Prediction(probability, predicted, spend, ours.tiers_of(predicted, CUTS))
    found = evaluate(prediction, spend, spend > 0, CUTS)
    assert found["top_fifth_auc"] == pytest.approx(reference.roc_auc_score(ours.top_fifth(spend), predicted))


def test_top_fifth_tiers_and_coverage_by_hand() -> None:
    spend = np.array([0.0, 10.0, 50.0, 199.0, 200.0])
    assert ours.top_fifth(np.arange(10.0)).sum() == 2
    assert ours.tiers_of(spend, CUTS).tolist() == [0, 0, 1, 1, 2]
    assert ours.coverage(spend, np.array([0, 11, 50, 0, 0.0]), np.array([0, 20, 50, 198, 300.0])) == 0.6


def test_decile_calibration_error_by_hand() -> None:
    predicted = np.arange(1.0, 11.0)
    assert ours.decile_calibration_error(predicted, predicted) == 0
    # The sums agree, but the lower half is 1 too high and the upper half 1 too low: 10 of 55.
    actual = predicted + np.repeat([-1.0, 1.0], 5)
    assert ours.decile_calibration_error(actual, predicted) == pytest.approx(10 / 55)
    # Independent of the order of rows.
    order = np.random.default_rng(0).permutation(10)
    assert ours.decile_calibration_error(actual[order], predicted[order]) == pytest.approx(10 / 55)


def test_evaluate_reads_ranks_from_the_mean_and_errors_from_the_median() -> None:
    spend = np.array([0.0, 20.0, 100.0, 300.0, 500.0])
    prediction = Prediction(
        purchase_probability=np.array([0.1, 0.8, 0.9, 0.9, 0.95]),
        expected_spend=spend[::-1].copy(),
        spend_p50=spend,
        tier=np.array([0, 0, 1, 2, 2]),
    )
    found = evaluate(prediction, spend, np.array([0, 1, 1, 2, 3]), CUTS)
    assert found["spearman"] == pytest.approx(-1)
    assert (found["mae_over_mean"], found["rmsle"], found["tier_accuracy"], found["buy_auc"]) == (0, 0, 1, 1)
    assert found["bias"] == pytest.approx(0)
    assert (found["top_fifth_recall"], found["top_fifth_precision"]) == (1, 0.5)
    assert "coverage_p10_p90" not in found


def test_evaluate_leaves_out_what_the_sample_does_not_define() -> None:
    spend = np.array([5.0, 6.0])
    found = evaluate(persistence(spend, CUTS), spend, np.array([1, 1]), CUTS)
    assert "buy_auc" not in found
    rare = np.append(np.zeros(9), 50.0)
    assert not [name for name in evaluate(persistence(rare, CUTS), rare, rare > 0, CUTS) if "fifth" in name]
    assert all(math.isfinite(value) for value in found.values())


def test_scores_are_read_by_tier_name() -> None:
    scores = pa.table(
        {
            "purchase_probability": [0.2, 0.9],
            "expected_spend": [10.0, 300.0],
            "spend_p10": [0.0, 100.0],
            "spend_p50": [0.0, 250.0],
            "spend_p90": [40.0, 600.0],
            "purchasing_power_tier": ["low", "high"],
        }
    )
    found = evaluate_scores(
        scores,
        np.array([50.0, 250.0]),
        np.array([1, 1]),
        tier_names=("low", "middle", "high"),
        tier_cut_points=CUTS,
    )
    assert found["tier_accuracy"] == 0.5
    assert found["coverage_p10_p90"] == 0.5
    assert found["top_fifth_accuracy"] == 1


def test_baselines() -> None:
    past = np.array([0.0, 60.0, 70.0, 100.0, 500.0])
    again = persistence(past, CUTS)
    assert again.purchase_probability.tolist() == [0, 1, 1, 1, 1]
    assert again.tier.tolist() == [0, 1, 1, 1, 2]
    most = majority(past, CUTS)
    assert set(most.purchase_probability) == {0.8}
    assert set(most.expected_spend) == {past.mean()}
    assert set(most.spend_p50) == {70.0}
    assert set(most.tier) == {1}
    labels = AnchorLabels(pa.array(list("abcde")), past, past, np.array([0, 1, 1, 1, 1], np.int32))
    found = {
        name: evaluate(method, labels.spend, labels.orders, CUTS)
        for name, method in baselines(labels, CUTS).items()
    }
    assert set(found) == {"persistence", "majority"}
    assert found["persistence"]["spearman"] == pytest.approx(1)
    assert found["majority"]["top_fifth_accuracy"] == 0.8
    assert found["majority"]["top_fifth_f1"] == 0
    assert found["majority"]["normalized_gini"] == pytest.approx(0)


def test_persistence_ranks_buyers_by_what_they_spent() -> None:
    past = np.array([10.0, 20.0, 30.0, 40.0])
    found = evaluate(persistence(past, CUTS), past, np.array([0, 0, 1, 1]), CUTS)
    # By its probabilities alone, 1 for all four, it would be 0.5.
    assert found["buy_auc"] == 1


def test_majority_is_never_the_top_tier() -> None:
    assert set(majority(np.full(9, 900.0), CUTS).tier) <= {0, 1}


def drawn(spend: np.ndarray, predicted: np.ndarray, probability: np.ndarray) -> dict[tuple[str, str], Any]:
    """(curve, series) -> curve, of a method with the tiers of its expected spend."""
    prediction = Prediction(probability, predicted, predicted, ours.tiers_of(predicted, CUTS))
    curves = curves_of(
        prediction,
        spend,
        (spend > 0).astype(int),
        tier_names=("low", "middle", "high"),
        tier_cut_points=CUTS,
    )
    assert all(len(curve.x) == len(curve.y) <= 101 for curve in curves)
    return {(curve.name, curve.series): curve for curve in curves}


def test_curves_hold_what_the_metrics_say(sample: tuple[np.ndarray, ...]) -> None:
    spend, predicted, probability = sample
    curves = drawn(spend, predicted, probability)
    roc, gain = curves["roc", ""], curves["gain", ""]
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(ours.area_under_roc(spend > 0, probability), abs=5e-3)
    # A gains curve lies above the diagonal by half of the Gini coefficient.
    perfect = drawn(spend, spend, probability)["gain", ""]
    ratio = (np.trapezoid(gain.y, gain.x) - 0.5) / (np.trapezoid(perfect.y, perfect.x) - 0.5)
    assert ratio == pytest.approx(ours.normalized_gini(spend, predicted), abs=5e-3)
    for curve in (roc, gain):
        assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, pytest.approx(1))
        assert (np.diff(curve.y) >= -1e-12).all()


def test_calibration_compares_ten_equal_groups(sample: tuple[np.ndarray, ...]) -> None:
    spend, predicted, probability = sample
    curves = drawn(spend, predicted, probability)
    money = curves["calibration_spend", ""]
    assert len(money.x) == 10
    assert money.x.mean() == pytest.approx(predicted.mean())
    assert money.y.mean() == pytest.approx(spend.mean())
    assert curves["calibration_probability", ""].y.mean() == pytest.approx((spend > 0).mean())
    assert (np.diff(money.x) >= 0).all()


def test_confusion_and_distribution_count_everybody(sample: tuple[np.ndarray, ...]) -> None:
    spend, predicted, probability = sample
    curves = drawn(spend, predicted, probability)
    counts = np.array([curves["confusion", tier].y for tier in ("low", "middle", "high")])
    actual, guessed = ours.tiers_of(spend, CUTS), ours.tiers_of(predicted, CUTS)
    np.testing.assert_array_equal(counts, reference.confusion_matrix(actual, guessed))
    for series, values in (("realised", spend), ("expected", predicted)):
        curve = curves["spend_distribution", series]
        assert curve.y.sum() == len(values)
        assert curve.y[0] >= (values == 0).sum()


def test_curves_that_are_not_defined_are_left_out() -> None:
    nobody = drawn(np.zeros(5), np.zeros(5), np.full(5, 0.1))
    assert {name for name, _ in nobody} == {"calibration_probability", "calibration_spend", "confusion"}


def test_losses_are_numbered_by_epoch() -> None:
    training, held_back = loss_curves([3.0, 2.0], [4.0, 3.5])
    assert (training.series, held_back.series) == ("training", "held_back")
    assert list(training.x) == [1, 2]
    assert list(held_back.y) == [4.0, 3.5]
