"""Measures what more users would teach: our defaults, trained on parts of Complete Journey's households.

Trained on what ends before the newest cut, measured on the horizon after it, on all households. The table
goes to docs/benchmarks.md.

    python benchmarks/learning_curve.py [--seeds 3]
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from document import write_table
from shops import Built, complete_journey

from purchasing_power.evaluation import evaluate_scores
from purchasing_power.training import SequenceDataset, TrainingConfig, train
from purchasing_power.warehouse.features import open_sequences

SHARES = (0.125, 0.25, 0.5, 1.0)
METRICS = ("normalized_gini", "spearman", "mae_over_mean", "buy_auc", "top_fifth_accuracy", "top_fifth_f1")


def share_of_users(batches: Iterable[pa.RecordBatch], share: float) -> Iterator[pa.RecordBatch]:
    """Leaves out users by a hash of their ids, so that each part holds the smaller ones."""
    for batch in batches:
        users = batch.column("user_id").to_pylist()
        places = [int(hashlib.sha256(user.encode()).hexdigest()[:8], 16) / 2**32 for user in users]
        yield batch.filter(pa.array([place < share for place in places]))


def measure(built: Built, share: float, seeds: int, folder: Path) -> tuple[int, list[dict[str, float]]]:
    """Trains on a share of the users; gives how many they are and one set of figures a seed."""
    cut, everybody = built.task.cut, built.prepared.dataset
    with open_sequences(built.project) as (settings, batches):
        data = SequenceDataset.write(share_of_users(batches, share), folder, settings.contract)
    labels = everybody.labels(cut)
    figures = []
    for seed in range(seeds):
        model = train(data, TrainingConfig(seed=seed), cutoff=cut, work_dir=folder / "work")
        figures.append(
            evaluate_scores(
                model.predict_table(everybody, cut),
                labels.spend,
                labels.orders,
                tier_names=model.contract.tier_names,
                tier_cut_points=model.tier_cut_points,
            )
        )
    return len(data), figures


def main() -> None:
    """Writes a row for each share of the users."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="training runs of each")
    arguments = parser.parse_args()
    lines = [
        f"Median (smallest to largest) of {arguments.seeds} seeds; Complete Journey at its newest cut.",
        "",
        f"| households trained on | {' | '.join(METRICS)} |",
        f"|---|{'---|' * len(METRICS)}",
    ]
    with tempfile.TemporaryDirectory() as name:
        built = complete_journey(Path(name) / "complete_journey")
        for share in SHARES:
            users, figures = measure(built, share, arguments.seeds, Path(name) / f"share-{share}")
            cells = []
            for metric in METRICS:
                values = [found[metric] for found in figures]
                cells.append(f"{np.median(values):.3f} ({min(values):.3f} to {max(values):.3f})")
            lines.append(f"| {users:,} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    write_table("learning", "\n".join(lines))


if __name__ == "__main__":
    main()
