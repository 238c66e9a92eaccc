"""Measures the three engines beside one another: the same features, and how fast each scores.

Complete Journey is built on DuckDB, on PostgreSQL and on Spark, and its features are compared. Then a
simulated shop is built on each, a model trained on DuckDB is copied to the others, and each scores everybody,
in turns. Last, what PostgreSQL's scorer reads is multiplied, to see the memory of the client. The tables go
to docs/benchmarks.md.

    python benchmarks/engines.py [--users 20000] [--days 120] [--rounds 3] [--times 50] [--only features]
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import yaml
from document import write_table
from measuring import interleaved, read_run_results, run_child, run_dbt
from shops import PACKAGE, simulated_tables
from workbench import FEATURES, FULL, SCORING, cores

from purchasing_power.cli.output import ConsoleReporter, make_console
from purchasing_power.demo.servers import serving
from purchasing_power.demo.source import Source
from purchasing_power.prepare import run_prepare
from purchasing_power.reporting import Reporter, Silent
from purchasing_power.simulator.tables import TABLES
from purchasing_power.train import run_training
from purchasing_power.training import TrainingConfig
from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.project import Project

DUCKDB, POSTGRES, SPARK = ENGINES = ("duckdb", "postgres", "spark")
_DEMO = PACKAGE / "demo"
_COMPARED = {
    "purchasing_power__users": ["user_id"],
    "purchasing_power__user_steps": ["user_id", "step_index"],
    "purchasing_power__anchors": ["user_id", "anchor_on"],
    "int_purchasing_power__running_totals": ["user_id", "step_index"],
}
# Hashes of an engine's own.
_NOT_COMPARED = {"digest", "step_digest"}
_STATE_UPDATES, _RAW_SCORES = "int_purchasing_power__state_updates", "int_purchasing_power__raw_scores"
_CORE = (_STATE_UPDATES, _RAW_SCORES)
# What the command of PostgreSQL reads of each user.
_READ_BY_SCORER = (
    "int_purchasing_power__users_to_move",
    "int_purchasing_power__steps_to_consume",
    "purchasing_power__users",
    "int_purchasing_power__head_inputs",
)
_MADE_OF_SCORES = ("purchasing_power__user_states+", "purchasing_power__scores+")
_SPARK_WORKER = "pyspark.daemon"
# In one session, of which the first run is the warm-up.
_TWICE = """
import json, sys
from dbt.cli.main import dbtRunner
for _ in range(2):
    if not dbtRunner().invoke(json.loads(sys.argv[1])).success:
        sys.exit(1)
"""


@dataclass(frozen=True)
class Scoring:
    """What scoring everybody took.

    Attributes:
        core: seconds of the two steps that run onnxruntime, reading and writing included.
        whole: seconds of all of scoring's models.
        peak: bytes of private memory of the process that runs onnxruntime; 0 where it was not looked at.
    """

    core: float
    whole: float
    peak: int


def make_project(folder: Path, variables: Mapping[str, Any]) -> None:
    """Makes a dbt project with the demo's profile, which has a target for each engine."""
    shutil.copytree(
        _DEMO,
        folder,
        ignore=lambda path, names: {n for n in names if not n.endswith((".yml", ".properties"))},
    )
    settings = yaml.safe_load((_DEMO / "dbt_project.yml").read_text(encoding="utf-8"))
    (folder / "dbt_project.yml").write_text(
        yaml.safe_dump(settings | {"vars": dict(variables)}, sort_keys=False), encoding="utf-8"
    )
    (folder / "packages.yml").write_text(yaml.safe_dump({"packages": [{"local": str(PACKAGE)}]}))
    find(folder, DUCKDB).run_dbt(["deps"])


def find(folder: Path, engine: str) -> Project:
    """Gives the project as one of its targets sees it."""
    return Project.find(folder, profiles_dir=folder, target=engine)


def load_simulated(tables: Path, project: Project) -> None:
    """Puts a simulated shop's files into schema `raw`."""
    with connect(project) as connection:
        connection.create_schema("raw")
        for name in TABLES:
            connection.load(f"raw.{name}", pq.read_table(tables / f"{name}.parquet").to_reader())


def load_complete_journey(project: Project) -> None:
    """Puts Complete Journey into schema `raw`."""
    with connect(project) as connection:
        Source.find().load(connection)


def read_features(project: Project) -> dict[str, pd.DataFrame]:
    """Gives the features of an engine, times and dates as text."""
    project.relation_names()
    with connect(project, read_only=True) as connection:
        return {
            table: pd.DataFrame(connection.fetch(f"select * from {project.relation(table)}"))
            .drop(columns=list(_NOT_COMPARED), errors="ignore")
            .sort_values(keys, ignore_index=True)
            for table, keys in _COMPARED.items()
        }


def largest_difference(ours: pd.DataFrame, others: pd.DataFrame, keys: Sequence[str]) -> float:
    """Gives the largest relative difference between two tables' numbers.

    Raises:
        SystemExit: a key or another text differs.
    """
    largest = 0.0
    for name in ours:
        one, other = ours[name], others[name]
        numbers = [pd.to_numeric(column, errors="coerce") for column in (one, other)]
        if name in keys or (numbers[0].isna() & one.notna()).any():
            if not one.astype(str).equals(other.astype(str)):
                raise SystemExit(f"Column {name} differs between engines.")
            continue
        left, right = (column.fillna(0.0).astype(float) for column in numbers)
        largest = max(largest, float(((left - right).abs() / left.abs().clip(lower=1.0)).max()))
    return largest


def compare_features(folder: Path, reporter: Reporter) -> str:
    """Builds Complete Journey on each engine and compares all features with DuckDB's."""
    demo = yaml.safe_load((_DEMO / "dbt_project.yml").read_text(encoding="utf-8"))
    make_project(folder, demo["vars"])
    found: dict[str, dict[str, pd.DataFrame]] = {}
    seconds: dict[str, float] = {}
    for engine in ENGINES:
        with serving(engine, folder):
            project = find(folder, engine)
            load_complete_journey(project)
            seconds[engine] = run_on(project, FEATURES, reporter)
            found[engine] = read_features(project)
    lines = [
        "| Complete Journey's features | rows | PostgreSQL's largest difference | Spark's |",
        "|---|---|---|---|",
    ]
    for table, keys in _COMPARED.items():
        ours = found[DUCKDB][table]
        apart = [largest_difference(ours, found[engine][table], keys) for engine in (POSTGRES, SPARK)]
        lines.append(f"| `{table}` | {len(ours):,} | {apart[0]:.1e} | {apart[1]:.1e} |")
    took = ", ".join(f"{engine} {seconds[engine]:.0f} s" for engine in ENGINES)
    return "\n".join([*lines, "", f"`dbt run` of all features, one run each with its start: {took}."])


def run_on(project: Project, arguments: Sequence[str], reporter: Reporter) -> float:
    """Runs dbt on the project's target, and gives its seconds."""
    return run_dbt(project, [*arguments, "--target", project.target or DUCKDB], reporter).seconds


def score_duckdb(project: Project, reporter: Reporter) -> Scoring:
    """Scores everybody by `dbt run`."""
    run = run_dbt(project, [*SCORING, FULL, "--target", DUCKDB], reporter, poll=True)
    return Scoring(sum(run.models[name] for name in _CORE), run.span, run.private)


def score_postgres(project: Project, reporter: Reporter) -> Scoring:
    """Scores everybody by the three steps of `purchasing-power run`."""
    target = ("--target", POSTGRES)
    before = run_dbt(project, [*SCORING, "--exclude", *_MADE_OF_SCORES, FULL, *target], reporter)
    core, peak = score_by_command(project)
    after = run_dbt(project, ["run", "--select", *_MADE_OF_SCORES, FULL, *target], reporter)
    return Scoring(core, before.span + core + after.span, peak)


def score_by_command(project: Project) -> tuple[float, int]:
    """Runs `purchasing-power score`; gives its steps' seconds, and its bytes of memory at most."""
    said: list[str] = []
    command = ["-m", "purchasing_power", "score", "--target", POSTGRES]
    where = ["--project-dir", str(project.project_dir), "--profiles-dir", str(project.profiles_dir)]
    run = run_child([sys.executable, *command, *where], project.project_dir, said.append, poll=True)
    took = [float(found[1]) for line in said if (found := re.search(r"rows in ([\d.]+) s", line))]
    if len(took) != len(_CORE):
        raise SystemExit(f"purchasing-power score said something else than expected: {said}")
    return sum(took), run.private


def score_spark(project: Project) -> Scoring:
    """Scores everybody twice in one session, and measures the second time."""
    arguments = [*SCORING, FULL, "--target", SPARK, "--project-dir", str(project.project_dir)]
    arguments += ["--profiles-dir", str(project.profiles_dir), "--quiet"]
    run = run_child(
        [sys.executable, "-c", _TWICE, json.dumps(arguments)],
        project.project_dir,
        poll=True,
        only=_SPARK_WORKER,
    )
    models, span = read_run_results(project.project_dir / "target" / "run_results.json")
    return Scoring(sum(models[name] for name in _CORE), span, run.private)


def multiply(project: Project, times: int) -> int:
    """Puts in the place of what the scorer reads the same users many times over, and gives their number."""
    project.relation_names()
    with connect(project) as connection:
        for model in _READ_BY_SCORER:
            relation = project.relation(model)
            schema, name = str(relation).replace('"', "").split(".")[-2:]
            columns = connection.fetch(
                f"select column_name from information_schema.columns where table_schema = '{schema}' "
                f"and table_name = '{name}' order by ordinal_position"
            )
            chosen = ", ".join(
                "user_id || '-' || time as user_id" if row["column_name"] == "user_id" else row["column_name"]
                for row in columns
            )
            connection.execute(
                f"create table {schema}.{name}_many as "
                f"select {chosen} from {relation} cross join generate_series(1, {times}) as times (time)"
            )
        for model in _READ_BY_SCORER:
            schema, name = str(project.relation(model)).replace('"', "").split(".")[-2:]
            kind = connection.fetch(
                f"select table_type from information_schema.tables where table_schema = '{schema}' "
                f"and table_name = '{name}'"
            )
            # A view may have gone with a table that it was made of.
            if kind:
                what = "view" if kind[0]["table_type"] == "VIEW" else "table"
                connection.execute(f"drop {what} {schema}.{name} cascade")
            connection.execute(f"alter table {schema}.{name}_many rename to {name}")
        users = project.relation("purchasing_power__users")
        return int(connection.fetch(f"select count(*) as n from {users}")[0]["n"])


def compare_scoring(folder: Path, users: int, days: int, rounds: int, times: int, reporter: Reporter) -> str:
    """Builds a simulated shop on each engine, and lets each score it in turns."""
    tables = folder.with_name(f"{folder.name}-tables")
    variables = simulated_tables(tables, users, days, dirt=0.2)
    written = re.sub(r"[^\s:]*?(\w+)\.parquet", r"raw.\1", yaml.safe_dump(variables))
    make_project(folder, yaml.safe_load(written))
    duckdb, postgres, spark = (find(folder, engine) for engine in ENGINES)
    load_simulated(tables, duckdb)
    run_on(duckdb, FEATURES, reporter)
    run_prepare(duckdb, Silent())
    run_on(duckdb, (*FEATURES, FULL), reporter)
    champion = run_training(duckdb, TrainingConfig(epochs=1), Silent(), promote=True).model_version
    with serving(POSTGRES, folder), serving(SPARK, folder):
        for project in (postgres, spark):
            load_simulated(tables, project)
            run_on(project, FEATURES, reporter)
            models = [sys.executable, "-m", "purchasing_power", "models"]
            where = [
                "--target",
                str(project.target),
                "--project-dir",
                str(folder),
                "--profiles-dir",
                str(folder),
            ]
            run_child([*models, "copy", champion, "--from-target", DUCKDB, *where], folder)
            run_child([*models, "promote", champion, *where], folder)
            # Once more, with what the champion's inputs were cleaned and scaled with.
            run_on(project, (*FEATURES, FULL), reporter)
        parts: dict[str, Callable[[], Scoring]] = {
            DUCKDB: partial(score_duckdb, duckdb, reporter),
            POSTGRES: partial(score_postgres, postgres, reporter),
            SPARK: partial(score_spark, spark),
        }
        runs: dict[str, list[Scoring]] = interleaved(rounds, parts, reporter)
        many = multiply(postgres, times)
        core, peak = score_by_command(postgres)
    lines = [
        "| engine | onnxruntime's steps | over DuckDB's | all of scoring's models | over DuckDB's "
        "| memory of the process with onnxruntime |",
        "|---|---|---|---|---|---|",
    ]
    for engine in ENGINES:
        speeds = [ratio(runs, engine, what) for what in ("core", "whole")]
        shown = [
            f"{users / median(getattr(run, what) for run in runs[engine]):,.0f} users/s"
            for what in ("core", "whole")
        ]
        memory = max(run.peak for run in runs[engine]) / 1e6
        cells = (engine, shown[0], f"{speeds[0]:.2f} x", shown[1], f"{speeds[1]:.2f} x", f"{memory:,.0f} MB")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(
        [
            *lines,
            "",
            f"{users:,} users, {days} days, {rounds} rounds, {cores()} cores; Spark local[2], the second of "
            f"two runs in a session. PostgreSQL's client on the same users {times} times over: {many:,} "
            f"users in {core:,.0f} s ({many / core:,.0f} users/s), {peak / 1e6:,.0f} MB.",
        ]
    )


def ratio(runs: Mapping[str, Sequence[Scoring]], engine: str, what: str) -> float:
    """Gives an engine's speed over DuckDB's: the median of the rounds' ratios."""
    return median(
        getattr(ours, what) / getattr(own, what) for ours, own in zip(runs[DUCKDB], runs[engine], strict=True)
    )


def main() -> None:
    """Compares and measures, and writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--only", choices=("features", "scoring"))
    given = parser.parse_args()
    reporter = ConsoleReporter(make_console())
    with tempfile.TemporaryDirectory() as name:
        if given.only != "scoring":
            text = compare_features(Path(name) / "features", reporter)
            print(text)
            write_table("engines-features", text)
        if given.only != "features":
            text = compare_scoring(
                Path(name) / "scoring", given.users, given.days, given.rounds, given.times, reporter
            )
            print(text)
            write_table("engines-scoring", text)


if __name__ == "__main__":
    main()
