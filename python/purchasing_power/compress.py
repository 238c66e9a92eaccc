"""Makes a smaller and faster candidate of a registered model, and measures what that costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from purchasing_power.compression import (
    CONTEXT_COLUMNS,
    DEFAULT_SHARE,
    FORMS,
    Figures,
    Graphs,
    anchor_users,
    compare,
    earlier_context,
    optimised,
    thin_trees,
    with_short_names,
)
from purchasing_power.errors import PurchasingPowerError
from purchasing_power.figures import show_measurements
from purchasing_power.reporting import Reporter
from purchasing_power.scoring.columns import FloatArray
from purchasing_power.scoring.model import ScoringModel
from purchasing_power.training.tree_graph import boosted_trees, with_compact_trees
from purchasing_power.warehouse.features import FeatureSettings, open_sequences, read_settings
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import (
    Candidate,
    Measurement,
    RegisteredModel,
    Registry,
    open_registry,
)

_DATASET = "compression"


@dataclass(frozen=True)
class CompressionOutcome:
    """What a compression left behind.

    Attributes:
        model_version: the new model's name in the registry.
        folder: where its files lie.
        measurements: what stands in `purchasing_power__model_metrics`.
    """

    model_version: str
    folder: Path
    measurements: list[Measurement]


@dataclass(frozen=True)
class _Step:
    """A graph after one step, so that it is known which bytes come from what."""

    what: str
    graphs: Graphs


def run_compression(
    project: Project,
    reporter: Reporter,
    *,
    model_version: str | None = None,
    form: str = "int8",
    keep_trees: float | None = None,
    onnx_dir: Path | None = None,
) -> CompressionOutcome:
    """Compresses a model, compares it with the original on the project's own users, and registers it.

    Args:
        project: the dbt project, with its features built.
        reporter: where sizes and figures are shown.
        model_version: the model; the champion when None.
        form: what becomes of its weights, one of FORMS.
        keep_trees: share of the boosted trees that is kept, within (0, 1]; a third when None.
        onnx_dir: folder for the files; `onnx/` in the project's folder when None.

    Raises:
        PurchasingPowerError: there is no such model, it is compressed already, its figures cannot be measured
            on the features that dbt built, or this was made before.
    """
    share = DEFAULT_SHARE if keep_trees is None else keep_trees
    with open_registry(project, read_only=True) as registry:
        source = _source(registry, model_version)
        taken = {model.model_version for model in registry.models()}
        _check_measurable(source, read_settings(registry.connection, project))
        files = registry.graphs(source.model_version)
    original = ScoringModel.from_bytes(*files, source.sha256)
    graphs = Graphs.from_bytes(*files)
    all_trees = _count_trees(graphs)

    steps = [
        _Step("as registered", graphs),
        _Step("trees as tensors", replace(graphs, head=with_compact_trees(graphs.head))),
    ]
    trees = all_trees
    if all_trees and share < 1:
        context = _context(project)
        thinned, trees = thin_trees(steps[-1].graphs.head, context, share)
        steps.append(_Step(f"{trees} of {all_trees} trees", replace(graphs, head=thinned)))
    steps.append(_Step("optimised by onnxruntime", steps[-1].graphs.each(optimised)))
    steps.append(_Step(f"weights as {form}", steps[-1].graphs.each(FORMS[form])))
    steps.append(_Step("names of a few letters", steps[-1].graphs.each(with_short_names)))

    version = f"{source.model_version}-{form}" + (f"-{trees}-trees" if trees < all_trees else "")
    if version in taken:
        # Before the minutes of measuring.
        raise PurchasingPowerError(
            f"{version} is registered already: promote it, or choose another --to or --keep-trees."
        )
    metadata = replace(original.metadata, model_version=version)
    compressed = ScoringModel.from_bytes(*steps[-1].graphs.stamp(metadata))
    with open_sequences(project) as (settings, batches):
        users = anchor_users(batches, settings.newest_matured_anchor, settings.contract)
        figures = compare(original, compressed, users)

    # As training does it: the figures of held-back users, where there are any.
    metadata = replace(metadata, metrics=figures.compressed_held_back or figures.compressed)
    encoder, head = steps[-1].graphs.stamp(metadata)
    sizes = {"bytes": float(len(encoder) + len(head))}
    sizes["size_ratio"] = sum(map(len, files)) / sizes["bytes"]
    compression = {
        "original": source.model_version,
        "form": form,
        "trees": trees,
        "trees_of_original": all_trees,
        "anchor": settings.newest_matured_anchor.isoformat(),
        "bytes_by_step": {step.what: step.graphs.size for step in steps},
        **sizes,
        **figures.difference,
    }
    candidate = Candidate(
        model_version=version,
        encoder=encoder,
        head=head,
        feature_hash=source.feature_hash,
        scaling_version=source.scaling_version,
        horizon_days=source.horizon_days,
        trained_at=datetime.fromisoformat(metadata.trained_at),
        train_cutoff=date.fromisoformat(metadata.train_cutoff),
        metrics=metadata.metrics,
        card={**metadata.as_dict(), "compression": compression},
    )
    measurements = _measurements(figures, sizes)
    _show(steps, measurements, compression, reporter)
    with open_registry(project) as registry:
        registry.register(candidate)
        registry.write_metrics(version, measurements)
    folder = candidate.write(onnx_dir or project.project_dir / "onnx")
    reporter.say(f"Registered {version} as a candidate; files in {folder}")
    return CompressionOutcome(version, folder, measurements)


def _source(registry: Registry, model_version: str | None) -> RegisteredModel:
    if model_version is None:
        champion = registry.champion()
        if champion is None:
            raise PurchasingPowerError(
                "No model is the champion yet, so none was compressed: name one that "
                "`purchasing-power models list` shows, or train one with `purchasing-power train --promote`."
            )
        source = champion
    else:
        source = registry.get(model_version)
    if source.compression:
        raise PurchasingPowerError(
            f"Model {source.model_version} is compressed already, and what it lost would be lost sight of: "
            f"compress {source.compression['original']}, which it was made from."
        )
    return source


def _context(project: Project) -> FloatArray:
    """Draws context to fit fewer trees on; of earlier anchors than the one that the model is measured at."""
    with open_sequences(project, CONTEXT_COLUMNS) as (settings, batches):
        context = earlier_context(batches, settings.newest_matured_anchor, len(settings.contract.context))
    if not len(context):
        raise PurchasingPowerError(
            f"The users have no anchor before {settings.newest_matured_anchor} to fit fewer trees on: "
            "keep all with --keep-trees 1."
        )
    return context


def _check_measurable(source: RegisteredModel, settings: FeatureSettings) -> None:
    built = settings.contract
    if (built.feature_hash, built.scaling_version) != (source.feature_hash, source.scaling_version):
        raise PurchasingPowerError(
            f"The figures of {source.model_version} cannot be measured, because it was trained on features "
            f"{source.feature_hash[:12]} and scaling {source.scaling_version}, and the training sequences "
            f"hold {built.feature_hash[:12]} and {built.scaling_version}: train a new model with "
            "`purchasing-power train` and compress that."
        )


def _count_trees(graphs: Graphs) -> int:
    return sum(len(ensemble.root) for ensemble in boosted_trees(graphs.head.graph))


def _measurements(figures: Figures, sizes: Mapping[str, float]) -> list[Measurement]:
    found: list[tuple[str, str, str, Mapping[str, float]]] = [
        (_DATASET, "all", "model", figures.compressed),
        (_DATASET, "all", "original", figures.original),
        (_DATASET, "all", "difference", {**sizes, **figures.difference}),
        ("held-back users", "validation", "model", figures.compressed_held_back),
        ("held-back users", "validation", "original", figures.original_held_back),
    ]
    return [
        Measurement(dataset, split, method, metric, value)
        for dataset, split, method, metrics in found
        for metric, value in metrics.items()
    ]


def _show(
    steps: list[_Step], measurements: list[Measurement], compression: Mapping[str, Any], reporter: Reporter
) -> None:
    first = steps[0].graphs.size
    reporter.table(
        ("step", "encoder", "head", "of the original"),
        [
            (
                step.what,
                f"{step.graphs.encoder.ByteSize():,}",
                f"{step.graphs.head.ByteSize():,}",
                f"{step.graphs.size / first:.1%}",
            )
            for step in steps
        ],
        title="Bytes after each step",
    )
    show_measurements(
        [row for row in measurements if row.dataset == _DATASET and row.method != "difference"], reporter
    )
    reporter.say(
        f"{compression['size_ratio']:.2f} times smaller; users a second over the original's: "
        f"{compression['head_speed_ratio']:.2f} for the head, which runs for everybody each day, "
        f"{compression['encoder_speed_ratio']:.2f} for the encoder, {compression['speed_ratio']:.2f} for "
        "both on whole histories"
    )
    reporter.say(
        f"Lost at {compression['anchor']}: {compression['normalized_gini_lost']:+z.4f} of normalised Gini, "
        f"{compression['buy_auc_lost']:+z.4f} of buy AUC; MAE / mean rose by "
        f"{compression['mae_over_mean_added']:+z.4f}"
    )
