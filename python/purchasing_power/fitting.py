"""What a backtest and a training run share: sequences from the warehouse, a fitted model, its figures."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.evaluation import (
    Curve,
    Prediction,
    baselines,
    curves_of,
    evaluate,
    loss_curves,
    prediction_from_scores,
)
from purchasing_power.reporting import Reporter
from purchasing_power.training import EpochReport, SequenceDataset, TrainedModel, TrainingConfig, train
from purchasing_power.warehouse.features import FeatureSettings, open_sequences
from purchasing_power.warehouse.project import PACKAGE, Project
from purchasing_power.warehouse.registry import MeasuredCurve, Measurement

MODEL_METHOD = "model"


@dataclass(frozen=True)
class Prepared:
    """The training sequences on local disk, with the settings they were built under."""

    settings: FeatureSettings
    dataset: SequenceDataset
    work_dir: Path


@dataclass(frozen=True)
class Measured:
    """What was measured of a model and of the baselines, as numbers and to look at."""

    figures: list[Measurement]
    curves: list[MeasuredCurve]


def prepare(project: Project, reporter: Reporter) -> Prepared:
    """Copies the training sequences from the warehouse to memory-mapped files, batch by batch.

    Raises:
        PurchasingPowerError: dbt has not built the features, or they are not what the catalogue says.
    """
    # Below dbt's target folder, which is ignored by version control and emptied by `dbt clean`.
    work_dir = project.project_dir / "target" / PACKAGE / "training"
    with open_sequences(project) as (settings, batches):
        dataset = SequenceDataset.write(batches, work_dir / "sequences", settings.contract)
    anchors = dataset.anchors()
    reporter.say(
        f"{len(dataset):,} users, {len(anchors)} anchors from {anchors[0]} to {anchors[-1]}, horizon "
        f"{settings.contract.horizon_days} days, {dataset.n_channels} channels a step, "
        f"{dataset.n_context} context values"
    )
    return Prepared(settings, dataset, work_dir)


def fit(
    prepared: Prepared, config: TrainingConfig, *, cutoff: date, run_name: str, reporter: Reporter
) -> TrainedModel:
    """Trains on the anchors whose labels end by the cutoff, and shows each epoch.

    Args:
        prepared: the sequences.
        config: hyperparameters.
        cutoff: no label window ends after it.
        run_name: keeps the checkpoints of different kinds of runs apart.
        reporter: where progress is shown.

    Raises:
        PurchasingPowerError: there is nothing to train on before the cutoff, or the loss is not finite.
    """
    started = time.monotonic()
    resumed: list[EpochReport] = []
    with reporter.progress("training") as tick:

        def show(report: EpochReport) -> None:
            if report.resumed:
                resumed.append(report)
            detail = (
                f"epoch {report.epoch}, loss {report.loss:.4f}, held-back users {report.validation_loss:.4f} "
                f"(best {report.best_validation_loss:.4f})"
            )
            tick(report.epoch, report.epochs, detail, report.epoch == 1 or report.epoch % 5 == 0)

        model = train(
            prepared.dataset,
            config,
            cutoff=cutoff,
            work_dir=prepared.work_dir / run_name,
            progress=show,
        )
    if resumed:
        reporter.say(f"Went on from epoch {len(resumed)} of the run that was interrupted.")
    best = min(model.history, key=lambda report: report.validation_loss)
    reporter.say(
        f"Trained {len(model.history)} epochs in {time.monotonic() - started:.0f} s; the best was epoch "
        f"{best.epoch} (loss {best.validation_loss:.4f} on held-back users)"
    )
    if model.budget is not None:
        budget = model.budget
        reporter.say(
            f"Private for each training user: epsilon {budget.epsilon:g}, delta {budget.delta:.1e}, by noise "
            f"of {budget.noise_multiplier:.2f} times the longest gradient of a user"
        )
    return model


def measure(
    prepared: Prepared,
    model: TrainedModel,
    *,
    anchor_on: date,
    dataset_name: str,
    split: str | None = None,
) -> Measured:
    """Measures a model and the baselines at one anchor, all on the same users.

    Args:
        prepared: the sequences.
        model: the model, which predicts through onnxruntime as the warehouse does.
        anchor_on: the anchor.
        dataset_name: what the figures stand under in the warehouse.
        split: 'train' or 'validation'; None takes all users.

    Raises:
        PurchasingPowerError: no user has that anchor.
    """
    labels = prepared.dataset.labels(anchor_on, split=split)
    if not len(labels.spend):
        raise PurchasingPowerError(
            f"No user has an anchor on {anchor_on}: check purchasing_power__anchor_every_days and the "
            "input's dates."
        )
    scores = model.predict_table(prepared.dataset, anchor_on, split=split)
    cut_points, tier_names = model.tier_cut_points, model.contract.tier_names
    predictions: dict[str, Prediction] = {
        MODEL_METHOD: prediction_from_scores(scores, tier_names),
        **baselines(labels, cut_points),
    }
    figures = {
        method: evaluate(prediction, labels.spend, labels.orders, cut_points)
        for method, prediction in predictions.items()
    }
    curves = {
        method: curves_of(
            prediction, labels.spend, labels.orders, tier_names=tier_names, tier_cut_points=cut_points
        )
        for method, prediction in predictions.items()
    }
    curves[MODEL_METHOD] += loss_curves(
        [report.loss for report in model.history], [report.validation_loss for report in model.history]
    )
    split = split or "all"
    return Measured(
        as_measurements(figures, dataset_name=dataset_name, split=split),
        [
            _stored(curve, method, dataset_name=dataset_name, split=split)
            for method, drawn in curves.items()
            for curve in drawn
        ],
    )


def _stored(curve: Curve, method: str, *, dataset_name: str, split: str) -> MeasuredCurve:
    points = list(zip(curve.x.tolist(), curve.y.tolist(), strict=True))
    return MeasuredCurve(dataset_name, split, method, curve.name, curve.series, points)


def as_measurements(
    figures: Mapping[str, Mapping[str, float]], *, dataset_name: str, split: str
) -> list[Measurement]:
    """Gives method -> metric -> value as rows for the warehouse."""
    return [
        Measurement(dataset_name, split, method, metric, value)
        for method, metrics in figures.items()
        for metric, value in metrics.items()
    ]
