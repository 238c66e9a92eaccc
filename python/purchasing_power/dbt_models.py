"""What the package's dbt Python models run: they bring relations, the scoring core does the rest.

dbt gives a Python model its upstream models as the engine's own relations. Only two things are asked of one
here: to be read as a stream of Arrow batches, and to be ordered; so nothing is imported from the engine.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import pyarrow as pa

from purchasing_power.scoring import (
    FACTORS_OUTPUT_SCHEMA,
    HEAD_OUTPUT_SCHEMA,
    SENTIMENT_OUTPUT_SCHEMA,
    ProjectionModel,
    ScoringModel,
    SentimentModel,
    encode,
    encoder_output_schema,
    gather_histories,
    histories_schema,
    project_embeddings,
    read_sentiment,
    score,
)

# Large enough that the overhead of a batch does not show, small enough that memory does not either.
_ROWS_PER_BATCH = 8192
# Thousands of users' steps, of whom many are equally long and share calls; 132 bytes each with 33 channels.
_STEPS_PER_BATCH = 131_072


class Relation(Protocol):
    """A DuckDB relation, as far as it is used here."""

    def filter(self, condition: str) -> Relation:
        """Keeps the rows that satisfy a SQL condition."""
        ...

    def project(self, columns: str) -> Relation:
        """Keeps the columns of a SQL select list."""
        ...

    def order(self, expressions: str) -> Relation:
        """Sorts by a SQL order by list."""
        ...

    def limit(self, count: int) -> Relation:
        """Keeps the first rows."""
        ...

    def to_arrow_reader(self, batch_size: int) -> pa.RecordBatchReader:
        """Streams the rows as Arrow batches."""
        ...


def state_updates(models: Relation, steps: Relation) -> pa.RecordBatchReader:
    """Runs the champion's encoder over the steps that this run has to consume.

    Args:
        models: `purchasing_power__models`.
        steps: `int_purchasing_power__steps_to_consume`.

    Returns:
        A stream of `ENCODER_OUTPUT_SCHEMA`, followed by what the states were made of.

    Raises:
        PurchasingPowerError: The champion's bytes or the steps are not what was registered.
    """
    model = champion(models)
    # The engine sorts, and writes to disk what does not fit its memory; packing users in it did neither.
    reader = _batches(steps.order("user_id, step_index"), _STEPS_PER_BATCH)
    schema = encoder_output_schema(histories_schema(reader.schema))
    return _stream(schema, encode(gather_histories(reader), model))


def raw_scores(models: Relation, inputs: Relation) -> pa.RecordBatchReader:
    """Runs the champion's head over everybody.

    Args:
        models: `purchasing_power__models`.
        inputs: `int_purchasing_power__head_inputs`.

    Returns:
        A stream of `HEAD_OUTPUT_SCHEMA`.

    Raises:
        PurchasingPowerError: The champion's bytes or the inputs are not what was registered.
    """
    model = champion(models)
    return _stream(HEAD_OUTPUT_SCHEMA, score(_batches(inputs), model))


def text_sentiment(models: Relation, texts: Relation) -> pa.RecordBatchReader:
    """Runs the sentiment model in use over texts.

    Args:
        models: `purchasing_power__input_models`.
        texts: `int_purchasing_power__texts_to_read`.

    Returns:
        A stream of `SENTIMENT_OUTPUT_SCHEMA`, empty without a registered model.

    Raises:
        PurchasingPowerError: The model's bytes are not what was registered.
    """
    row = _input_model(models, "sentiment")
    if row is None:
        return _stream(SENTIMENT_OUTPUT_SCHEMA, ())
    model = SentimentModel(row["onnx"], row["sha256"])
    return _stream(SENTIMENT_OUTPUT_SCHEMA, read_sentiment(_batches(texts), model))


def product_factors(models: Relation, products: Relation) -> pa.RecordBatchReader:
    """Projects the embeddings of all products.

    Args:
        models: `purchasing_power__input_models`.
        products: `stg_purchasing_power__products`.

    Returns:
        A stream of `FACTORS_OUTPUT_SCHEMA`, empty without a registered model.

    Raises:
        PurchasingPowerError: The model's bytes are not what was registered.
    """
    row = _input_model(models, "embedding")
    if row is None:
        return _stream(FACTORS_OUTPUT_SCHEMA, ())
    model = ProjectionModel(row["onnx"], row["sha256"])
    columns = products.filter("embedding is not null").project("product_id, embedding")
    return _stream(FACTORS_OUTPUT_SCHEMA, project_embeddings(_batches(columns), model))


def champion(models: Relation) -> ScoringModel:
    """Opens the registry's champion, after checking its bytes against the registered sha256.

    Read to its end before anything else is streamed: DuckDB 2 allows one open result a connection.
    """
    rows = models.filter("status = 'champion'").project("encoder_onnx, head_onnx, sha256").to_arrow_reader(1)
    (row,) = rows.read_all().to_pylist()
    return ScoringModel.from_bytes(row["encoder_onnx"], row["head_onnx"], row["sha256"])


def _input_model(models: Relation, kind: str) -> dict[str, Any] | None:
    """Gives the newest input model of a kind, which is the one in use, or None."""
    newest = models.filter(f"kind = '{kind}'").order("fitted_at desc, model_version desc").limit(1)
    rows: list[dict[str, Any]] = newest.project("onnx, sha256").to_arrow_reader(1).read_all().to_pylist()
    return rows[0] if rows else None


def _batches(relation: Relation, rows: int = _ROWS_PER_BATCH) -> pa.RecordBatchReader:
    return relation.to_arrow_reader(rows)


def _stream(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(schema, batches)
