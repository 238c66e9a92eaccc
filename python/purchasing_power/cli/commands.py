"""The commands that work on a whole project."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from purchasing_power.cli.options import TrainingOptions, shared_options
from purchasing_power.cli.output import ConsoleReporter, make_console, print_json, to_json
from purchasing_power.errors import PurchasingPowerError
from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.inspection import inspect_tables
from purchasing_power.warehouse.mapping import propose, to_yaml
from purchasing_power.warehouse.project import Project

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@shared_options
def init(
    project: Project,
    output: Annotated[
        Path | None, typer.Option(help="File to write the mapping to, instead of printing it.")
    ] = None,
) -> None:
    """Look at the warehouse's tables and write an input mapping to start from.

    Example: `purchasing-power init --output mapping.yml`
    """
    with connect(project, read_only=True) as connection:
        proposals = propose(inspect_tables(connection))
    text = to_yaml(proposals)
    if output is None:
        print(text, end="")
        return
    _refuse_existing(output, "mapping")
    output.write_text(text, encoding="utf-8")
    report = ConsoleReporter(make_console())
    report.say(f"Wrote a mapping of {len(proposals)} tables to {output}.")
    report.say("Copy it into the vars of dbt_project.yml, then run: purchasing-power check")


@shared_options
def check(project: Project) -> None:
    """Check the input mapping against the warehouse, without building anything.

    Example: `purchasing-power check --target prod`
    """
    report = ConsoleReporter(make_console())
    project.run_dbt(
        ["run-operation", "purchasing_power__check"],
        # What the check itself says; the rest of dbt's log is about dbt.
        lambda event: report.say(event.message) if event.name == "JinjaLogInfo" else None,
    )


@shared_options
def backtest(
    project: Project,
    training: TrainingOptions,
    peers: Annotated[
        bool, typer.Option(help="Measure boosted trees, BG/NBD and dense and plain networks beside it.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Measure the model on the last horizon that has passed, which it does not see in training.

    Beside it, on the same users: its peers, what users did last, and what most of them do.

    Example: `purchasing-power backtest --epochs 30`
    """
    from purchasing_power.backtest import run_backtest

    report = ConsoleReporter(make_console(stderr=as_json))
    outcome = run_backtest(project, training.config(project), report, peers=peers)
    if as_json:
        print_json([asdict(row) for row in outcome.measurements])


@shared_options
def train(
    project: Project,
    training: TrainingOptions,
    promote: Annotated[bool, typer.Option("--promote", help="Make the model the champion at once.")] = False,
    onnx_dir: Annotated[
        Path | None, typer.Option(help="Folder for the exported files; `onnx/` in the project if not given.")
    ] = None,
) -> None:
    """Train on every label that has matured, export to ONNX, check the export and register it.

    Example: `purchasing-power train --promote`
    """
    from purchasing_power.train import run_training

    report = ConsoleReporter(make_console())
    run_training(project, training.config(project), report, onnx_dir=onnx_dir, promote=promote)


@shared_options
def report(
    project: Project,
    output: Annotated[
        Path | None,
        typer.Option(help="File to write; purchasing_power_report.html in the project if not given."),
    ] = None,
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
    users: Annotated[int, typer.Option(help="Users to show with their past and their reasons.")] = 4,
) -> None:
    """Write what was scored, how good it is and why, as one HTML file that opens from a mail.

    Example: `purchasing-power report --language zh --output report.html`
    """
    from purchasing_power.report import write_report

    file = output or project.project_dir / "purchasing_power_report.html"
    write_report(project, file, ConsoleReporter(make_console()), language=language, users=users)


@shared_options
def publish(
    project: Project,
    to: Annotated[
        Path | None, typer.Option(help="Folder; that of the var purchasing_power__publish_to if not given.")
    ] = None,
) -> None:
    """Write the score tables and marts as Parquet files, whose folder is exchanged at once.

    BI tools that read the files neither wait for a run nor make it wait. purchasing-power run does this by
    itself where the var is set.

    Example: `purchasing-power publish --to published`
    """
    from purchasing_power.publish import FOLDER_VAR, folder_of, run_publish

    folder = folder_of(project, to)
    if folder is None:
        raise PurchasingPowerError(f"Nowhere to publish to: name a folder with --to, or set {FOLDER_VAR}.")
    run_publish(project, folder, ConsoleReporter(make_console()))


@shared_options
def tune(
    project: Project,
    training: TrainingOptions,
    trials: Annotated[
        int, typer.Option(help="Settings to try in all, those of earlier calls included.")
    ] = 30,
    timeout_minutes: Annotated[
        float | None, typer.Option(help="Start no trial after so many minutes; no limit if not given.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="File to write the best settings to, instead of printing them.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Search better training settings, on windows before the backtest's.

    It minimises 1 - normalised Gini + 1 - buy AUC + MAE / mean, on average over up to two windows. The
    current settings are tried first. After an interruption the same command goes on.

    Example: `purchasing-power tune --trials 20 --output tuned.yml`
    """
    from purchasing_power.tune import run_tuning, settings_yaml

    if output is not None:
        # Before the hours of searching.
        _refuse_existing(output, "settings")
    report = ConsoleReporter(make_console(stderr=as_json))
    outcome = run_tuning(
        project, training.config(project), report, trials=trials, timeout_minutes=timeout_minutes
    )
    text = settings_yaml(outcome.best.config)
    if as_json:
        print_json(asdict(outcome))
    if output is None:
        if not as_json:
            print(text, end="")
        return
    output.write_text(text, encoding="utf-8")
    report.say(f"Wrote the best settings to {output}.")
    report.say("Copy them into the vars of dbt_project.yml, then run: purchasing-power backtest")


@shared_options
def prepare(project: Project) -> None:
    """Fit what reads sentiment from review texts and what makes factors of product embeddings.

    Needed once, and again when the shop's language or its embeddings change; a shop with neither needs it
    never.

    Example: `purchasing-power prepare`
    """
    from purchasing_power.prepare import run_prepare

    run_prepare(project, ConsoleReporter(make_console()))


@shared_options
def run(
    project: Project,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Make everything anew, as `dbt build --full-refresh`.")
    ] = False,
) -> None:
    """Build everything and score everybody, on any engine, with one command.

    On DuckDB that is `dbt build`. On PostgreSQL, whose dbt adapter runs no Python, it is `dbt build` up to
    what the model reads, `purchasing-power score`, and `dbt build` of the rest.

    Example: `purchasing-power run --target prod`
    """
    from purchasing_power.run import run as run_everything

    run_everything(project, ConsoleReporter(make_console()), full_refresh=full_refresh)


@shared_options
def score(
    project: Project,
    inputs: Annotated[
        bool,
        typer.Option("--inputs", help="Fill what the features read instead: sentiment and product factors."),
    ] = False,
) -> None:
    """Run the champion over what dbt built, on an engine whose dbt adapter has no Python models.

    `purchasing-power run` does this at the right moments between its dbt runs.

    Example: `purchasing-power score --target prod`
    """
    from purchasing_power.score import fill_inputs, fill_scores

    fill = fill_inputs if inputs else fill_scores
    fill(project, ConsoleReporter(make_console()))


@shared_options
def demo(
    training: TrainingOptions,
    folder: Annotated[
        Path | None,
        typer.Option(help="Folder of the demo's dbt project; `demo/` of this checkout if not given."),
    ] = None,
    engine: Annotated[
        Literal["duckdb", "postgres", "spark"],
        typer.Option(help="Warehouse to build in; a PostgreSQL server is started for it."),
    ] = "duckdb",
) -> None:
    """Take a year of real shopping from raw tables to scores.

    Example: `purchasing-power demo`
    """
    from purchasing_power.demo.run import run_demo

    run_demo(folder, training.config, ConsoleReporter(make_console()), engine)


@shared_options
def forget(
    project: Project,
    user: Annotated[
        list[str], typer.Option(help="Whom to erase, as the mapped user_id names them; may be repeated.")
    ],
    keep_inputs: Annotated[
        bool,
        typer.Option("--keep-inputs", help="Also where the shop's own tables still have rows of theirs."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Erase people from every table, state and score of the package, and from the files it wrote.

    Example: `purchasing-power forget --user C0042`
    """
    from purchasing_power.personal import forget_users

    report = ConsoleReporter(make_console(stderr=as_json))
    erased = forget_users(project, user, report, keep_inputs=keep_inputs)
    if as_json:
        print_json(erased)
    elif erased:
        report.table(("table", "rows"), [(name, f"{count:,}") for name, count in sorted(erased.items())])
    report.say(f"Erased {sum(erased.values()):,} rows from {len(erased)} tables.")


@shared_options
def export(
    project: Project,
    user: Annotated[str, typer.Option(help="Whose data, as the mapped user_id names them.")],
    output: Annotated[Path | None, typer.Option(help="File to write, instead of printing it.")] = None,
) -> None:
    """Give a person all that is known about them, as JSON: their rows of every public table.

    Example: `purchasing-power export --user C0042 --output C0042.json`
    """
    from purchasing_power.personal import export_user

    if output is not None:
        _refuse_existing(output, "data")
    found = export_user(project, user)
    if output is None:
        print_json(found)
        return
    output.write_text(to_json(found), encoding="utf-8")
    ConsoleReporter(make_console()).say(
        f"Wrote {sum(map(len, found.values())):,} rows of {len(found)} tables to {output}."
    )


def _refuse_existing(output: Path, content: str) -> None:
    if output.exists():
        raise PurchasingPowerError(
            f"{output} exists already, and it may hold your own {content}: name another file with --output."
        )


def simulate(
    users: Annotated[int, typer.Option(help="Customers who sign up.")],
    days: Annotated[int, typer.Option(help="Length of the log.")],
    out: Annotated[Path, typer.Option(help="Folder for the Parquet files and the vars that map them.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same shop.")] = 0,
    horizon: Annotated[int, typer.Option(help="Days that the truth table looks ahead.")] = 56,
    dirt: Annotated[float, typer.Option(help="0 (clean) to 1: how much dirt of real logs.")] = 0.0,
    anomalies: Annotated[
        float, typer.Option(help="0 to 1: share of customers who break their habits at the end.")
    ] = 0.0,
    shift: Annotated[
        list[str] | None,
        typer.Option(help="Goes wrong on the last day: price_rise, lost_event, doubled_bots, currency_bug."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a shop that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a shop of any size, with everything known about it, to try the package on.

    Example: `purchasing-power simulate --users 2000 --days 365 --out shop --dirt 0.2`
    """
    from purchasing_power.simulator import ShopConfig
    from purchasing_power.simulator import simulate as write_shop

    config = ShopConfig(users, days, seed, horizon, dirt, anomalies, tuple(shift or ()))
    rows = write_shop(config, out, ConsoleReporter(make_console(stderr=as_json)), overwrite=overwrite)
    if as_json:
        print_json(rows)
