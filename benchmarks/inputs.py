"""Measures what each kind of input adds, and what dirt takes away.

On simulated shops, and on the real sessions of the Google Merchandise Store where their file is given. Each
shop is built by dbt from its mapping, trained with the defaults on what ends before the cut, and measured on
the horizon after it. The table goes to docs/benchmarks.md.

    python benchmarks/inputs.py [--sessions FILE] [--seeds 3]
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from document import write_table
from shops import Built, build, ceiling, sessions_mapping, simulated_tables

from purchasing_power.evaluation import evaluate, evaluate_baselines
from purchasing_power.peers import recurrent, trees
from purchasing_power.training import TrainingConfig

METRICS = ("normalized_gini", "spearman", "buy_auc", "average_precision", "bias")


@dataclass(frozen=True)
class Row:
    """A method's figures on a shop, one set a seed."""

    shop: str
    inputs: str
    method: str
    figures: tuple[Mapping[str, float], ...]


def measure(shop: str, inputs: str, built: Built, seeds: int, *, peer: bool) -> list[Row]:
    """Trains once a seed and measures at the newest matured anchor, beside what costs less."""
    task = built.task
    labels, cuts = task.dataset.labels(task.cut), task.tier_cut_points
    own, other = [], []
    for seed in range(seeds):
        prediction = recurrent.predict(task, TrainingConfig(seed=seed))
        own.append(evaluate(prediction, labels.spend, labels.orders, cuts))
        print(f"{shop}, {inputs}, seed {seed}: {_line(own[-1])}", flush=True)
        if peer:
            prediction = trees.predict(replace(task, seed=seed), np.arange(task.dataset.n_context))
            other.append(evaluate(prediction, labels.spend, labels.orders, cuts))
    rows = [Row(shop, inputs, "ours", tuple(own))]
    if peer:
        rows.append(Row(shop, inputs, "LightGBM, same context", tuple(other)))
    rows.append(Row(shop, inputs, "persistence", (evaluate_baselines(labels, cuts)["persistence"],)))
    return rows


def simulated(folder: Path, users: int, days: int, seeds: int) -> Iterator[Row]:
    """A clean shop by its orders alone and by everything, its dirty twin, and how far the truth comes."""
    for dirt in (0.0, 0.2):
        shop = folder / f"shop-{dirt}"
        proposed = simulated_tables(shop, users, days, dirt)
        name = f"simulated, {users:,} users, {'clean' if not dirt else f'dirt {dirt}'}"
        choices = {"all": proposed} if dirt else {"orders alone": _orders_alone(proposed), "all": proposed}
        for inputs, variables in choices.items():
            built = build(folder / f"project-{dirt}-{inputs.replace(' ', '-')}", variables)
            yield from measure(name, inputs, built, seeds, peer=False)
        yield Row(name, "-", "the truth's own ranking", (ceiling(built.task, shop),))


def _orders_alone(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The same shop without what people browse and say; who its customers are stays known."""
    left = copy.deepcopy(dict(variables))
    for name in ("browse_events", "reviews"):
        left["purchasing_power__inputs"].pop(name, None)
    left.pop("purchasing_power__extra_channels", None)
    return left


def real_sessions(folder: Path, sessions: Path, seeds: int) -> Iterator[Row]:
    """The Google Merchandise Store's visitors, by their orders alone and with their visits."""
    variables = sessions_mapping(folder, sessions)
    for inputs, chosen in (("orders alone", _orders_alone(variables)), ("visits too", variables)):
        built = build(folder / f"sessions-{inputs.replace(' ', '-')}", chosen)
        yield from measure("Google Merchandise Store", inputs, built, seeds, peer=True)


def table(rows: Sequence[Row]) -> str:
    """Writes the figures as Markdown."""
    lines = [
        "Median (smallest to largest) of the seeds, at the newest cut, trained with the defaults before it.",
        "",
        "| shop | inputs | method | norm. Gini | Spearman | buy AUC | avg. precision | bias |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [_cell(name, row.figures) for name in METRICS]
        lines.append(f"| {row.shop} | {row.inputs} | {row.method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(name: str, figures: Sequence[Mapping[str, float]]) -> str:
    values = [found[name] for found in figures if name in found]
    if not values:
        return "-"
    shown = f"{np.median(values):{'+' if name == 'bias' else ''}.3f}"
    return shown if len(values) == 1 else f"{shown} ({min(values):.3f} to {max(values):.3f})"


def _line(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {figures[name]:.4f}" for name in METRICS)


def main() -> None:
    """Measures on what is given, and says what was left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--sessions", type=Path, help="Parquet file of the Google Merchandise Store's sessions"
    )
    parser.add_argument("--users", type=int, default=4000, help="users of the simulated shops")
    parser.add_argument("--days", type=int, default=400, help="days of the simulated shops")
    parser.add_argument("--seeds", type=int, default=3, help="training runs of each")
    arguments = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.sessions:
            rows.extend(real_sessions(folder, arguments.sessions.resolve(), arguments.seeds))
        rows.extend(simulated(folder, arguments.users, arguments.days, arguments.seeds))
    text = table(rows)
    print(text)
    if not arguments.sessions:
        raise SystemExit("Real sessions left out, and nothing written: give their file with --sessions.")
    write_table("inputs", text)


if __name__ == "__main__":
    main()
