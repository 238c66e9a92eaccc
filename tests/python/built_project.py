"""Stands in for what dbt leaves behind, so that tests of the Python code need no dbt run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from types import SimpleNamespace

from purchasing_power.warehouse.connection import Connection
from purchasing_power.warehouse.project import Credentials, Project
from purchasing_power.warehouse.registry import Candidate


@dataclass(frozen=True)
class BuiltProject(Project):
    """A project whose tables stand in `warehouse.duckdb`, without dbt having been asked."""

    @cached_property
    def credentials(self) -> Credentials:
        raw = SimpleNamespace(path="warehouse.duckdb", config_options=None, extensions=None, attach=None)
        return Credentials("duckdb", "warehouse", "main", raw)

    def relation_names(self) -> dict[str, str]:
        names = (
            "settings",
            "feature_catalogue",
            "training_sequences",
            "user_steps",
            "models",
            "model_metrics",
            "model_curves",
        )
        return {
            f"purchasing_power__{name}": f'"warehouse"."main"."purchasing_power__{name}"' for name in names
        }


def build_tables(connection: Connection) -> None:
    """Makes what `dbt build --selector purchasing_power_features` leaves for the Python code."""
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
    connection.execute(
        """
        create table purchasing_power__model_curves (
            model_version text, dataset text, split text, method text, curve text, series text, point int,
            x double, y double, measured_at timestamp
        )
        """
    )


def make_candidate(version: str, feature_hash: str = "features-1", day: int = 3) -> Candidate:
    return Candidate(
        model_version=version,
        encoder=b"encoder of " + version.encode(),
        head=b"head of " + version.encode(),
        feature_hash=feature_hash,
        scaling_version="scaling-1",
        horizon_days=56,
        trained_at=datetime(2018, 1, day, 12, tzinfo=UTC),
        train_cutoff=date(2018, 1, 2),
        metrics={"spearman": 0.8},
        card={"currency": "USD", "channels": ["spend"]},
    )
