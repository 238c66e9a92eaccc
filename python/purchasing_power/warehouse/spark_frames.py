"""Spark DataFrames as Arrow, both ways, by nothing but what Spark Connect has too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa


def stream(frame: Any) -> pa.RecordBatchReader:
    """Streams a DataFrame's rows, in its order; times are UTC without a zone, as other warehouses give them.

    A partition at a time reaches this process, its batches packed by the executors: what is held does not
    grow with the result.
    """
    from pyspark.sql.pandas.types import to_arrow_schema

    frame = _without_zones(frame)
    schema = to_arrow_schema(frame.schema)
    packed = frame.mapInArrow(_packed, "batch binary").toLocalIterator(prefetchPartitions=True)
    batches = (
        pa.RecordBatch.from_arrays(
            [column.cast(field.type) for column, field in zip(batch, schema, strict=True)], schema=schema
        )
        for row in packed
        for batch in pa.ipc.open_stream(row.batch)
    )
    return pa.RecordBatchReader.from_batches(schema, batches)


def spark_schema(schema: pa.Schema) -> Any:
    """Gives Spark's type of rows for an Arrow schema."""
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)


@dataclass(frozen=True)
class FrameRelation:
    """A DataFrame that is narrowed, ordered and read as the models' relations are."""

    frame: Any

    def filter(self, condition: str) -> FrameRelation:
        """Keeps the rows that satisfy a SQL condition."""
        return FrameRelation(self.frame.filter(condition))

    def project(self, columns: str) -> FrameRelation:
        """Keeps the columns of a SQL select list."""
        return FrameRelation(self.frame.selectExpr(*columns.split(", ")))

    def order(self, expressions: str) -> FrameRelation:
        """Sorts by a SQL order by list."""
        from pyspark.sql.functions import expr

        terms = [term.rsplit(" ", 1) for term in expressions.split(", ")]
        return FrameRelation(
            self.frame.orderBy(
                *[expr(term[0]).desc() if term[1:] == ["desc"] else expr(term[0]) for term in terms]
            )
        )

    def limit(self, count: int) -> FrameRelation:
        """Keeps the first rows."""
        return FrameRelation(self.frame.limit(count))

    def to_arrow_reader(self, batch_size: int) -> pa.RecordBatchReader:
        """Streams the rows as Arrow batches, of a size that Spark decides."""
        return stream(self.frame)


def _packed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Runs on the executors: writes each batch as a stream of its own, which is one value."""
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        yield pa.RecordBatch.from_arrays(
            [pa.array([sink.getvalue().to_pybytes()], pa.binary())], names=["batch"]
        )


def _without_zones(frame: Any) -> Any:
    """Gives times as the session's clock, which is UTC, shows them: an Arrow type of these needs no zone."""
    from pyspark.sql.functions import col
    from pyspark.sql.types import TimestampType

    return frame.withColumns(
        {
            field.name: col(f"`{field.name}`").cast("timestamp_ntz")
            for field in frame.schema.fields
            if isinstance(field.dataType, TimestampType)
        }
    )
