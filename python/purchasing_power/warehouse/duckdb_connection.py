"""A DuckDB database file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.pseudonyms import session_statement

DEFAULT_BATCH_ROWS = 4096
# What columns become: by column a SQL expression with its parameters.
Changes = Mapping[str, tuple[str, Sequence[Any]]]


class DuckDBConnection:
    """A DuckDB database file, opened as the dbt profile says."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Takes over an open connection, and fixes its clock to UTC as dbt's runs do."""
        self._connection = connection
        self._connection.execute("set TimeZone = 'UTC'")
        key = session_statement()
        if key:
            self._connection.execute(key)

    def query(
        self, sql: str, parameters: Sequence[Any] = (), batch_rows: int = DEFAULT_BATCH_ROWS
    ) -> pa.RecordBatchReader:
        """Streams a query's rows as Arrow record batches of about `batch_rows` rows."""
        # sql() streams where execute() would hold the whole result.
        return self._connection.sql(sql, params=list(parameters)).to_arrow_reader(batch_rows)

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Gives all rows of a small query, each as a dict by column."""
        cursor = self._connection.execute(sql, list(parameters))
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def create_schema(self, name: str) -> None:
        """Makes a schema, unless it is there."""
        self.execute(f"create schema if not exists {name}")

    def insert(self, relation: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds rows to a table; columns that they do not name are NULL."""
        for row in rows:
            self.execute(*insertion(relation, row))

    def update(self, relation: str, changes: Changes, condition: str, parameters: Sequence[Any] = ()) -> None:
        """Sets columns to SQL expressions in the rows that satisfy a condition, at once."""
        self.execute(*modification(relation, changes, condition, parameters))

    def delete(self, relation: str, condition: str, parameters: Sequence[Any] = ()) -> None:
        """Takes out the rows that satisfy a condition."""
        self.execute(f"delete from {relation} where {condition}", parameters)

    def purge(self, relations: Sequence[str]) -> None:
        """Writes the whole database anew beside itself and lets that take its place, then closes.

        Deleted rows stay in blocks of the file that nothing reads any more.
        """
        (row,) = self.fetch(
            "select database_name, path from duckdb_databases() where database_name = current_database()"
        )
        if not row["path"]:
            return
        path = Path(row["path"])
        beside = path.with_name(f"{path.name}.purged")
        beside.unlink(missing_ok=True)
        try:
            self.execute(f"attach '{str(beside).replace(chr(39), chr(39) * 2)}' as purged")
            self.execute(f'copy from database "{row["database_name"]}" to purged')
            self.execute("detach purged")
            self.execute("checkpoint")
        except duckdb.Error as error:
            beside.unlink(missing_ok=True)
            raise PurchasingPowerError(
                f"The rows are deleted, and {path} could not be written anew, so that their bytes may still "
                f"be in its unused blocks: {' '.join(str(error).split())}"
            ) from error
        self.close()
        beside.replace(path)
        path.with_name(f"{path.name}.wal").unlink(missing_ok=True)

    def reads_as_time(self, text: str) -> str:
        """Gives the SQL condition that a text expression is a date or a timestamp."""
        # Safe as a test: neither a lone number nor a lone time of day is read as a timestamp.
        return f"try_cast({text} as timestamp) is not null"

    def exists(self, relation: str) -> bool:
        """Says whether a fully qualified relation is there."""
        try:
            self._connection.execute(f"select * from {relation} limit 0").fetchall()
        except duckdb.CatalogException:
            return False
        return True

    def load(self, relation: str, rows: pa.RecordBatchReader) -> None:
        """Makes a table, new or in the place of another, of a stream of Arrow batches."""
        self._connection.execute(f"create or replace table {relation} as select * from rows")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits what runs inside it, or rolls all of it back on an error."""
        self._connection.execute("begin transaction")
        try:
            yield
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    def close(self) -> None:
        """Lets go of the database file, so that dbt can open it."""
        self._connection.close()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Runs a statement and drops its result, which would block the connection otherwise."""
        self._connection.execute(sql, list(parameters)).fetchall()


def insertion(relation: str, row: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Gives the statement that adds a row, and its parameters."""
    places = ", ".join("?" * len(row))
    return f"insert into {relation} ({', '.join(row)}) values ({places})", list(row.values())


def modification(
    relation: str, changes: Changes, condition: str, parameters: Sequence[Any]
) -> tuple[str, list[Any]]:
    """Gives the statement that changes rows, and its parameters."""
    assignments = ", ".join(f"{name} = {sql}" for name, (sql, _) in changes.items())
    given = [value for _, values in changes.values() for value in values]
    return f"update {relation} set {assignments} where {condition}", [*given, *parameters]


def open_duckdb(project: Project, read_only: bool) -> DuckDBConnection:
    """Opens the database of the project's target.

    Raises:
        PurchasingPowerError: it is in memory, not there, in use or no database.
    """
    credentials = project.credentials.raw
    location = str(credentials.path)
    if location == ":memory:":
        raise PurchasingPowerError(
            f"The profile in {project.profiles_dir} keeps its DuckDB database in memory, where no other "
            "process finds it: give it a `path` to a file."
        )
    if "://" not in location and not location.startswith("md:"):
        # dbt runs in the project's folder, so that is what a relative path is relative to.
        path = (project.project_dir / Path(location)).resolve()
        if read_only and not path.exists():
            raise PurchasingPowerError(
                f"The database {path} does not exist yet: run `dbt build` in {project.project_dir} first."
            )
        location = str(path)
    try:
        connection = duckdb.connect(location, read_only=read_only, config=credentials.config_options or {})
        for extension in credentials.extensions or []:
            connection.load_extension(extension if isinstance(extension, str) else extension.name)
        for attachment in credentials.attach or []:
            connection.execute(attachment.to_sql())
    except duckdb.Error as error:
        raise PurchasingPowerError(_explain(location, error)) from error
    return DuckDBConnection(connection)


def _explain(location: str, error: duckdb.Error) -> str:
    message = str(error)
    if isinstance(error, duckdb.IOException) and "lock" in message.lower():
        return (
            f"The database {location} is in use by another process, and DuckDB lets only one write: "
            "close that program (often a BI tool, a notebook or a running dbt) and try again."
        )
    return f"The database {location} could not be opened: {' '.join(message.split())}"
