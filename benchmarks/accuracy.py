"""Measures our defaults beside other methods: same users, same cut, same run.

Each shop is built by dbt from its mapping. Every method learns from windows that end by the cut and predicts
the horizon after it. The tables go to docs/benchmarks.md.

    python benchmarks/accuracy.py [--sessions FILE] [--only NAME] [--seeds 3]
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from document import write_table
from shops import Built, build, cdnow, ceiling, complete_journey, sessions_mapping, simulated_tables

from purchasing_power.evaluation import (
    Bootstrap,
    Interval,
    Prediction,
    bootstrap_figures,
    evaluate,
    majority,
    persistence,
)
from purchasing_power.evaluation.metrics import spearman
from purchasing_power.fitting import as_measurements
from purchasing_power.peers import PeerTask, recurrent, run_peers
from purchasing_power.reporting import Silent
from purchasing_power.training import TrainingConfig
from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.registry import open_registry

OURS = "ours"
TRUTH = "truth"
# What makes one figure better than another: its distance from this value. The ten main metrics come first.
_BEST: dict[str, float] = {
    "spearman": 1,
    "normalized_gini": 1,
    "mae_over_mean": 0,
    "rmsle": 0,
    "buy_auc": 1,
    "average_precision": 1,
    "top_fifth_auc": 1,
    "top_fifth_accuracy": 1,
    "top_fifth_f1": 1,
    "tier_macro_f1": 1,
    "bias": 0,
    "decile_calibration_error": 0,
    "buy_log_loss": 0,
    "top_fifth_precision": 1,
    "top_fifth_recall": 1,
    "tier_accuracy": 1,
    "tier_macro_recall": 1,
    "coverage_p10_p90": 0.8,
}
MAIN = tuple(_BEST)[:10]
# Says what else one shop's predictions of ours, a seed each, and of the others tell.
Notes = Callable[[PeerTask, Sequence[Prediction], Mapping[str, Prediction]], list[str]]
# Best where equal to the nominal one, which differs between methods.
_BUYERS_COVERAGE = ("buyers_coverage_p10_p90", "buyers_coverage_nominal")


@dataclass(frozen=True)
class Measured:
    """What one shop gave.

    Attributes:
        title: the shop.
        about: its users, cut and horizon.
        figures: method -> metric -> value; of ours, the median of the seeds.
        runs: one set of our figures a seed.
        bootstrap: the same methods on resamples of the users.
        seconds: what each method took; of ours, the median of the seeds.
        notes: lines to stand below the table.
    """

    title: str
    about: str
    figures: dict[str, dict[str, float]]
    runs: list[dict[str, float]]
    bootstrap: Bootstrap
    seconds: dict[str, float]
    notes: list[str]


class Printer(Silent):
    """Prints what peers tell."""

    def say(self, text: str) -> None:
        """Prints a line."""
        print(f"  {text}", flush=True)


def measure(title: str, built: Built, seeds: int, notes: Notes | None = None) -> Measured:
    """Runs every method on the newest matured cut."""
    task = built.task
    labels, cuts = task.dataset.labels(task.cut), task.tier_cut_points
    users = f"{len(labels.spend):,} users, {(labels.orders > 0).mean():.1%} of whom buy"
    about = f"{users} within {task.dataset.contract.horizon_days} days of {task.cut}"
    print(f"{title}: {about}", flush=True)
    own: list[Prediction] = []
    took: list[float] = []
    for seed in range(seeds):
        started = time.monotonic()
        own.append(recurrent.predict(task, TrainingConfig(seed=seed)))
        took.append(time.monotonic() - started)
        print(f"  {OURS}, seed {seed}: {took[-1]:.0f} s", flush=True)
    runs = [evaluate(prediction, labels.spend, labels.orders, cuts) for prediction in own]
    peers = run_peers(task, Printer())
    predictions = {run.peer.name: run.prediction for run in peers}
    predictions["persistence"] = persistence(labels.past_spend, cuts)
    predictions["majority"] = majority(labels.past_spend, cuts)
    figures = {
        OURS: {name: float(np.median([run[name] for run in runs])) for name in runs[0]},
        **{name: evaluate(each, labels.spend, labels.orders, cuts) for name, each in predictions.items()},
    }
    names = [f"{OURS}, seed {seed}" for seed in range(seeds)]
    all_predictions = {**dict(zip(names, own, strict=True)), **predictions}
    with open_registry(built.project) as registry:
        rows = as_measurements(figures, dataset_name="accuracy", split="all")
        registry.write_metrics(f"accuracy-{task.cut:%Y%m%d}", rows)
    resampled = bootstrap_figures(all_predictions, labels.spend, labels.orders, cuts)
    seconds = {OURS: float(np.median(took)), **{run.peer.name: run.seconds for run in peers}}
    return Measured(
        title,
        about,
        figures,
        runs,
        resampled.with_median(OURS, names),
        seconds,
        notes(task, own, predictions) if notes else [],
    )


def income_note(built: Built) -> Notes:
    """Says how well each method orders the households whose income bracket is known, which none was shown."""
    with connect(built.project, read_only=True) as connection:
        rows = connection.fetch("select cast(household_id as varchar) as id, income from raw.demographics")
    # 'Under 15K' first, then by where a bracket begins.
    begins = {
        row["id"]: 0 if row["income"].startswith("Under") else int(re.findall(r"\d+", row["income"])[0])
        for row in rows
    }

    def note(task: PeerTask, own: Sequence[Prediction], others: Mapping[str, Prediction]) -> list[str]:
        income = np.array([begins.get(user, -1) for user in task.user_ids().to_pylist()], np.float64)
        known = income >= 0

        def correlation(prediction: Prediction) -> float:
            return spearman(income[known], prediction.expected_spend[known])

        ours = [correlation(prediction) for prediction in own]
        peers = {name: correlation(each) for name, each in others.items() if name != "majority"}
        shown = ", ".join(f"{name} {value:.3f}" for name, value in peers.items())
        return [
            "Household income, never trained on: Spearman of expected spend with the income bracket of the "
            f"{known.sum()} households that told it: {OURS} {_runs(ours, '.3f')}, {shown} (persistence is "
            "plain past spend)."
        ]

    return note


def write(found: Measured, ceiling_figures: Mapping[str, float]) -> str:
    """Writes one shop's table and what it says, as Markdown; a metric a row, the best in bold."""
    figures: dict[str, Mapping[str, float]] = dict(found.figures)
    methods = list(figures)
    if ceiling_figures:
        figures[TRUTH] = ceiling_figures
    header = [*figures, f"{OURS} less the best other [95 %]"]
    lines = [
        f"### {found.title}",
        "",
        f"{found.about[0].upper()}{found.about[1:]}. {OURS.capitalize()}: median (smallest to largest) of "
        f"{len(found.runs)} seeds.",
        "",
        f"| metric | {' | '.join(header)} |",
        f"|---|{'---|' * len(header)}",
    ]
    for metric in [*_BEST, *_BUYERS_COVERAGE]:
        having = [name for name in methods if metric in figures[name]]
        if OURS not in having:
            continue
        distance = {name: round(_distance(figures[name], metric), 3) for name in having}
        cells = []
        for name in figures:
            if metric not in figures[name]:
                cells.append("-")
                continue
            form = "+.3f" if metric == "bias" else ".3f"
            values = [run[metric] for run in found.runs] if name == OURS else [figures[name][metric]]
            cell = _runs(values, form)
            best = name != TRUTH and distance[name] == min(distance.values())
            cells.append(f"**{cell}**" if best and metric != _BUYERS_COVERAGE[1] else cell)
        lines.append(f"| {metric} | {' | '.join(cells)} | {_lead(found, metric)} |")
    took = [f"{found.seconds[name]:.0f}" if name in found.seconds else "-" for name in figures]
    lines.append(f"| seconds | {' | '.join(took)} | |")
    return "\n".join([*lines, "", _cells(found), *(f"\n{note}" for note in found.notes)])


def _distance(figures: Mapping[str, float], metric: str) -> float:
    """How far a figure is from the best that it could be."""
    if metric in _BUYERS_COVERAGE:
        return abs(figures[_BUYERS_COVERAGE[0]] - figures[_BUYERS_COVERAGE[1]])
    return abs(figures[metric] - _BEST[metric])


def _best_other(found: Measured, metric: str) -> str:
    others = [name for name in found.figures if name != OURS and metric in found.figures[name]]
    return min(others, key=lambda name: _distance(found.figures[name], metric))


def _difference(found: Measured, metric: str) -> tuple[str, float, Interval | None]:
    """Gives the best other method, what ours has more than it, and how far that may be luck."""
    other = _best_other(found, metric)
    apart = found.figures[OURS][metric] - found.figures[other][metric]
    return other, apart, found.bootstrap.difference(OURS, other, metric)


def _lead(found: Measured, metric: str) -> str:
    if metric not in MAIN:
        return ""
    other, apart, interval = _difference(found, metric)
    shown = f" [{interval.low:+.3f}, {interval.high:+.3f}]" if interval else ""
    return f"{apart:+.3f}{shown} ({other})"


def _cells(found: Measured) -> str:
    """Says in how many main metrics ours is ahead, and where it is behind by more than luck."""
    measured = [metric for metric in MAIN if metric in found.figures[OURS]]
    ahead, behind = 0, []
    for metric in measured:
        other, apart, interval = _difference(found, metric)
        sign = 1 if _BEST[metric] else -1
        ahead += sign * apart > 0
        if interval and max(sign * interval.low, sign * interval.high) < 0:
            behind.append(f"{metric} ({other})")
    left_out = len(MAIN) - len(measured)
    return (
        f"Cell by cell: {OURS} is ahead of the best other method in {ahead} of {len(measured)} main metrics"
        + (f" ({left_out} more are not defined where fewer than a fifth buy)" if left_out else "")
        + "; behind by more than the paired 95 % interval in "
        + (", ".join(behind) or "none")
        + "."
    )


def _runs(values: Sequence[float], form: str) -> str:
    shown = format(float(np.median(values)), form)
    return shown if len(values) == 1 else f"{shown} ({min(values):{form}} to {max(values):{form}})"


def main() -> None:
    """Measures on what is given, and says what was left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--sessions", type=Path, help="Parquet file of the Google Merchandise Store's sessions"
    )
    parser.add_argument(
        "--only", choices=("complete_journey", "cdnow", "simulated", "sessions"), help="one shop, not written"
    )
    parser.add_argument("--users", type=int, default=4000, help="users of the simulated shop")
    parser.add_argument("--days", type=int, default=400, help="days of the simulated shop")
    parser.add_argument("--seeds", type=int, default=3, help="training runs of ours on each")
    parser.add_argument(
        "--folder", type=Path, help="new folder to keep the projects in, figures in their warehouses included"
    )
    arguments = parser.parse_args()
    if arguments.only == "sessions" and not arguments.sessions:
        parser.error("the real sessions need their file: give it with --sessions")
    texts = []
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name)
        folder.mkdir(exist_ok=True)

        def wanted(shop: str) -> bool:
            return arguments.only in (None, shop)

        if wanted("complete_journey"):
            built = complete_journey(folder / "complete_journey")
            found = measure("Complete Journey", built, arguments.seeds, income_note(built))
            texts.append(write(found, {}))
        if wanted("cdnow"):
            texts.append(write(measure("CDNOW", cdnow(folder / "cdnow"), arguments.seeds), {}))
        if wanted("simulated"):
            tables = folder / "shop"
            variables = simulated_tables(tables, arguments.users, arguments.days, dirt=0.0)
            built = build(folder / "simulated", variables)
            found = measure("Simulated shop", built, arguments.seeds)
            texts.append(write(found, ceiling(built.task, tables)))
        if wanted("sessions") and arguments.sessions:
            variables = sessions_mapping(folder, arguments.sessions.resolve())
            built = build(folder / "sessions", variables)
            texts.append(write(measure("Google Merchandise Store", built, arguments.seeds), {}))
    text = "\n\n".join(texts)
    print(text)
    if arguments.only:
        print("One shop alone, so nothing was written: leave --only out for that.")
        return
    if not arguments.sessions:
        raise SystemExit("Real sessions left out, and nothing written: give their file with --sessions.")
    write_table("accuracy", text)


if __name__ == "__main__":
    main()
