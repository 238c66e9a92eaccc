"""One training run of the package on a built shop, in a process of its own; prints what it took as JSON.

python benchmarks/training_ours.py PROJECT EPOCHS
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from purchasing_power.training import EpochReport, SequenceDataset, TrainingConfig, train
from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.features import FeatureSettings, read_settings
from purchasing_power.warehouse.project import PACKAGE, Project


def settings_for(epochs: int) -> TrainingConfig:
    """Gives the defaults for so many epochs, without trees: those are fitted by the same code in both."""
    return TrainingConfig(epochs=epochs, patience=epochs, trees=0)


def open_dataset(folder: Path) -> tuple[FeatureSettings, SequenceDataset]:
    """Opens the sequences that `fitting.prepare` copied from a project's warehouse."""
    project = Project.find(folder)
    project.relation_names()
    with connect(project, read_only=True) as connection:
        settings = read_settings(connection, project)
    path = project.project_dir / "target" / PACKAGE / "training" / "sequences"
    return settings, SequenceDataset(path, settings.contract)


def train_ours(
    settings: FeatureSettings, dataset: SequenceDataset, config: TrainingConfig, work_dir: Path
) -> dict[str, Any]:
    """Trains with the package."""
    times: list[float] = [time.perf_counter()]
    losses: list[float] = []

    def note(report: EpochReport) -> None:
        times.append(time.perf_counter())
        losses.append(report.validation_loss)

    train(dataset, config, cutoff=settings.as_of_date, work_dir=work_dir, progress=note)
    return {"seconds": np.diff(times).tolist(), "validation_loss": losses[-1]}


def main() -> None:
    """Trains, and prints what it took."""
    folder, epochs = Path(sys.argv[1]), int(sys.argv[2])
    settings, dataset = open_dataset(folder)
    found = train_ours(settings, dataset, settings_for(epochs), folder / "target" / "limits")
    counts = dataset.selection(split="train", cutoff=settings.as_of_date).n_anchors
    print(json.dumps({**found, "anchors": int(counts.sum()), "users": len(counts)}))


if __name__ == "__main__":
    main()
