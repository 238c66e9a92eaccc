"""The shops that benchmarks measure on, each built by dbt from its mapping as a user's shop is."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import yaml

from purchasing_power.demo.source import Source
from purchasing_power.evaluation.metrics import normalized_gini, spearman
from purchasing_power.fitting import Prepared, prepare
from purchasing_power.peers import PeerTask
from purchasing_power.prepare import run_prepare
from purchasing_power.reporting import Silent
from purchasing_power.simulator import ShopConfig, simulate
from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.project import Project

PACKAGE = Path(__file__).parents[1]
# The simulated shops' and Complete Journey's.
HORIZON = 56
_SESSIONS_MAPPING = Path(__file__).parent / "google_merchandise.yml"
FEATURES = ("build", "--selector", "purchasing_power_features")
_CDNOW = {
    "purchasing_power__horizon_days": 91,
    "purchasing_power__currency": "USD",
    "purchasing_power__inputs": {
        "order_lines": {
            "relation": "CSV",
            "columns": {
                "user_id": "customer_id",
                "ordered_at": "strptime(cast(day as varchar), '%Y%m%d')",
                "quantity": "cds",
                "amount": "dollars",
            },
        }
    },
}


@dataclass(frozen=True)
class Built:
    """A shop with its features built, and its sequences on disk."""

    project: Project
    prepared: Prepared

    @property
    def task(self) -> PeerTask:
        """What a method is given to predict the newest matured anchor."""
        cut = self.prepared.settings.newest_matured_anchor
        return PeerTask(self.project, self.prepared.dataset, cut, self.prepared.work_dir / "benchmark")


def make_project(
    folder: Path, variables: Mapping[str, Any], *, memory_limit: str | None = None, threads: int = 2
) -> Project:
    """Makes a dbt project that uses the package as a user's does, its dependencies installed.

    Args:
        folder: The project's folder, which is made.
        variables: The vars of its dbt_project.yml.
        memory_limit: DuckDB's, such as '2GB'; its own default when None.
        threads: dbt's; DuckDB takes as many for all of them together.
    """
    folder.mkdir()
    project = {"name": "benchmark", "config-version": 2, "profile": "benchmark", "vars": dict(variables)}
    target: dict[str, Any] = {"type": "duckdb", "path": "warehouse.duckdb", "threads": threads}
    if memory_limit is not None:
        target["config_options"] = {"memory_limit": memory_limit}
    profiles = {"benchmark": {"target": "duckdb", "outputs": {"duckdb": target}}}
    for name, content in (
        ("dbt_project.yml", project),
        ("profiles.yml", profiles),
        ("packages.yml", {"packages": [{"local": str(PACKAGE)}]}),
    ):
        (folder / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    (folder / "selectors.yml").write_text((PACKAGE / "selectors.yml").read_text(encoding="utf-8"))
    found = Project.find(folder)
    found.run_dbt(["deps"])
    return found


def build(
    folder: Path, variables: Mapping[str, Any], load: Callable[[Project], None] = lambda project: None
) -> Built:
    """Builds a project of these vars with dbt, input models included, and copies its sequences.

    Args:
        folder: The project's folder, which is made.
        variables: The vars of its dbt_project.yml.
        load: Fills the warehouse with what the mapping reads.
    """
    found = make_project(folder, variables)
    load(found)
    found.run_dbt(FEATURES)
    outcome = run_prepare(found, Silent())
    if outcome.sentiment or outcome.embedding:
        found.run_dbt(FEATURES)
    return Built(found, prepare(found, Silent()))


def complete_journey(folder: Path) -> Built:
    """Builds Complete Journey by the demo's own mapping."""
    demo = yaml.safe_load((PACKAGE / "demo" / "dbt_project.yml").read_text(encoding="utf-8"))

    def load(project: Project) -> None:
        with connect(project) as connection:
            Source.find().load(connection)

    return build(folder, demo["vars"], load)


def cdnow(folder: Path) -> Built:
    """Builds CDNOW (Fader, Hardie 2001), which the package lifetimes ships as text of fixed columns."""
    text = (resources.files("lifetimes") / "datasets" / "CDNOW_master.txt").read_text(encoding="utf-8")
    table = folder.with_suffix(".csv")
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("customer_id", "day", "cds", "dollars"))
        rows.writerows(line.split() for line in text.splitlines()[1:] if line.strip())
    return build(folder, yaml.safe_load(yaml.safe_dump(_CDNOW).replace("CSV", str(table))))


def simulated_tables(folder: Path, users: int, days: int, dirt: float) -> dict[str, Any]:
    """Writes a simulated shop into a folder and gives the vars that map it."""
    simulate(ShopConfig(users, days, horizon_days=HORIZON, dirt=dirt), folder, Silent())
    proposed = yaml.safe_load((folder / "purchasing_power_vars.yml").read_text(encoding="utf-8"))
    variables: dict[str, Any] = proposed["vars"]
    return variables


def ceiling(task: PeerTask, tables: Path) -> dict[str, float]:
    """Measures the exact expectation that a simulated shop's truth table tells."""
    labels = task.dataset.labels(task.cut)
    query = (
        f"select customer_id, expected_spend from '{tables}/truth.parquet' "
        f"where as_of_date = date '{task.cut}'"
    )
    truth = dict(duckdb.sql(query).fetchall())
    expected = np.array([truth[user] for user in labels.user_id.to_pylist()])
    return {
        "normalized_gini": normalized_gini(labels.spend, expected),
        "spearman": spearman(labels.spend, expected),
        "bias": float(expected.sum() / labels.spend.sum() - 1),
    }


def sessions_mapping(folder: Path, sessions: Path) -> dict[str, Any]:
    """Gives the vars that map the Google Merchandise Store's sessions, and writes the visitors they name."""
    visitors = folder / "visitors.parquet"
    duckdb.sql(
        f"copy (select visitor_id, min(visit_start_utc) as first_visit_utc from '{sessions}' "
        f"where visitor_id is not null group by 1) to '{visitors}'"
    )
    text = _SESSIONS_MAPPING.read_text(encoding="utf-8")
    text = text.replace("relation: SESSIONS", f"relation: {sessions}")
    variables: dict[str, Any] = yaml.safe_load(text.replace("relation: VISITORS", f"relation: {visitors}"))
    return variables
