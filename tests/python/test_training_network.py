"""Losses, labels and the meaning of the network's outputs, against SciPy and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import small_model
import tensorflow as tf
from scipy import stats
from scipy.optimize import minimize
from sklearn import metrics as reference

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.training import losses
from purchasing_power.training.labels import label_scale, tier_cut_points
from purchasing_power.training.network import SpendOutputs

RANDOM = np.random.default_rng(4)
SPEND = (RANDOM.lognormal(4, 1, 200) * (RANDOM.uniform(size=200) < 0.7)).astype(np.float32)


def test_lognormal_loss() -> None:
    positive = SPEND[SPEND > 0].astype(np.float64)
    mu, sigma = 3.5, 0.8
    found = losses.lognormal_loss(tf.constant(SPEND), mu, sigma, 1.0)
    # Less what depends on the labels alone: the log of spend and of the root of two pi.
    expected = -stats.lognorm.logpdf(positive, sigma, scale=np.exp(mu)) - np.log(positive)
    np.testing.assert_allclose(found[SPEND > 0], expected - 0.5 * np.log(2 * np.pi), rtol=1e-4, atol=1e-5)
    assert not np.asarray(found)[SPEND == 0].any()


def test_lognormal_loss_has_no_gradient_from_who_bought_nothing() -> None:
    mu = tf.constant([1.0, 1.0])
    with tf.GradientTape() as tape:
        tape.watch(mu)
        loss = tf.reduce_sum(losses.lognormal_loss(tf.constant([0.0, 9.0]), mu, tf.constant(1.0), 1.0))
    gradient = np.asarray(tape.gradient(loss, mu))
    assert gradient[0] == 0
    assert np.isfinite(gradient).all()


def test_tweedie_loss() -> None:
    def mine(log_mean: float) -> float:
        return float(tf.reduce_mean(losses.tweedie_loss(tf.constant(SPEND), tf.fill(200, log_mean))))

    def theirs(log_mean: float) -> float:
        predicted = np.full(200, np.exp(log_mean))
        return float(reference.mean_tweedie_deviance(SPEND, predicted, power=1.5)) / 2

    assert mine(4.5) - mine(3.0) == pytest.approx(theirs(4.5) - theirs(3.0), rel=1e-4)


@pytest.mark.parametrize("true_slope", [0.0, 0.35, 1.0, 1.6])
def test_the_slope_is_the_one_with_the_smallest_tweedie_deviance(true_slope: float) -> None:
    log_mean = RANDOM.normal(0, 1.5, 4000)
    spend = 40 * np.exp(true_slope * log_mean) * RANDOM.gamma(2, 0.5, 4000)
    weight = RANDOM.uniform(0.5, 1, 4000)

    def deviance(parameters: list[float]) -> float:
        predicted = np.exp(parameters[0] + parameters[1] * log_mean)
        return float(reference.mean_tweedie_deviance(spend, predicted, power=1.5, sample_weight=weight))

    best = minimize(deviance, [3.0, 0.5], bounds=[(None, None), (0, 1)]).x[1]
    assert losses.tweedie_slope(log_mean, weight, weight * spend) == pytest.approx(best, abs=0.026)


def test_without_money_the_slope_stays() -> None:
    assert losses.tweedie_slope(np.array([-1.0, 1.0]), np.array([2.0, 1.0]), np.zeros(2)) == 1
    assert losses.tweedie_slope(np.array([-1.0, 1.0]), np.zeros(2), np.zeros(2)) == 1


def test_who_bought_nothing_says_nothing_of_amounts() -> None:
    layer = outputs()
    raw = tf.Variable(RANDOM.normal(size=(2, layer.raw_size)).astype(np.float32))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(
            losses.multi_target_loss(layer, raw, tf.constant([0.0, 50.0]), tf.constant([0.0, 1.0]))
        )
    gradient = np.asarray(tape.gradient(loss, raw))
    mu_to_deviation = slice(1, 4)
    assert (gradient[0, mu_to_deviation] == 0).all()
    assert (gradient[1, mu_to_deviation] != 0).all()


def test_pinball_and_cross_entropy() -> None:
    predicted = RANDOM.uniform(0, 100, 200).astype(np.float32)
    for level in (0.1, 0.5, 0.9):
        assert float(tf.reduce_mean(losses.pinball_loss(SPEND, predicted, level))) == pytest.approx(
            reference.mean_pinball_loss(SPEND, predicted, alpha=level), rel=1e-5
        )
    logits = RANDOM.normal(size=200)
    bought = SPEND > 0
    assert float(
        tf.reduce_mean(losses.cross_entropy(bought.astype(np.float64), tf.constant(logits)))
    ) == pytest.approx(reference.log_loss(bought, 1 / (1 + np.exp(-logits))), rel=1e-6)


def outputs() -> SpendOutputs:
    layer = SpendOutputs(label_scale(SPEND.astype(np.float64), 5))
    layer.build((None, layer.raw_size))
    return layer


def test_untrained_outputs_are_the_base_rates() -> None:
    layer = outputs()
    found = {
        name: np.asarray(value)[0] for name, value in layer(np.zeros((1, layer.raw_size), np.float32)).items()
    }
    assert found["purchase_probability"] == pytest.approx((SPEND > 0).mean(), rel=1e-4)
    assert found["tier_probabilities"].sum() == pytest.approx(1, abs=1e-6)
    reached = np.cumsum(found["tier_probabilities"][::-1])[::-1][1:]
    rates = (SPEND[:, None] >= layer.scale.tier_cut_points).mean(axis=0)
    # A lognormal's tiers, seen through a log-logistic distribution.
    np.testing.assert_allclose(reached, rates, atol=0.08)


def test_quantiles_are_those_of_a_zero_inflated_log_logistic() -> None:
    layer = outputs()
    raw = RANDOM.normal(size=(500, layer.raw_size)).astype(np.float32)
    # One spread on both sides of the median, so that SciPy's distribution is the same one.
    raw[:, 6] = raw[:, 5]
    found = {name: np.asarray(value, np.float64) for name, value in layer(raw).items()}
    part = layer.parameters(tf.constant(raw))
    probability = found["purchase_probability"]

    def expected(level: float) -> tuple[Any, Any]:
        inner = (level - (1 - probability)) / probability
        true = stats.fisk.ppf(inner, 1 / np.asarray(part.lower), scale=np.exp(np.asarray(part.median)))
        # Between 0 and 0.03 it falls to 0 in a straight line, where the true one falls steeply.
        return np.where(inner > 0, true, 0.0), (inner <= 0) | (inner >= 0.031)

    for name, levels in (("spend_p10", [0.1]), ("spend_p50", np.linspace(0.3, 0.7, 9)), ("spend_p90", [0.9])):
        values, clear = (np.stack(each) for each in zip(*map(expected, levels), strict=True))
        sure = clear.all(axis=0)
        assert sure.mean() > 0.5
        np.testing.assert_allclose(found[name][sure], values.mean(axis=0)[sure], rtol=1e-3)


def test_tiers_and_quantiles_are_of_one_distribution() -> None:
    layer = outputs()
    raw = RANDOM.normal(size=(300, layer.raw_size)).astype(np.float32)
    part = layer.parameters(tf.constant(raw))
    found = {name: np.asarray(value, np.float64) for name, value in layer(raw).items()}
    for place, cut in enumerate(layer.scale.tier_cut_points):
        reached = found["tier_probabilities"][:, place + 1 :].sum(axis=1)
        spread = np.where(np.log(cut) < part.median, part.lower, part.upper)
        inner = stats.fisk.sf(cut, 1 / spread, scale=np.exp(np.asarray(part.median)))
        np.testing.assert_allclose(reached, found["purchase_probability"] * inner, atol=1e-5)


def test_trees_weigh_as_much_as_the_network() -> None:
    layer = outputs()
    raw = tf.constant(RANDOM.normal(0, 0.2, size=(40, layer.raw_size)).astype(np.float32))
    alone = layer.parameters(raw)
    same = tf.stack([alone.buy_logit, alone.log_amount, alone.median], axis=-1)
    # The bound on amounts is applied once more, and changes little near the buyers' mean.
    for name, value in layer.parameters(raw, same)._asdict().items():
        np.testing.assert_allclose(value, getattr(alone, name), atol=0.02, err_msg=name)
    further = layer.parameters(raw, same + 1.0)
    for name in ("buy_logit", "median"):
        np.testing.assert_allclose(getattr(further, name), getattr(alone, name) + 0.5, atol=1e-5)


def test_outputs_are_ordered_whatever_the_raw_values() -> None:
    layer = outputs()
    raw = RANDOM.normal(0, 5, size=(2000, layer.raw_size)).astype(np.float32)
    found = {name: np.asarray(value) for name, value in layer(raw).items()}
    assert (found["spend_p10"] >= 0).all()
    assert (found["spend_p10"] <= found["spend_p50"]).all()
    assert (found["spend_p50"] <= found["spend_p90"]).all()
    assert (found["tier_probabilities"] >= 0).all()
    np.testing.assert_allclose(found["tier_probabilities"].sum(axis=1), 1, atol=1e-5)
    reached = np.cumsum(found["tier_probabilities"][:, ::-1], axis=1)[:, ::-1]
    near = np.abs(reached[:, 1:] - 0.5).min(axis=1) < 1e-5
    np.testing.assert_array_equal(found["tier"][~near], (reached[:, 1:] >= 0.5).sum(axis=1)[~near])


def test_amounts_stay_finite_whatever_the_raw_values() -> None:
    outputs = SpendOutputs(label_scale(SPEND.astype(np.float64), 3))
    raw = tf.constant(np.full((1, outputs.raw_size), 1e6, np.float32))
    for name, value in outputs(raw).items():
        assert np.isfinite(np.asarray(value)).all(), name
    # Near 0, where a shop's users are, the bound changes next to nothing.
    small = outputs.parameters(tf.constant(np.full((1, outputs.raw_size), 0.5, np.float32)))
    assert float(small.mu[0]) == pytest.approx(outputs.scale.log_mean + 0.5 * outputs.scale.log_std, rel=1e-3)


def test_two_tiers_work() -> None:
    layer = SpendOutputs(label_scale(SPEND.astype(np.float64), 2))
    layer.build((None, layer.raw_size))
    found = layer(np.zeros((3, layer.raw_size), np.float32))
    assert np.asarray(found["tier_probabilities"]).shape == (3, 2)


def test_outputs_survive_serialisation() -> None:
    layer = outputs()
    assert SpendOutputs.from_config(layer.get_config()).scale == layer.scale


def test_no_step_after_an_anchor_reaches_it() -> None:
    steps = RANDOM.normal(size=(2, 9, 3)).astype(np.float32)
    before = np.array([[0, 4, 6], [2, 6, 6]], np.int32)
    context = RANDOM.normal(size=(2, 3, 4)).astype(np.float32)
    model = small_model.network().model
    first = np.asarray(model([steps, before, context]))
    later = steps.copy()
    later[:, 6:] += 100
    np.testing.assert_array_equal(first, np.asarray(model([later, before, context])))
    # The check can fail: a step before the anchor does reach it.
    later[:, 5] += 100
    assert (first[:, 2] != np.asarray(model([later, before, context]))[:, 2]).any()


def test_cut_points_are_quantiles_of_all_labels() -> None:
    spend = np.arange(1.0, 101.0)
    assert tier_cut_points(spend, 5) == (20, 40, 60, 80)


def test_cut_points_are_quantiles_of_buyers_where_most_buy_nothing() -> None:
    spend = np.concatenate([np.zeros(500), np.arange(1.0, 101.0)])
    assert tier_cut_points(spend, 5) == (20, 40, 60, 80)


@pytest.mark.parametrize("spend", [[5.0] * 90 + [1.0, 2.0, 3.0, 7.0], [0.0, 1.0, 2.0, 3.0, 4.0] * 3])
def test_cut_points_are_increasing_and_positive_whatever_the_labels(spend: list[float]) -> None:
    cuts = tier_cut_points(np.array(spend), 5)
    assert len(cuts) == 4
    assert cuts[0] > 0
    assert (np.diff(cuts) > 0).all()


def test_too_few_amounts_or_tiers_are_refused() -> None:
    with pytest.raises(PurchasingPowerError, match="2 distinct positive amounts but 5 tiers need 4"):
        tier_cut_points(np.array([0.0, 1.0, 2.0, 2.0]), 5)
    with pytest.raises(PurchasingPowerError, match="1 tier names are configured"):
        tier_cut_points(SPEND.astype(np.float64), 1)
