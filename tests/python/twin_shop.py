"""One dirty shop that two engines build: the same raw files, the same project, a target for each."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import yaml
from commands import DBT, OURS, Outcome, run_command
from shop import FEATURES, MARTS, MONITORING, PACKAGE, SCORING, TINY_TRAINING
from simulated_shop import SimulatedShop

from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.project import Project

USERS, DAYS, HORIZON = 150, 200, 28
FEATURE_TABLES = {
    "purchasing_power__users": ["user_id"],
    "purchasing_power__user_steps": ["user_id", "step_index"],
    "purchasing_power__anchors": ["user_id", "anchor_on"],
    "purchasing_power__rejected_rows": [],
    "int_purchasing_power__running_totals": ["user_id", "step_index"],
}
SCORE_TABLES = {"purchasing_power__user_states": ["user_id"], "purchasing_power__scores": ["user_id"]}
# Made of scores; those of the previous scoring are not here, as the engines were scored on other days before.
MART_TABLES = {
    "purchasing_power__score_explanations": ["user_id", "feature_group"],
    "purchasing_power__feature_importance": ["feature_group"],
    "purchasing_power__user_segments": ["user_id"],
    "purchasing_power__ad_audiences": ["user_id", "audience"],
    "purchasing_power__ad_audience_sizes": ["audience"],
    "purchasing_power__price_band_recommendations": ["user_id", "category", "recommendation"],
    "purchasing_power__price_band_products": ["product_id"],
    "purchasing_power__price_band_evaluation": ["method"],
    "purchasing_power__risk_watchlist": ["user_id"],
    "purchasing_power__input_changes": ["input_name", "measure", "observed_on"],
    "purchasing_power__unseen_categories": ["input_name", "column_name", "observed_on"],
    "purchasing_power__input_freshness": ["input_name"],
    "purchasing_power__feature_drift": ["feature_set", "feature_name", "observed_on"],
}
COMPARED = FEATURE_TABLES | SCORE_TABLES
Frames: TypeAlias = dict[str, pd.DataFrame]
# What is the engine's own, or says when something was done.
NOT_COMPARED = {"digest", "step_digest", "consumed_digest", "raw_values", "scored_at", "fitted_at"}
DUCKDB = "duckdb"
# Several dbt runs in one process: a session that each of them starts anew would take longer than they do.
_IN_ONE_PROCESS = """
import json, shutil, sys
from dbt.cli.main import dbtRunner
for step in json.loads(sys.argv[1]):
    if step["raw"]:
        shutil.copytree(step["raw"], "raw", dirs_exist_ok=True)
    if not dbtRunner().invoke(step["arguments"]).success:
        sys.exit(1)
"""


@dataclass(frozen=True)
class TwinShop:
    """A dbt project with a target for DuckDB and one for another engine."""

    folder: Path
    engine: str

    @classmethod
    def make(
        cls, folder: Path, simulated: SimulatedShop, engine: str, output: Mapping[str, Any], *, raw: str
    ) -> TwinShop:
        """Writes the project.

        Args:
            folder: where to.
            simulated: the shop.
            engine: the other engine, by the name of its dbt adapter.
            output: its target in the profile.
            raw: the tables that are mapped; `*` stands for the name that the simulator gives them.
        """
        written = (simulated.folder / "purchasing_power_vars.yml").read_text()
        variables = re.sub(
            r"relation: .*?(\w+)\.parquet", lambda found: f"relation: {raw.replace('*', found[1])}", written
        )
        (folder / "dbt_project.yml").write_text(
            "name: twins\nversion: 0.1.0\nconfig-version: 2\nprofile: twins\n"
            + variables
            + "  purchasing_power__explained_users: 16\n"
        )
        (folder / "packages.yml").write_text(f"packages:\n  - local: {PACKAGE}\n")
        (folder / "selectors.yml").write_text((PACKAGE / "selectors.yml").read_text())
        outputs = {
            engine: {"type": engine, "schema": "shop", "threads": 2, **output},
            DUCKDB: {"type": "duckdb", "path": "warehouse.duckdb", "threads": 2},
        }
        (folder / "profiles.yml").write_text(
            yaml.safe_dump({"twins": {"target": DUCKDB, "outputs": outputs}})
        )
        twins = cls(folder, engine)
        twins.must(DUCKDB, "deps")
        return twins

    def run(self, engine: str, *arguments: str, as_of: date | None = None) -> Outcome:
        """Runs dbt, or purchasing-power where the first argument is that."""
        module, *given = arguments if arguments[0] == OURS else (DBT, *arguments)
        return run_command(module, [*given, *_common(engine, as_of)], self.folder)

    def start(self, engine: str, *arguments: str, as_of: date | None = None) -> subprocess.Popen[str]:
        """Starts dbt, whose lines can be read while it runs."""
        return subprocess.Popen(
            [sys.executable, "-u", "-m", "dbt.cli.main", *arguments, *_common(engine, as_of)],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def must(self, engine: str, *arguments: str, as_of: date | None = None) -> str:
        """Runs what has to succeed, and gives what it said."""
        outcome = self.run(engine, *arguments, as_of=as_of)
        assert outcome.returncode == 0, outcome.output
        return outcome.output

    def must_all(self, steps: Sequence[tuple[Path | None, date | None, Sequence[str]]]) -> str:
        """Runs dbt on the other engine several times in one process, before each perhaps with new raw files."""
        given = [
            {"raw": raw and str(raw), "arguments": [*arguments, *_common(self.engine, as_of)]}
            for raw, as_of, arguments in steps
        ]
        done = subprocess.run(
            [sys.executable, "-c", _IN_ONE_PROCESS, json.dumps(given)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        outcome = Outcome(done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr))
        assert outcome.returncode == 0, outcome.output
        return outcome.output

    def build_duckdb(self) -> None:
        """Builds DuckDB up to scores, with all models that the shop's data call for."""
        self.must(DUCKDB, *FEATURES)
        self.must(DUCKDB, "purchasing_power", "prepare")
        self.must(DUCKDB, *FEATURES)
        self.must(DUCKDB, "purchasing_power", *TINY_TRAINING)
        self.must(DUCKDB, *SCORING)
        self.must(DUCKDB, *MARTS)
        self.must(DUCKDB, *MONITORING)

    def take_over_champion(self) -> None:
        """Copies the champion from DuckDB to the other engine, and promotes it there."""
        (champion,) = self.frame(DUCKDB, "purchasing_power__models")["model_version"]
        copied = ("purchasing_power", "models", "copy", champion, "--from-target", DUCKDB)
        self.must(self.engine, *copied)
        self.must(self.engine, "purchasing_power", "models", "promote", champion)

    def project(self, engine: str) -> Project:
        return Project.find(self.folder, target=engine)

    def load(self, engine: str, tables: Mapping[str, pa.Table]) -> None:
        """Puts raw tables in the place of those that are there."""
        with connect(self.project(engine)) as connection:
            connection.create_schema("raw")
            for name, table in tables.items():
                connection.load(f"raw.{name}", table.to_reader())

    def execute(self, engine: str, sql: str) -> None:
        """Runs a statement that returns nothing."""
        with connect(self.project(engine)) as connection:
            connection.execute(sql)

    def tables_with(self, engine: str, user_id: str) -> dict[str, int]:
        """Gives the package's tables that name a user in any column of text, with how many rows do."""
        project = self.project(engine)
        found = {}
        with connect(project, read_only=True) as connection:
            for model in project.package_models():
                if not model.is_table or not connection.exists(model.relation):
                    continue
                with connection.query(f"select * from {model.relation}") as reader:
                    table = reader.read_all()
                named = [
                    pc.fill_null(pc.match_substring(column, user_id), False)
                    for column in table.columns
                    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
                ]
                rows = sum(
                    any(values) for values in zip(*(column.to_pylist() for column in named), strict=True)
                )
                if rows:
                    found[model.name] = rows
        return found

    def frame(self, engine: str, table: str) -> pd.DataFrame:
        """Gives a table; see `frames`."""
        return self.frames(engine, [table])[table]

    def frames_of_both(self) -> dict[str, Frames]:
        """Gives features and scores, by engine."""
        tables = [*COMPARED, *MART_TABLES]
        return {engine: self.frames(engine, tables) for engine in (DUCKDB, self.engine)}

    def frames(self, engine: str, tables: Sequence[str]) -> Frames:
        """Gives tables: numbers as floats, times and dates as text."""
        project = self.project(engine)
        project.relation_names()
        with connect(project, read_only=True) as connection:
            return {
                table: _plain(pd.DataFrame(connection.fetch(f"select * from {project.relation(table)}")))
                for table in tables
            }


def days_of(raw: Mapping[str, pa.Table], last: date) -> list[tuple[date, dict[str, pa.Table]]]:
    """Gives what the shop's files say on the first and the last of five days: their date, and the tables that differ.

    All five with the environment variable TWIN_SHOP_ALL_DAYS, as the soak sets it: a day takes a minute on a server.
    """
    days = []
    for days_before in range(4, -1, -1):
        # Some orders are late by a day, some are taken back, and the shop corrects its prices on the way.
        late, gone = (days_before + 1) % 3, 41 + days_before
        orders, events, products = raw["orders"], raw["events"], raw["products"]
        rows = pa.concat_tables([orders.slice(0, gone), orders.slice(gone + 5)])
        dearer = pc.multiply(products["price"], 1 + (days_before + 1) / 100)
        tables = {"orders": rows.slice(late * 10), "events": events.slice(late * 20), "products": products}
        if days_before < 2:
            tables["products"] = products.set_column(products.column_names.index("price"), "price", dearer)
        days.append((last - timedelta(days=days_before), tables))
    return days if os.environ.get("TWIN_SHOP_ALL_DAYS") else days[::4]


def assert_same(
    one: pd.DataFrame, other: pd.DataFrame, keys: list[str], *, relative: float, absolute: float = 1e-9
) -> None:
    """Asserts that two tables are the same: keys and texts exactly, numbers within a tolerance."""
    order = keys or list(one)
    one, other = (
        frame.sort_values(order, ignore_index=True).reindex(columns=one.columns) for frame in (one, other)
    )
    pd.testing.assert_frame_equal(one, other, check_exact=False, rtol=relative, atol=absolute)


def assert_same_scores(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Asserts that scores are the same within 1e-4; of money, where it is little, within a tenth of a cent."""
    money = ["user_id", *[name for name in one if re.match("spend_|expected_spend", name)]]
    rest = [name for name in one if name not in money[1:]]
    assert_same(one[money], other[money], ["user_id"], relative=1e-4, absolute=1e-3)
    assert_same(one[rest], other[rest], ["user_id"], relative=1e-4, absolute=1e-4)
    assert one["purchasing_power_tier"].nunique() > 1


def assert_same_mart(one: pd.DataFrame, other: pd.DataFrame, keys: list[str]) -> None:
    """Asserts that two marts name the same, with the same figures as far as scores are the same.

    Places in a ranking are left out: of two users whose figures differ by less than scores do, either may come first.
    """
    ranks = [name for name in one if name in ("rank", "audience_rank", "risk_rank")]
    one, other = one.drop(columns=ranks), other.drop(columns=ranks)
    assert len(one) > 0
    assert_same(one, other, keys, relative=1e-3, absolute=1e-2)


def _common(engine: str, as_of: date | None) -> list[str]:
    extra = [] if as_of is None else ["--vars", f"{{purchasing_power__as_of_date: {as_of}}}"]
    return ["--target", engine, *extra]


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    frame = rows.drop(columns=[name for name in rows if name in NOT_COMPARED])
    for name in frame:
        numbers = pd.to_numeric(frame[name], errors="coerce")
        is_text = numbers.isna() & frame[name].notna()
        frame[name] = frame[name].map(str) if is_text.any() else numbers.astype(float)
    return frame
