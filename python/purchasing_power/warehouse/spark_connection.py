"""A Spark session, as dbt's `method: session` opens it: classic, or over Spark Connect by SPARK_REMOTE."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from dbt_spark_session import close_session, explained, open_session, prepare_environment
from purchasing_power.errors import PurchasingPowerError
from purchasing_power.warehouse.duckdb_connection import DEFAULT_BATCH_ROWS, Changes
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.spark_frames import stream

_METHOD = "session"


class SparkConnection:
    """A session and the tables of its catalogue."""

    def __init__(self, session: SparkSession) -> None:
        """Takes over an open session, and fixes its clock to UTC as dbt's runs do."""
        self._session = session
        session.conf.set("spark.sql.session.timeZone", "UTC")

    def query(
        self, sql: str, parameters: Sequence[Any] = (), batch_rows: int = DEFAULT_BATCH_ROWS
    ) -> pa.RecordBatchReader:
        """Streams a query's rows as Arrow record batches; the session decides how many rows each has."""
        with _explained("could not answer"):
            return stream(self._session.sql(_with_literals(sql, parameters)))

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Gives all rows of a small query, each as a dict by column."""
        with _explained("could not answer"):
            rows: list[dict[str, Any]] = self.query(sql, parameters).read_all().to_pylist()
        return rows

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Runs a statement that returns nothing."""
        with _explained("could not do what was asked"):
            self._session.sql(_with_literals(sql, parameters)).collect()

    def create_schema(self, name: str) -> None:
        """Makes a schema, unless it is there."""
        self.execute(f"create schema if not exists {name}")

    def insert(self, relation: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds rows to a table; columns that they do not name are NULL."""
        if not rows:
            return
        with _explained("could not be written to"):
            schema = self._session.table(relation).schema
            # Spark takes a time without a zone for one of this machine's.
            values = [[_zoned(row.get(field.name)) for field in schema] for row in rows]
            self._session.createDataFrame(values, schema).write.insertInto(relation)

    def update(self, relation: str, changes: Changes, condition: str, parameters: Sequence[Any] = ()) -> None:
        """Sets columns to SQL expressions in the rows that satisfy a condition.

        Files of Parquet are not changed but written anew: other readers see the table before, for a moment
        none, and the table after.
        """
        columns = []
        for name in self._session.table(relation).columns:
            sql, given = changes.get(name, (name, ()))
            changed = f"case when {condition} then {sql} else {name} end as {name}"
            columns.append(_with_literals(changed, [*parameters, *given]) if name in changes else name)
        self._rewrite(relation, f"select {', '.join(columns)} from {relation}")

    def delete(self, relation: str, condition: str, parameters: Sequence[Any] = ()) -> None:
        """Takes out the rows that satisfy a condition; see `update`."""
        self._rewrite(
            relation,
            _with_literals(f"select * from {relation} where not coalesce({condition}, false)", parameters),
        )

    def purge(self, relations: Sequence[str]) -> None:
        """Does nothing: deleting writes a table anew, and the files before are gone."""

    def reads_as_time(self, text: str) -> str:
        """Gives the SQL condition that a text expression is a date or a timestamp."""
        # A lone year or time of day is a timestamp to Spark.
        return f"({text} rlike '^ *[0-9]{{4}}-' and try_cast({text} as timestamp) is not null)"

    def exists(self, relation: str) -> bool:
        """Says whether a fully qualified relation is there."""
        return bool(self._session.catalog.tableExists(relation))

    def load(self, relation: str, rows: pa.RecordBatchReader) -> None:
        """Makes a table, new or in the place of another, of a stream of Arrow batches."""
        with tempfile.TemporaryDirectory() as folder, _explained("could not be written to"):
            file = Path(folder) / "rows.parquet"
            # Spark reads no nanoseconds.
            with pq.ParquetWriter(
                file, rows.schema, coerce_timestamps="us", allow_truncated_timestamps=True
            ) as writer:
                for batch in rows:
                    writer.write_batch(batch)
            frame = self._session.read.parquet(str(file))
            frame.write.mode("overwrite").format("parquet").saveAsTable(relation)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Runs the block as it is: Spark has no transactions, and each statement stands for itself."""
        yield

    def close(self) -> None:
        """Ends the session; see `close_session`."""
        close_session(self._session)

    def _rewrite(self, relation: str, query: str) -> None:
        beside = f"{relation}__next"
        self.execute(f"drop table if exists {beside}")
        self.execute(f"create table {beside} using parquet as {query}")
        self.execute(f"drop table {relation}")
        self.execute(f"alter table {beside} rename to {relation}")


def open_spark(project: Project) -> SparkConnection:
    """Opens the session of the project's target.

    Raises:
        PurchasingPowerError: the target has another method, or the session does not start.
    """
    credentials = project.credentials.raw
    if str(getattr(credentials.method, "value", credentials.method)) != _METHOD:
        raise PurchasingPowerError(
            f"The target reaches Spark by `method: {credentials.method}`, and this command only by `method: "
            "session`: choose such a target with --target."
        )
    prepare_environment()
    with _explained("could not be opened"):
        return SparkConnection(open_session(credentials))


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turns an error of Spark's into one sentence."""
    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise PurchasingPowerError(f"The Spark session {what}: {explained(error)}") from error


def _with_literals(sql: str, parameters: Sequence[Any]) -> str:
    """Writes values where the package's placeholders stand."""
    texts = sql.split("?")
    if len(texts) != len(parameters) + 1:
        raise ValueError(f"{len(texts) - 1} placeholders, {len(parameters)} parameters: {sql}")
    return "".join(text + _literal(value) for text, value in zip(texts, parameters, strict=False)) + texts[-1]


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool | int | float):
        return repr(value).lower()
    if isinstance(value, datetime):
        return f"timestamp'{value.isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"date'{value.isoformat()}'"
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def _zoned(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
