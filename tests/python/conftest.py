from __future__ import annotations

import pickle
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from built_project import BuiltProject, build_tables
from compiled_features import Compile, CompiledFeatures
from feature_variables import LATER_RUNS, VARIABLES
from filelock import FileLock
from shop import FEATURES, SCORING, TINY_TRAINING, Shop
from simulated_shop import SimulatedShop
from twin_shop import DAYS, DUCKDB, HORIZON, USERS, TwinShop

from purchasing_power.simulator.tables import TABLES
from purchasing_power.warehouse.connection import Connection, connect


@pytest.fixture
def empty_project(tmp_path: Path) -> BuiltProject:
    """A project whose database exists and holds nothing yet."""
    (tmp_path / "dbt_project.yml").write_text("name: shop\n")
    duckdb.connect(str(tmp_path / "warehouse.duckdb")).close()
    return BuiltProject(tmp_path, tmp_path)


@pytest.fixture
def project(empty_project: BuiltProject) -> BuiltProject:
    """A project in which dbt has built the settings, the catalogue and the empty registry."""
    with connect(empty_project) as connection:
        build_tables(connection)
    return empty_project


@pytest.fixture
def connection(project: BuiltProject) -> Iterator[Connection]:
    with connect(project) as opened:
        yield opened


@pytest.fixture(scope="session")
def scored_shop(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Shop:
    """The shop with features, a small champion and scores; tests that change anything take a copy.

    Two builds and a training take most of a minute, so of several workers one makes it while the others
    wait. Each then has a copy of its own, because DuckDB gives a file to one process at a time.
    """
    if worker_id == "master":
        return _scored_shop(tmp_path_factory.mktemp("shop"))
    # The parent is what the workers of one run share, and no other run does.
    made = tmp_path_factory.getbasetemp().parent / "scored_shop"
    with FileLock(f"{made}.lock"):
        # Written last, so that after a failure the next worker meets that failure too, not half a shop.
        if not made.exists():
            made.write_text(str(_scored_shop(tmp_path_factory.mktemp("shop")).folder))
    return Shop(Path(made.read_text())).copy(tmp_path_factory.mktemp("own") / "shop")


@pytest.fixture(scope="session")
def simulated_twin(tmp_path_factory: pytest.TempPathFactory) -> SimulatedShop:
    """The dirty shop that two engines build; of one seed, so that each worker makes the same."""
    folder = tmp_path_factory.mktemp("simulated")
    return SimulatedShop.make(folder, USERS, DAYS, horizon_days=HORIZON, dirt=0.3, anomalies=0.2, seed=6)


@pytest.fixture(scope="session")
def raw_twin(simulated_twin: SimulatedShop) -> dict[str, pa.Table]:
    """Its raw tables."""
    return {name: pq.read_table(simulated_twin.folder / f"{name}.parquet") for name in TABLES}


@pytest.fixture(scope="session")
def trained_warehouse(
    tmp_path_factory: pytest.TempPathFactory, simulated_twin: SimulatedShop, worker_id: str
) -> Path:
    """The DuckDB file of that shop, up to scores; as `scored_shop` made by one worker."""
    base = tmp_path_factory.getbasetemp()
    made = (base if worker_id == "master" else base.parent) / "trained_warehouse"
    with FileLock(f"{made}.lock"):
        if not made.exists():
            raw = f"{simulated_twin.folder}/*.parquet"
            twins = TwinShop.make(tmp_path_factory.mktemp("trained"), simulated_twin, DUCKDB, {}, raw=raw)
            twins.build_duckdb()
            made.write_text(str(twins.folder / "warehouse.duckdb"))
    return Path(made.read_text())


def _scored_shop(folder: Path) -> Shop:
    shop = Shop.open(folder)
    for outcome in (
        shop.dbt("run", "--select", "page_log"),
        shop.dbt(*FEATURES),
        shop.command(*TINY_TRAINING),
        shop.dbt(*SCORING),
    ):
        assert outcome.returncode == 0, outcome.output
    return shop


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Compile:
    """The feature models under one of VARIABLES, compiled when first asked for, by one worker for all."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    @cache
    def compile_once(name: str) -> CompiledFeatures:
        made = shared / f"compiled_{name}.pickle"
        with FileLock(f"{made}.lock"):
            if not made.exists():
                folder = tmp_path_factory.mktemp(name)
                features = CompiledFeatures.compile(folder, VARIABLES[name], later_runs=name in LATER_RUNS)
                made.write_bytes(pickle.dumps(features))
        features = pickle.loads(made.read_bytes())
        assert isinstance(features, CompiledFeatures)
        return features

    return compile_once
