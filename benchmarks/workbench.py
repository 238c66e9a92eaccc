"""Where the benchmark of the limits works: simulated shops, projects that use the package, its commands."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import yaml
from measuring import ChildRun, DbtRun, run_child, run_dbt
from shops import HORIZON, PACKAGE, make_project

from purchasing_power.prepare import run_prepare
from purchasing_power.reporting import Reporter, Silent
from purchasing_power.simulator import ShopConfig, simulate
from purchasing_power.warehouse.project import Project

FEATURES = ("run", "--selector", "purchasing_power_features")
SCORING = ("run", "--selector", "purchasing_power_scoring")
DAILY = ("run", "--selector", "purchasing_power_daily")
EVERYTHING = ("run",)
FULL = "--full-refresh"
LOGS = ("events", "orders", "refunds", "reviews")


@dataclass(frozen=True)
class Shop:
    """A simulated shop.

    Attributes:
        folder: Where its Parquet files are.
        users: Customers.
        days: Length of the log.
        events: Rows of all its logs: browse events, order lines, refunds, reviews.
    """

    folder: Path
    users: int
    days: int
    events: int

    def __str__(self) -> str:
        """Says how large it is."""
        return f"{self.users:,} users, {self.days} days, {self.events:,} events"


@dataclass(frozen=True)
class Workbench:
    """Folder, settings and reporter of a run of the benchmark.

    Attributes:
        folder: Where shops and projects go.
        days: Length of the shops' logs.
        memory_limit: DuckDB's; its own default when None.
        reporter: Where progress is shown.
    """

    folder: Path
    days: int
    memory_limit: str | None
    reporter: Reporter

    def shop(self, users: int, dirt: float) -> Shop:
        """Gives a simulated shop, which is made where it is not there yet."""
        folder = self.folder / f"shop-{users}-{self.days}-{dirt:g}"
        if not folder.exists():
            self.reporter.say(f"Simulating {users:,} users over {self.days} days ...")
            simulate(ShopConfig(users, self.days, horizon_days=HORIZON, dirt=dirt), folder, Silent())
        events = sum(pq.read_metadata(folder / f"{log}.parquet").num_rows for log in LOGS)
        return Shop(folder, users, self.days, events)

    def project(self, name: str, shop: Shop) -> Project:
        """Makes a project over a shop, in the place of one that is there; nothing is built yet.

        Logs are mapped as globs, so that a later day can lie beside the files.
        """
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        proposed = (shop.folder / "purchasing_power_vars.yml").read_text(encoding="utf-8")
        for log in LOGS:
            proposed = proposed.replace(f"/{log}.parquet", f"/{log}*.parquet")
        return make_project(folder, yaml.safe_load(proposed)["vars"], memory_limit=self.memory_limit)

    def build(self, project: Project) -> DbtRun:
        """Builds the features as a new user does: once, then `prepare`, then with what it fitted.

        Returns:
            The second run, which has everything.
        """
        self.dbt(project, FEATURES)
        run_prepare(project, Silent())
        return self.dbt(project, (*FEATURES, FULL), poll=True)

    def dbt(self, project: Project, arguments: tuple[str, ...], *, poll: bool = False) -> DbtRun:
        """Runs dbt and says how long it took."""
        run = run_dbt(project, arguments, self.reporter, poll=poll)
        self.reporter.say(f"  dbt {' '.join(arguments[:3])}: {run.seconds:.1f} s, models {run.span:.1f} s")
        return run

    def train(self, project: Project, epochs: int) -> ChildRun:
        """Trains on the command line, and promotes the model."""
        command = ["train", "--promote", "--epochs", str(epochs), "--project-dir", str(project.project_dir)]
        run = run_child([sys.executable, "-m", "purchasing_power", *command], project.project_dir, poll=True)
        self.reporter.say(f"  purchasing-power {' '.join(command[:4])}: {run.seconds:.1f} s")
        return run

    def limit_memory(self, project: Project, memory_limit: str | None) -> None:
        """Sets DuckDB's memory_limit for the runs that follow; None leaves it as it is."""
        if memory_limit is not None:
            path = project.project_dir / "profiles.yml"
            profiles = yaml.safe_load(path.read_text(encoding="utf-8"))
            target = profiles["benchmark"]["outputs"]["duckdb"]
            target["config_options"] = {"memory_limit": memory_limit}
            path.write_text(yaml.safe_dump(profiles, sort_keys=False), encoding="utf-8")

    def drop(self, project: Project) -> None:
        """Removes a project: the next one needs its space."""
        shutil.rmtree(project.project_dir, ignore_errors=True)


def package_key() -> str:
    """Gives a hash of the package's code: figures of other code must not be taken for those of this one."""
    digest = hashlib.sha256()
    for part in ("models", "macros", "python"):
        for path in sorted((PACKAGE / part).rglob("*")):
            if path.suffix in (".sql", ".py", ".yml"):
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def cores() -> int:
    """Gives how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
