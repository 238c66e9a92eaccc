"""The search: earlier windows only, the current settings first, and nothing lost when it is interrupted."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_model
import yaml

from purchasing_power import tune
from purchasing_power.errors import PurchasingPowerError
from purchasing_power.fitting import Prepared
from purchasing_power.reporting import Silent
from purchasing_power.training import TrainedModel, TrainingConfig, train
from purchasing_power.training.config import TRAINING_VAR
from purchasing_power.tune import TuningOutcome, cost_of, run_tuning, settings_yaml, tuning_cuts
from purchasing_power.warehouse.features import FeatureSettings
from purchasing_power.warehouse.project import Project

HORIZON = dt.timedelta(days=56)
# Of 24 weekly anchors the newest that has matured, where the backtest begins.
ANCHORS = [small_model.FIRST_ANCHOR + dt.timedelta(weeks=week) for week in range(24)]
NEWEST = ANCHORS[-1]
CONFIG = TrainingConfig(batch_size=64, epochs=1, patience=1, hidden_size=16, head_sizes=(8,), members=1)
PROJECT = Project(Path("shop"), Path("shop"))


class Told(Silent):
    """A reporter that keeps its table."""

    def __init__(self) -> None:
        self.rows: list[Sequence[str]] = []

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        self.rows = list(rows)


def prepared_in(folder: Path, records: list[dict[str, Any]] | None = None) -> Prepared:
    settings = FeatureSettings(small_model.CONTRACT, NEWEST + HORIZON)
    return Prepared(settings, small_model.dataset(folder / "sequences", records), folder / "training")


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    return small_model.rows(60, anchors=ANCHORS)


@pytest.fixture
def prepared(tmp_path: Path, records: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Prepared:
    found = prepared_in(tmp_path, records)
    monkeypatch.setattr(tune, "prepare", lambda project, reporter: found)
    # Half the time; what two windows change, the tests of windows say.
    monkeypatch.setattr(tune, "_MOST_CUTS", 1)
    return found


def search(trials: int, config: TrainingConfig = CONFIG, **options: Any) -> TuningOutcome:
    return run_tuning(PROJECT, config, Silent(), trials=trials, **options)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[TrainingConfig, dt.date]]:
    """What was trained with, and up to when, in order."""
    calls: list[tuple[TrainingConfig, dt.date]] = []

    def noted(dataset: Any, config: TrainingConfig, *, cutoff: dt.date, **options: Any) -> TrainedModel:
        calls.append((config, cutoff))
        return train(dataset, config, cutoff=cutoff, **options)

    monkeypatch.setattr(tune, "train", noted)
    return calls


def test_windows_end_where_the_backtest_begins_or_before(
    tmp_path: Path, records: list[dict[str, Any]]
) -> None:
    cuts = tuning_cuts(prepared_in(tmp_path, records))
    # 8 weeks before the newest, and half a horizon before that.
    assert cuts == [ANCHORS[15], ANCHORS[11]]
    assert all(cut + HORIZON <= NEWEST for cut in cuts)


def test_a_single_window_is_enough_and_none_is_one_sentence(
    tmp_path: Path, records: list[dict[str, Any]]
) -> None:
    prepared = prepared_in(tmp_path, records)
    earlier = replace(prepared.settings, as_of_date=ANCHORS[16] + HORIZON)
    assert tuning_cuts(replace(prepared, settings=earlier)) == [ANCHORS[8]]
    earlier = replace(prepared.settings, as_of_date=ANCHORS[15] + HORIZON)
    with pytest.raises(
        PurchasingPowerError, match="Tuning needs a window of 56 days that ends by 2024-06-16"
    ):
        tuning_cuts(replace(prepared, settings=earlier))


def test_nothing_after_the_backtests_cut_changes_the_search(
    tmp_path: Path, records: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed_from(day: dt.date) -> list[dict[str, Any]]:
        result = []
        for row in records:
            late = np.array([anchor >= day for anchor in row["anchor_on"]])
            result.append({**row, **{name: np.where(late, 999, row[name]) for name in ("spend", "orders")}})
        return result

    def found(name: str, rows: list[dict[str, Any]]) -> TuningOutcome:
        prepared = prepared_in(tmp_path / name, rows)
        monkeypatch.setattr(tune, "_MOST_CUTS", 1)
        monkeypatch.setattr(tune, "prepare", lambda project, reporter: prepared)
        return search(1)

    usual = found("usual", records)
    # The newest cut's window ends where the backtest's begins.
    after = found("after", changed_from(ANCHORS[15] + dt.timedelta(days=1)))
    assert (after.best.cost, after.best.figures) == (usual.best.cost, usual.best.figures)
    # The check can fail: the newest cut's own labels do change the figures.
    assert found("at", changed_from(ANCHORS[15])).best.cost != usual.best.cost


def test_the_current_settings_come_first_and_the_best_is_no_worse(
    prepared: Prepared, trained: list[tuple[TrainingConfig, dt.date]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune, "_MOST_CUTS", 2)
    reporter = Told()
    outcome = run_tuning(PROJECT, CONFIG, reporter, trials=2)
    assert trained[:2] == [(CONFIG, cut) for cut in outcome.cuts]
    assert outcome.trials == 2
    assert outcome.current.config == CONFIG
    assert outcome.best.cost <= outcome.current.cost
    tried = {config for config, _ in trained}
    assert outcome.best.config in tried
    # What is not searched stays; what is new stays short enough to be written down.
    assert {(config.members, config.epochs, config.objective) for config in tried} == {(1, 1, "full")}
    assert all(len(f"{config.learning_rate:.9g}") <= 9 for config in tried)
    shown = {row[0]: row[1:] for row in reporter.rows}
    assert shown["hidden_size"] == ("16", str(outcome.best.config.hidden_size))
    assert shown["minimised"] == (f"{outcome.current.cost:.4f}", f"{outcome.best.cost:.4f}")


def test_a_search_goes_on(prepared: Prepared, trained: list[tuple[TrainingConfig, dt.date]]) -> None:
    first = search(1)
    assert search(1) == first
    assert len(trained) == 1
    assert search(2).trials == 2
    assert trained[1][0] != CONFIG
    # Other fixed settings are another study.
    assert search(1, replace(CONFIG, seed=8)).current.config.seed == 8


def test_what_was_interrupted_is_done_again(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch, trained: list[tuple[TrainingConfig, dt.date]]
) -> None:
    search(1)
    noted = tune.train

    def interrupted(*arguments: Any, **options: Any) -> TrainedModel:
        noted(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(tune, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search(2)
    monkeypatch.setattr(tune, "train", noted)
    assert search(2).trials == 2
    assert [config == CONFIG for config, _ in trained] == [True, False, False]
    assert trained[2] == trained[1]


def test_settings_that_cannot_be_trained_are_given_up_unless_they_are_the_current_ones(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(dataset: Any, config: TrainingConfig, **options: Any) -> TrainedModel:
        if config != CONFIG:
            raise PurchasingPowerError("The loss is not finite.")
        return train(dataset, config, **options)

    monkeypatch.setattr(tune, "train", fails)
    outcome = search(2)
    assert (outcome.trials, outcome.best.config) == (2, CONFIG)
    with pytest.raises(PurchasingPowerError, match="The loss is not finite"):
        search(1, replace(CONFIG, seed=8))


def test_bad_trials_are_given_up_in_their_first_epochs(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch, trained: list[tuple[TrainingConfig, dt.date]]
) -> None:
    monkeypatch.setattr(tune, "_TRIALS_BEFORE_PRUNING", 1)
    monkeypatch.setattr(tune, "_EPOCHS_BEFORE_PRUNING", 0)
    noted = tune.train

    def worse(dataset: Any, config: TrainingConfig, *, progress: Any, **options: Any) -> TrainedModel:
        by = 0.0 if config == CONFIG else 100.0
        return noted(
            dataset,
            config,
            progress=lambda report: progress(replace(report, validation_loss=report.validation_loss + by)),
            **options,
        )

    monkeypatch.setattr(tune, "train", worse)
    measured: list[dt.date] = []
    measure = tune.measure

    def noted_measure(*arguments: Any, anchor_on: dt.date, **options: Any) -> Any:
        measured.append(anchor_on)
        return measure(*arguments, anchor_on=anchor_on, **options)

    monkeypatch.setattr(tune, "measure", noted_measure)
    outcome = search(3)
    assert (outcome.trials, outcome.best.config) == (3, CONFIG)
    assert (len(trained), len(measured)) == (3, 1)


def test_no_trial_starts_after_the_time_is_up(
    prepared: Prepared, trained: list[tuple[TrainingConfig, dt.date]]
) -> None:
    assert search(5, timeout_minutes=0).trials == 1


@pytest.mark.parametrize(
    "config",
    [
        TrainingConfig.preset("classic", epochs=1, hidden_size=50),
        replace(CONFIG, l2=0.0, half_life_horizons=0.0, learning_rate=0.05, layers=3, head_sizes=()),
    ],
    ids=["classic", "far out"],
)
def test_any_current_settings_can_be_searched_from(prepared: Prepared, config: TrainingConfig) -> None:
    outcome = search(2, config)
    assert outcome.current.config == config
    for name in ("l2", "half_life_horizons"):
        assert bool(getattr(outcome.best.config, name)) == bool(getattr(config, name))


def test_the_cost_is_0_for_perfect_predictions() -> None:
    assert cost_of({"normalized_gini": 1.0, "buy_auc": 1.0, "mae_over_mean": 0.0}) == 0
    assert cost_of({"normalized_gini": 0.8, "buy_auc": 0.9, "mae_over_mean": 0.4}) == pytest.approx(0.7)
    assert cost_of({"normalized_gini": 0.8, "mae_over_mean": 0.4}) == pytest.approx(0.6)


def test_settings_are_written_as_the_var_that_holds_them() -> None:
    config = replace(CONFIG, learning_rate=0.00001, cell="gru")
    written = yaml.safe_load(settings_yaml(config))["vars"]
    assert TrainingConfig.from_var(written[TRAINING_VAR]) == config
    assert "dropout" not in written[TRAINING_VAR]


def test_without_optuna_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "purchasing_power.tune")
    with pytest.raises(PurchasingPowerError, match=r"install purchasing_power\[tune\]"):
        __import__("purchasing_power.tune")
