"""Measures the model on a window that it was not trained on, beside its peers and what costs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from purchasing_power.evaluation import evaluate
from purchasing_power.figures import show_measurements
from purchasing_power.fitting import as_measurements, fit, measure, prepare
from purchasing_power.peers import PeerTask, run_peers
from purchasing_power.reporting import Reporter
from purchasing_power.training import TrainingConfig
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import Measurement, open_registry


@dataclass(frozen=True)
class BacktestOutcome:
    """What a backtest found.

    Attributes:
        cut: training saw no label after it; the test predicts the horizon from it on.
        measurements: every figure of every method.
    """

    cut: date
    measurements: list[Measurement]


def run_backtest(
    project: Project, config: TrainingConfig, reporter: Reporter, *, peers: bool = True
) -> BacktestOutcome:
    """Trains up to the newest matured anchor and predicts the horizon that follows it.

    Args:
        project: the dbt project, with its features built.
        config: hyperparameters.
        reporter: where progress and the table go.
        peers: measure the other methods too that are installed.

    Raises:
        PurchasingPowerError: the features are not built, or there is too little history.
    """
    prepared = prepare(project, reporter)
    cut = prepared.settings.newest_matured_anchor
    reporter.say(
        f"Cut {cut}: training sees only labels that end by then; the test predicts the days up to "
        f"{prepared.settings.as_of_date}"
    )
    model = fit(prepared, config, cutoff=cut, run_name="backtest", reporter=reporter)
    # Not the champion, and never registered: its figures stand under a name of their own.
    measured = measure(prepared, model, anchor_on=cut, dataset_name="backtest")
    measurements = measured.figures
    if peers:
        labels = prepared.dataset.labels(cut)
        runs = run_peers(PeerTask(project, prepared.dataset, cut, prepared.work_dir / "peers"), reporter)
        figures = {
            run.peer.name: evaluate(run.prediction, labels.spend, labels.orders, model.tier_cut_points)
            for run in runs
        }
        measurements += as_measurements(figures, dataset_name="backtest", split="all")
    show_measurements(measurements, reporter)
    with open_registry(project) as registry:
        registry.write_metrics(f"backtest-{cut:%Y%m%d}", measurements)
        registry.write_curves(f"backtest-{cut:%Y%m%d}", measured.curves)
    return BacktestOutcome(cut, measurements)
