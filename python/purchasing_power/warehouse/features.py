"""Reads what dbt built for the trainer: the feature contract and the training sequences."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring.metadata import FeatureContract
from purchasing_power.warehouse.connection import Connection, connect
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import SETTINGS, require

FEATURE_CATALOGUE = "purchasing_power__feature_catalogue"
TRAINING_SEQUENCES = "purchasing_power__training_sequences"


@dataclass(frozen=True)
class FeatureSettings:
    """What the features were built for.

    Attributes:
        contract: what the model and the warehouse must agree on.
        as_of_date: the day that ends the known past, itself not in it.
    """

    contract: FeatureContract
    as_of_date: date

    @property
    def newest_matured_anchor(self) -> date:
        """The last day at which a user's horizon has passed: `as_of_date - horizon_days`."""
        return self.as_of_date - timedelta(days=self.contract.horizon_days)


def read_settings(connection: Connection, project: Project) -> FeatureSettings:
    """Reads the one row of settings and the feature catalogue.

    Raises:
        PurchasingPowerError: dbt has not built them, or built them empty.
    """
    settings = require(connection, project, SETTINGS)
    catalogue = require(connection, project, FEATURE_CATALOGUE)
    rows = connection.fetch(f"select * from {settings}")
    if rows and "package_version" not in rows[0]:
        raise PurchasingPowerError(
            f"{settings} was built by an older version of the package: run "
            f"`dbt build --selector purchasing_power_features` in {project.project_dir} again."
        )
    if len(rows) != 1 or rows[0]["as_of_date"] is None or rows[0]["scaling_version"] is None:
        raise PurchasingPowerError(
            f"{settings} holds no as-of date or scaling version: the order lines are empty, or none is old "
            "enough to be labelled, so check the mapping with `purchasing-power check`."
        )
    row = rows[0]
    names: dict[str, tuple[str, ...]] = {
        feature_set: tuple(
            found["feature_name"]
            for found in connection.fetch(
                f"select feature_name from {catalogue} where feature_set = ? order by position",
                [feature_set],
            )
        )
        for feature_set in ("channel", "context")
    }
    contract = FeatureContract(
        feature_hash=row["feature_hash"],
        scaling_version=row["scaling_version"],
        channels=names["channel"],
        context=names["context"],
        horizon_days=row["horizon_days"],
        step_grain=row["step_grain"],
        tier_names=tuple(json.loads(row["tier_names"])),
        currency=row["currency"],
        package_version=row["package_version"],
    )
    return FeatureSettings(contract, row["as_of_date"])


@contextmanager
def open_sequences(
    project: Project, columns: Sequence[str] = ("*",)
) -> Iterator[tuple[FeatureSettings, pa.RecordBatchReader]]:
    """Opens the training sequences as a stream of Arrow batches, with the settings they were built under.

    The database is open only inside the block, so that training, which follows, does not keep others out.

    Args:
        project: the dbt project.
        columns: what is read of `purchasing_power__training_sequences`.

    Raises:
        PurchasingPowerError: dbt has not built the features.
    """
    # Before the database is opened: dbt may have to parse, and a single-writer file would be closed to it.
    project.relation_names()
    with connect(project, read_only=True) as connection:
        settings = read_settings(connection, project)
        relation = require(connection, project, TRAINING_SEQUENCES)
        # Ordered, so that the same tables give the same files and with them the same model.
        batches = connection.query(
            f"select {', '.join(columns)} from {relation} order by user_id", batch_rows=1024
        )
        try:
            yield settings, batches
        finally:
            # DuckDB waits for ever when a file is opened again while a stream out of it is not at its end.
            batches.close()
