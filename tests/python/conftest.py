from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from purchasing_power.warehouse.connection import Connection, connect
from purchasing_power.warehouse.project import Credentials, Project


@dataclass(frozen=True)
class BuiltProject(Project):
    """A project whose tables stand in `warehouse.duckdb`, without dbt having been asked."""

    @cached_property
    def credentials(self) -> Credentials:
        raw = SimpleNamespace(path="warehouse.duckdb", config_options=None, extensions=None, attach=None)
        return Credentials("duckdb", "warehouse", "main", raw)

    def relation_names(self) -> dict[str, str]:
        names = ("settings", "feature_catalogue", "training_sequences", "models", "model_metrics")
        return {
            f"purchasing_power__{name}": f'"warehouse"."main"."purchasing_power__{name}"' for name in names
        }


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
        connection.execute(
            """
            create table purchasing_power__settings as
            select date '2018-01-02' as as_of_date, 56 as horizon_days, 'day' as step_grain,
                7 as anchor_every_days, 'USD' as currency, 'features-1' as feature_hash,
                'scaling-1' as scaling_version, ? as tier_names, '0.1.0' as package_version
            """,
            [json.dumps(["low", "middle", "high"])],
        )
        connection.execute(
            """
            create table purchasing_power__feature_catalogue as
            select 'features-1' as feature_hash, * from (values
                ('channel', 1, 'orders'), ('channel', 0, 'spend'), ('context', 0, 'recency')
            ) as entry (feature_set, position, feature_name)
            """
        )
        connection.execute(
            """
            create table purchasing_power__models (
                model_version text, status text, sha256 text, encoder_onnx blob, head_onnx blob,
                feature_hash text, scaling_version text, horizon_days int, trained_at timestamp,
                train_cutoff date, promoted_at timestamp, metrics text, card text
            )
            """
        )
        connection.execute(
            """
            create table purchasing_power__model_metrics (
                model_version text, dataset text, split text, method text, metric text, value double,
                measured_at timestamp
            )
            """
        )
    return empty_project


@pytest.fixture
def connection(project: BuiltProject) -> Iterator[Connection]:
    with connect(project) as opened:
        yield opened
