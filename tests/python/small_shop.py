"""What dbt leaves behind for the small model's made-up users, with that model as the champion."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import duckdb
import pyarrow as pa
import small_model
from built_project import BuiltProject, build_tables

from purchasing_power.warehouse.connection import Connection, connect
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import Candidate, Registry

ANCHOR = small_model.ANCHORS[-1]
VERSION = "m1"


def build_shop(folder: Path, rows: list[dict[str, object]] | None = None) -> BuiltProject:
    """Makes a project in a folder: features, registry, and the champion m1."""
    folder.mkdir(exist_ok=True)
    (folder / "dbt_project.yml").write_text("name: shop\n")
    project = BuiltProject(folder, folder)
    fill_warehouse(project, rows)
    return project


def fill_warehouse(project: Project, rows: list[dict[str, object]] | None = None) -> None:
    """Makes the tables in a project's warehouse, whatever stands there."""
    path = project.project_dir / "warehouse.duckdb"
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as database:
        sequences = pa.Table.from_batches(small_model.batches(rows or small_model.rows()))
        database.register("sequences", sequences)
        database.execute("create table purchasing_power__training_sequences as select * from sequences")
    project.relation_names()
    with connect(project) as connection:
        build_tables(connection)
        _write_contract(connection)
        registry = Registry(connection, project)
        registry.register(champion())
        registry.promote(VERSION)


def champion() -> Candidate:
    exported = small_model.exported()
    metadata = exported.metadata
    return Candidate(
        model_version=VERSION,
        encoder=exported.encoder,
        head=exported.head,
        feature_hash=metadata.feature_hash,
        scaling_version=metadata.scaling_version,
        horizon_days=metadata.horizon_days,
        trained_at=dt.datetime.fromisoformat(metadata.trained_at),
        train_cutoff=dt.date.fromisoformat(metadata.train_cutoff),
        metrics=metadata.metrics,
        card=metadata.as_dict(),
    )


def _write_contract(connection: Connection) -> None:
    contract = small_model.CONTRACT
    connection.execute(
        """
        update purchasing_power__settings set as_of_date = ?, horizon_days = ?, currency = ?, feature_hash = ?,
            scaling_version = ?, tier_names = ?, package_version = ?
        """,
        [
            ANCHOR + dt.timedelta(days=contract.horizon_days),
            contract.horizon_days,
            contract.currency,
            contract.feature_hash,
            contract.scaling_version,
            json.dumps(contract.tier_names),
            contract.package_version,
        ],
    )
    connection.execute("delete from purchasing_power__feature_catalogue")
    for feature_set, names in (("channel", contract.channels), ("context", contract.context)):
        for position, name in enumerate(names):
            connection.execute(
                "insert into purchasing_power__feature_catalogue values (?, ?, ?, ?)",
                [contract.feature_hash, feature_set, position, name],
            )
