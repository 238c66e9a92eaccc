"""One dirty shop in DuckDB and on Spark: the same features, the same scores, from a real session."""

from __future__ import annotations

import re
import shutil
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from simulated_shop import SimulatedShop
from spark_cluster import serving_spark
from twin_shop import (
    COMPARED,
    DUCKDB,
    FEATURE_TABLES,
    MART_TABLES,
    Frames,
    TwinShop,
    assert_same,
    assert_same_mart,
    assert_same_scores,
    days_of,
)

pytestmark = pytest.mark.dbt

SPARK = "spark"
MASTER_VARIABLE = "TWIN_SHOP_SPARK_MASTER"


@pytest.fixture(scope="module")
def twins(
    tmp_path_factory: pytest.TempPathFactory,
    simulated_twin: SimulatedShop,
    raw_twin: dict[str, pa.Table],
    trained_warehouse: Path,
) -> TwinShop:
    """DuckDB built up to scores, Spark up to features, with the model that was trained on DuckDB."""
    pytest.importorskip("pyspark")
    folder = tmp_path_factory.mktemp("twins")
    write(raw_twin, folder / "raw")
    output = {
        "method": "session",
        "host": "localhost",
        "server_side_parameters": {
            "spark.master": f"{{{{ env_var('{MASTER_VARIABLE}', 'local[2]') }}}}",
            "spark.driver.memory": "2g",
            "spark.driver.extraJavaOptions": f"-Dderby.system.home={folder}/derby",
            "spark.sql.warehouse.dir": f"{folder}/warehouse",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.shuffle.partitions": "2",
            "spark.log.level": "ERROR",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
        },
    }
    twins = TwinShop.make(folder, simulated_twin, SPARK, output, raw=f"{folder}/raw/*.parquet")
    shutil.copy(trained_warehouse, folder)
    # Only what can be copied to: everything is built, and tested, when the champion is there.
    twins.must_all([(None, None, ["run", "--selector", "purchasing_power_features"])])
    twins.take_over_champion()
    return twins


@pytest.fixture(scope="module")
def said(twins: TwinShop) -> str:
    """What dbt says of everything that the package has, its unit and data tests included."""
    return twins.must_all([(None, None, ["build"])])


@pytest.fixture(scope="module")
def built(twins: TwinShop, said: str) -> dict[str, Frames]:
    return twins.frames_of_both()


def test_all_unit_and_data_tests_run_and_pass(said: str) -> None:
    counts = re.search(r"PASS=(\d+) WARN=0 ERROR=0 SKIP=0", said)
    assert counts is not None, said
    assert int(counts[1]) > 200


@pytest.mark.parametrize("table", FEATURE_TABLES)
def test_features_are_the_same(built: dict[str, Frames], table: str) -> None:
    assert_same(built[DUCKDB][table], built[SPARK][table], FEATURE_TABLES[table], relative=1e-6)
    assert len(built[SPARK][table]) > 100


def test_scores_are_the_same(built: dict[str, Frames]) -> None:
    scores = built[SPARK]["purchasing_power__scores"]
    assert_same_scores(built[DUCKDB]["purchasing_power__scores"], scores)
    assert len(scores) == len(built[SPARK]["purchasing_power__users"])


@pytest.mark.parametrize("table", MART_TABLES)
def test_marts_are_the_same(built: dict[str, Frames], table: str) -> None:
    assert_same_mart(built[DUCKDB][table], built[SPARK][table], MART_TABLES[table])


def test_daily_runs_equal_a_full_refresh(
    twins: TwinShop, built: dict[str, Frames], raw_twin: dict[str, pa.Table], tmp_path: Path
) -> None:
    last = date.fromisoformat(built[SPARK]["purchasing_power__scores"]["as_of_date"][0])
    days = days_of(raw_twin, last)
    for as_of, tables in days:
        write(tables, tmp_path / str(as_of))
    # Marts and alarms are made anew each day, and of the tables that are compared.
    left_out = [
        "purchasing_power.marts",
        "purchasing_power.monitoring",
        "purchasing_power.scoring.*explanation*+",
    ]
    chosen = ["run", "--exclude", *left_out]
    twins.must_all([(tmp_path / str(as_of), as_of, chosen) for as_of, _ in days])
    daily = twins.frames(SPARK, list(COMPARED))
    twins.must_all([(None, last, [*chosen, "--full-refresh"])])
    full = twins.frames(SPARK, list(COMPARED))
    for table, keys in COMPARED.items():
        assert_same(daily[table], full[table], keys, relative=1e-5, absolute=1e-5)


def test_a_worker_that_dies_midway_takes_no_user_with_it(
    twins: TwinShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late, as it starts from what the tests before it have left: scores are the same when they are made anew."""
    before = twins.frame(SPARK, "purchasing_power__scores")
    with serving_spark(tmp_path, workers=2) as cluster:
        monkeypatch.setenv(MASTER_VARIABLE, cluster.master)
        monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        as_of = date.fromisoformat(before["as_of_date"][0])
        scoring = ["run", "--select", "purchasing_power.scoring", "--full-refresh"]
        said = []
        with twins.start(SPARK, *scoring, as_of=as_of) as dbt:
            assert dbt.stdout is not None
            for line in dbt.stdout:
                said.append(line)
                if "START python" in line and "state_updates" in line:
                    cluster.kill_a_worker()
        assert dbt.returncode == 0, "".join(said)
        assert len(cluster.workers) == 1
    monkeypatch.delenv(MASTER_VARIABLE)
    after = twins.frame(SPARK, "purchasing_power__scores")
    assert_same_scores(before, after)
    assert after["user_id"].is_unique


def test_nobody_is_found_after_forget(twins: TwinShop, built: dict[str, Frames]) -> None:
    """Last: with a user fewer, others stand elsewhere among all."""
    # Who has bought or browsed; of others there is less to erase.
    active = built[SPARK]["purchasing_power__user_states"]["user_id"]
    user, everybody = active.iloc[0], len(built[SPARK]["purchasing_power__scores"])
    twins.must(SPARK, "purchasing_power", "forget", "--user", user, "--keep-inputs")
    assert twins.tables_with(SPARK, user) == {}
    assert len(twins.frame(SPARK, "purchasing_power__scores")) == everybody - 1
    # Spark holds no bytes of theirs either: each table that they were in has new files.
    named = [
        file
        for file in (twins.folder / "warehouse").rglob("*.parquet")
        if user in str(pq.read_table(file, partitioning=None).to_pydict().get("user_id"))
    ]
    assert named == []


def write(tables: dict[str, pa.Table], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
