from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from built_project import BuiltProject, build_tables
from shop import FEATURES, SCORING, TINY_TRAINING, Shop

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
def scored_shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop with features, a small champion and scores; tests that change anything take a copy."""
    shop = Shop.open(tmp_path_factory.mktemp("shop"))
    for outcome in (
        shop.dbt("run", "--select", "page_log"),
        shop.dbt(*FEATURES),
        shop.command(*TINY_TRAINING),
        shop.dbt(*SCORING),
    ):
        assert outcome.returncode == 0, outcome.output
    return shop
