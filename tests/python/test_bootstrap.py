"""Resamples held as counts give what a plain loop over drawn rows gives."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from purchasing_power.evaluation import Prediction, bootstrap_figures, evaluate
from purchasing_power.evaluation.metrics import tiers_of

CUTS = (20.0, 60.0, 150.0)


def make_users(users: int, buyers: float = 0.6, seed: int = 0) -> tuple[np.ndarray, dict[str, Prediction]]:
    random = np.random.default_rng(seed)
    # Rounded, so that amounts and predictions tie.
    spend = np.round(random.lognormal(4, 1, users) * (random.uniform(size=users) < buyers), -1)

    def predict(noise: float) -> Prediction:
        expected = np.round(spend * random.lognormal(0, noise, users) + random.uniform(0, 40, users), -1)
        probability = np.round(np.clip(0.3 + 0.4 * (spend > 0) + random.normal(0, noise, users), 0, 1), 1)
        return Prediction(
            purchase_probability=probability,
            expected_spend=expected,
            spend_p50=0.9 * expected,
            tier=tiers_of(expected, CUTS),
            spend_p10=0.2 * expected,
            spend_p90=2 * expected,
        )

    plain = predict(0.8)
    without_interval = Prediction(
        plain.purchase_probability,
        plain.expected_spend,
        plain.spend_p50,
        plain.tier,
        buyer_rank=plain.expected_spend,
    )
    return spend, {"near": predict(0.3), "far": plain, "ranked by money": without_interval}


def rows_of(prediction: Prediction, rows: np.ndarray) -> Prediction:
    values = {field.name: getattr(prediction, field.name) for field in fields(Prediction)}
    return Prediction(**{name: None if value is None else value[rows] for name, value in values.items()})


@pytest.mark.parametrize(("users", "buyers"), [(500, 0.6), (47, 0.6), (60, 0.08), (5, 0.6)])
def test_equals_a_plain_loop(users: int, buyers: float) -> None:
    spend, predictions = make_users(users, buyers)
    found = bootstrap_figures(predictions, spend, spend > 0, CUTS, resamples=30, seed=4)
    random = np.random.default_rng(4)
    for resample in range(30):
        # Sorted, because ties of a prediction stay in the order of rows.
        rows = np.sort(random.integers(0, users, users))
        for name, prediction in predictions.items():
            expected = evaluate(rows_of(prediction, rows), spend[rows], spend[rows] > 0, CUTS)
            given = {metric: values[resample] for metric, values in found.figures[name].items()}
            defined = {metric: value for metric, value in given.items() if np.isfinite(value)}
            assert defined == pytest.approx(expected, abs=1e-9)


def test_blocks_of_resamples_do_not_change_them(monkeypatch: pytest.MonkeyPatch) -> None:
    spend, predictions = make_users(50)
    whole = bootstrap_figures(predictions, spend, spend > 0, CUTS, resamples=7)
    monkeypatch.setattr("purchasing_power.evaluation.bootstrap._COUNTS_AT_ONCE", 100)
    parts = bootstrap_figures(predictions, spend, spend > 0, CUTS, resamples=7)
    for name, figures in whole.figures.items():
        for metric, values in figures.items():
            np.testing.assert_allclose(parts.figures[name][metric], values, err_msg=metric)


def test_intervals_hold_the_figure_and_tell_methods_apart() -> None:
    spend, predictions = make_users(800)
    found = bootstrap_figures(predictions, spend, spend > 0, CUTS)
    figures = {name: evaluate(each, spend, spend > 0, CUTS) for name, each in predictions.items()}
    interval = found.interval("near", "spearman")
    assert interval is not None
    assert interval.low < figures["near"]["spearman"] < interval.high
    apart = found.difference("near", "far", "spearman")
    assert apart is not None
    assert 0 < apart.low < figures["near"]["spearman"] - figures["far"]["spearman"] < apart.high
    # Paired: the same order of users, so no resample tells the two apart.
    same = found.difference("far", "ranked by money", "spearman")
    assert (same.low, same.high) == (0, 0)
    assert found.interval("ranked by money", "coverage_p10_p90") is None
    assert found.difference("near", "ranked by money", "coverage_p10_p90") is None


def test_the_median_of_runs_is_taken_in_each_resample() -> None:
    spend, predictions = make_users(100)
    runs = {f"run {seed}": make_users(100, seed=seed)[1]["near"] for seed in range(3)}
    found = bootstrap_figures({**predictions, **runs}, spend, spend > 0, CUTS, resamples=20)
    median = found.with_median("all", list(runs)).figures["all"]["bias"]
    np.testing.assert_array_equal(median, np.median([found.figures[run]["bias"] for run in runs], axis=0))
