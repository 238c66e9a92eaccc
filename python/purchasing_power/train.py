"""Trains the next champion on everything known, exports it and registers it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from purchasing_power.challenge import promote_checked
from purchasing_power.fitting import MODEL_METHOD, fit, measure, prepare
from purchasing_power.reporting import Reporter
from purchasing_power.training import ParityReport, TrainingConfig
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import Candidate, open_registry


@dataclass(frozen=True)
class TrainingOutcome:
    """What a training run left behind.

    Attributes:
        model_version: the model's name in the registry.
        folder: where its files lie.
        parity: how far onnxruntime is from Keras.
        promoted: whether it is the champion now.
    """

    model_version: str
    folder: Path
    parity: ParityReport
    promoted: bool


def run_training(
    project: Project,
    config: TrainingConfig,
    reporter: Reporter,
    *,
    onnx_dir: Path | None = None,
    promote: bool = False,
) -> TrainingOutcome:
    """Trains on every matured anchor, checks the export, and registers the model.

    Nothing is registered unless the exported graphs compute what Keras computes.

    Args:
        project: the dbt project, with its features built.
        config: hyperparameters.
        reporter: where progress is shown.
        onnx_dir: folder for the exported files; `onnx/` in the project's folder when None.
        promote: make it the champion at once.

    Raises:
        PurchasingPowerError: the features are not built, there is too little history, the export differs from
            Keras, or the model does not fit the features and cannot be promoted.
    """
    prepared = prepare(project, reporter)
    cutoff, newest = prepared.settings.as_of_date, prepared.settings.newest_matured_anchor
    model = fit(prepared, config, cutoff=cutoff, run_name="champion", reporter=reporter)
    parity = model.check_parity(prepared.dataset, newest)
    reporter.say(
        f"Trained and exported model agree on {parity.rows} users: states to {parity.state:.1e}, "
        f"probabilities to {parity.probability:.1e}, money to {parity.money:.1e} of itself, anomaly scores "
        f"to {parity.anomaly:.1e}"
    )
    # Users of the validation split: they chose the epoch, but no weight was fitted to them.
    measured = measure(prepared, model, anchor_on=newest, dataset_name="held-back users", split="validation")
    figures = {row.metric: row.value for row in measured.figures if row.method == MODEL_METHOD}
    if model.budget is not None:
        figures |= {"private_epsilon": model.budget.epsilon, "private_delta": model.budget.delta}
    trained_at = datetime.now(UTC).replace(microsecond=0)
    version = f"{MODEL_METHOD}-{cutoff:%Y%m%d}-{trained_at:%Y%m%d%H%M%S}"
    exported = model.export(model_version=version, trained_at=trained_at, metrics=figures)
    candidate = Candidate(
        model_version=version,
        encoder=exported.encoder,
        head=exported.head,
        feature_hash=exported.metadata.feature_hash,
        scaling_version=exported.metadata.scaling_version,
        horizon_days=exported.metadata.horizon_days,
        trained_at=trained_at,
        train_cutoff=cutoff,
        metrics=figures,
        card=exported.metadata.as_dict(),
    )
    folder = candidate.write(onnx_dir or project.project_dir / "onnx")
    with open_registry(project) as registry:
        registry.register(candidate)
        registry.write_metrics(version, measured.figures)
        registry.write_curves(version, measured.curves)
    if promote:
        promote_checked(project, version, reporter)
    reporter.say(f"Registered {version} as {'the champion' if promote else 'a candidate'}; files in {folder}")
    return TrainingOutcome(version, folder, parity, promote)
