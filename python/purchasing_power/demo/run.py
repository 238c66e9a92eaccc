"""The demo: from raw tables to scores, each step reused when nothing it reads has changed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from purchasing_power.building import build
from purchasing_power.demo.servers import serving
from purchasing_power.demo.source import SCHEMA, Source
from purchasing_power.demo.steps import Steps, hash_of_files
from purchasing_power.demo.summary import REPORT, show_accounted_rows, show_summary
from purchasing_power.errors import PurchasingPowerError
from purchasing_power.report import write_report
from purchasing_power.reporting import Reporter
from purchasing_power.run import run
from purchasing_power.training.config import TrainingConfig
from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.project import Project

_STEPS = ("Raw tables", "Features", "Backtest", "Champion", "Scores")


def run_demo(
    folder: Path | None,
    configure: Callable[[Project], TrainingConfig],
    reporter: Reporter,
    engine: str = "duckdb",
) -> None:
    """Takes Complete Journey from its Parquet files to scores, in a warehouse below the demo's folder.

    Args:
        folder: the demo's dbt project; `demo/` of this checkout when None.
        engine: one of ENGINES.
        configure: gives the hyperparameters for the demo's project.
        reporter: where it is told.

    Raises:
        PurchasingPowerError: a step failed; what was there before stays.
    """
    demo = _demo_folder(folder)
    with serving(engine, demo):
        _run(Project.find(demo, profiles_dir=demo, target=engine), configure, reporter)


def _run(project: Project, configure: Callable[[Project], TrainingConfig], reporter: Reporter) -> None:
    started = time.monotonic()
    config = configure(project)
    source = Source.find()
    steps = Steps(project, reporter, total=len(_STEPS))
    root = project.project_dir.parent
    sql = hash_of_files(
        [root / "models", root / "macros", root / "tests", root / "dbt_project.yml"]
        + [project.project_dir / name for name in ("dbt_project.yml", "packages.yml", "selectors.yml")],
        (".sql", ".yml", ".py"),
    )
    package = Path(__file__).resolve().parents[1]
    core = hash_of_files([package / "scoring", package / "dbt_models.py"], (".py",))
    modelling = hash_of_files(
        [package / "training", package / "evaluation", package / "fitting.py"], (".py",)
    ) + json.dumps(asdict(config))

    steps.run("Raw tables", source.fingerprint, lambda: _load(project, source, reporter))
    steps.run("Features", sql, lambda: _build_features(project, reporter))

    def backtest() -> None:
        from purchasing_power.backtest import run_backtest

        # Peers would take as long again: `purchasing-power backtest` in the demo's folder runs them.
        run_backtest(project, config, reporter, peers=False)

    def champion() -> None:
        from purchasing_power.train import run_training

        run_training(project, config, reporter, promote=True)

    steps.run("Backtest", core + modelling, backtest)
    steps.run("Champion", core + modelling, champion)
    steps.run("Scores", core, lambda: run(project, reporter, scoring_only=True))
    reporter.heading("The report")
    write_report(project, project.project_dir / REPORT, reporter)
    show_summary(project, steps.seconds, time.monotonic() - started, reporter)


def _demo_folder(folder: Path | None) -> Path:
    # An editable install, as `make demo` makes it, leaves this file inside the checkout.
    demo = folder or Path(__file__).resolve().parents[3] / "demo"
    if not (demo / "dbt_project.yml").is_file():
        raise PurchasingPowerError(
            f"The demo's dbt project is not in {demo}: run `make demo` in a checkout, or name its "
            "folder with --folder."
        )
    return demo


def _load(project: Project, source: Source, reporter: Reporter) -> None:
    with connect(project) as connection:
        rows = source.load(connection)
    reporter.say(f"Complete Journey, a year of a grocer's households, as it is, in schema {SCHEMA}:")
    reporter.table(("table", "rows"), [(name, f"{count:,}") for name, count in rows.items()])


def _build_features(project: Project, reporter: Reporter) -> None:
    project.run_dbt(["deps"])
    build(project, reporter, ["--selector", "purchasing_power_features"])
    with connect(project, read_only=True) as connection:
        show_accounted_rows(connection, project, reporter)
