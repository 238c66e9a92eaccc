"""Opens the warehouse of a dbt target and moves rows as Arrow.

One small interface stands between the rest of the package and an engine's driver.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import pyarrow as pa

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.warehouse.duckdb_connection import DEFAULT_BATCH_ROWS, Changes, open_duckdb
from purchasing_power.warehouse.project import Project


class Connection(Protocol):
    """What the package asks of a warehouse."""

    def query(
        self, sql: str, parameters: Sequence[Any] = (), batch_rows: int = DEFAULT_BATCH_ROWS
    ) -> pa.RecordBatchReader:
        """Streams a query's rows as Arrow record batches of about `batch_rows` rows."""

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Gives all rows of a small query, each as a dict by column."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Runs a statement that returns nothing."""

    def create_schema(self, name: str) -> None:
        """Makes a schema, unless it is there."""

    def insert(self, relation: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds rows to a table; columns that they do not name are NULL."""

    def update(self, relation: str, changes: Changes, condition: str, parameters: Sequence[Any] = ()) -> None:
        """Sets columns to SQL expressions in the rows that satisfy a condition, at once."""

    def delete(self, relation: str, condition: str, parameters: Sequence[Any] = ()) -> None:
        """Takes out the rows that satisfy a condition."""

    def purge(self, relations: Sequence[str]) -> None:
        """Sees to it that rows deleted from tables are in no file any more."""

    def reads_as_time(self, text: str) -> str:
        """Gives the SQL condition that a text expression is a date or a timestamp."""

    def exists(self, relation: str) -> bool:
        """Says whether a fully qualified relation is there."""

    def load(self, relation: str, rows: pa.RecordBatchReader) -> None:
        """Makes a table, new or in the place of another, of a stream of Arrow batches."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits what runs inside it, or rolls all of it back on an error, where the engine can."""

    def close(self) -> None:
        """Lets go of the warehouse."""


@contextmanager
def connect(project: Project, *, read_only: bool = False) -> Iterator[Connection]:
    """Opens the warehouse of the project's target and closes it at the end.

    Args:
        project: the dbt project, whose profile names the warehouse.
        read_only: write nothing; a database file is then opened without the writer's lock.

    Raises:
        PurchasingPowerError: the target's adapter is not supported, or its database is not there, in use, or
            lets nobody in by what the profile says.
    """
    connection = _open(project, read_only)
    try:
        yield connection
    finally:
        connection.close()


def _open(project: Project, read_only: bool) -> Connection:
    adapter = project.credentials.adapter
    if adapter == "duckdb":
        return open_duckdb(project, read_only)
    # Imported late: their drivers are extras.
    try:
        if adapter == "postgres":
            from purchasing_power.warehouse.postgres_connection import open_postgres

            return open_postgres(project, read_only)
        if adapter == "spark":
            from purchasing_power.warehouse.spark_connection import open_spark

            return open_spark(project)
    except ModuleNotFoundError as error:
        raise PurchasingPowerError(
            f"The target's adapter is {adapter}, and {error.name} is not installed: run "
            f"`pip install 'purchasing_power[{adapter}]'`."
        ) from error
    raise PurchasingPowerError(
        f"The target's adapter is {adapter}, and this command opens only duckdb, postgres and spark: "
        "choose such a target with --target."
    )
