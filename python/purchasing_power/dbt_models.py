"""What the package's dbt Python models run: they bring relations, the scoring core does the rest.

dbt gives a Python model its upstream models as the engine's own relations. Only two things are asked of one
here: to be read as a stream of Arrow batches, and to be ordered; so nothing is imported from the engine.
Spark takes the core to the rows instead: `spark_models` has the same functions, of DataFrames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from purchasing_power.scoring import (
    CONTRIBUTIONS_SCHEMA,
    ENCODER_OUTPUT_SCHEMA,
    FACTORS_OUTPUT_SCHEMA,
    HEAD_OUTPUT_SCHEMA,
    SENTIMENT_OUTPUT_SCHEMA,
    FeatureGroups,
    Population,
    ProjectionModel,
    ScoringModel,
    SentimentModel,
    Users,
    encode,
    explain,
    gather_histories,
    project_embeddings,
    read_sentiment,
    score,
)
from purchasing_power.scoring.columns import column

# Large enough that the overhead of a batch does not show, small enough that memory does not either.
_ROWS_PER_BATCH = 8192
# Thousands of users' steps, of whom many are equally long and share calls; 132 bytes each with 33 channels.
_STEPS_PER_BATCH = 131_072
# Users are asked for in parts that fit into a few hundred MB of the engine's memory: sorting all steps, or
# bringing everybody's state and context together, took all that it was allowed, and not always ended.
_STEPS_PER_PART = 1_048_576
_USERS_PER_PART = 65_536
# A user to explain takes about a tenth of a second, beside which nothing else counts.
_EXPLAINED_PER_BATCH = 64
_EXPLAINED_PER_PART = 4096
_EVERYBODY = "true"


# What is written of a user whose state moved, beside the state: what it was made of.
_CONSUMED = pa.schema(
    [
        pa.field("last_step_on", pa.date32()),
        pa.field("steps_consumed", pa.int64()),
        pa.field("consumed_digest", pa.string()),
    ]
)
STATE_UPDATES_SCHEMA = pa.unify_schemas([ENCODER_OUTPUT_SCHEMA, _CONSUMED])
_SCORED = pa.schema([pa.field("as_of_date", pa.date32())])
RAW_SCORES_SCHEMA = pa.unify_schemas([HEAD_OUTPUT_SCHEMA, _SCORED])


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


def _or_on_spark(run: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a function of relations, given by name, serve Spark's too, of which it returns a DataFrame."""

    @wraps(run)
    def on_its_engine(**given: Any) -> Any:
        if not hasattr(given["models"], "mapInArrow"):
            return run(**given)
        from purchasing_power import spark_models

        return getattr(spark_models, run.__name__)(**given)

    return on_its_engine


@_or_on_spark
def state_updates(
    models: Relation, users: Relation, steps: Relation, *, in_parts: bool = True
) -> pa.RecordBatchReader:
    """Runs the champion's encoder over the steps that this run has to consume.

    Args:
        models: `purchasing_power__models`.
        users: `int_purchasing_power__users_to_move`.
        steps: `int_purchasing_power__steps_to_consume`, the steps of these users.
        in_parts: Ask for some users at a time; not where the engine sorts whatever it is asked for on disk.

    Returns:
        A stream of `STATE_UPDATES_SCHEMA`: each state beside what it was made of, so that a later run can
        tell whether it still holds.

    Raises:
        PurchasingPowerError: The champion's bytes or the steps are not what was registered.
    """
    model = champion(models)
    sizes = users.project("user_id, steps_consumed - steps_before as size")
    parts = _parts(sizes, _STEPS_PER_PART) if in_parts else [_EVERYBODY]
    rows = (
        batch
        for part in parts
        for batch in _batches(steps.filter(part).order("user_id, step_index"), _STEPS_PER_BATCH)
    )
    return _stream(STATE_UPDATES_SCHEMA, encoded(_read_ahead(rows), model))


@_or_on_spark
def raw_scores(
    models: Relation, users: Relation, inputs: Relation, *, in_parts: bool = True
) -> pa.RecordBatchReader:
    """Runs the champion's head over everybody.

    Args:
        models: `purchasing_power__models`.
        users: `purchasing_power__users`.
        inputs: `int_purchasing_power__head_inputs`, a row for each of them.
        in_parts: As for `state_updates`.

    Returns:
        A stream of `RAW_SCORES_SCHEMA`: each score beside the date that it is of.

    Raises:
        PurchasingPowerError: The champion's bytes or the inputs are not what was registered.
    """
    model = champion(models)
    parts = _parts(users.project("user_id, 1 as size"), _USERS_PER_PART) if in_parts else [_EVERYBODY]
    rows = (batch for part in parts for batch in _batches(inputs.filter(part)))
    return _stream(RAW_SCORES_SCHEMA, scored(_read_ahead(rows), model))


@_or_on_spark
def raw_explanations(
    models: Relation, catalogue: Relation, users: Relation, inputs: Relation, *, in_parts: bool = True
) -> pa.RecordBatchReader:
    """Says what each group of features adds to the expected spend of the users to explain.

    Args:
        models: `purchasing_power__models`.
        catalogue: `purchasing_power__feature_catalogue`.
        users: `int_purchasing_power__users_to_explain`.
        inputs: `int_purchasing_power__explanation_inputs`, a row for each of them.
        in_parts: As for `state_updates`.

    Returns:
        A stream of `CONTRIBUTIONS_SCHEMA`, empty where nobody was scored.

    Raises:
        PurchasingPowerError: The champion's bytes, the catalogue or the inputs are not what was registered.
    """
    model = champion(models)
    population = compared_with(inputs, model)
    if population is None:
        return _stream(CONTRIBUTIONS_SCHEMA, ())
    groups = feature_groups(catalogue, model)
    sizes = users.filter("is_explained").project("user_id, 1 as size")
    parts = _parts(sizes, _EXPLAINED_PER_PART) if in_parts else [_EVERYBODY]
    explained = inputs.filter("is_explained")
    rows = (batch for part in parts for batch in _batches(explained.filter(part), _EXPLAINED_PER_BATCH))
    return _stream(CONTRIBUTIONS_SCHEMA, explain(rows, model, groups, population))


@_or_on_spark
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
    row = input_model(models, "sentiment")
    if row is None:
        return _stream(SENTIMENT_OUTPUT_SCHEMA, ())
    model = SentimentModel(row["onnx"], row["sha256"])
    return _stream(SENTIMENT_OUTPUT_SCHEMA, read_sentiment(_batches(texts), model))


@_or_on_spark
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
    row = input_model(models, "embedding")
    if row is None:
        return _stream(FACTORS_OUTPUT_SCHEMA, ())
    model = ProjectionModel(row["onnx"], row["sha256"])
    columns = products.filter("embedding is not null").project("product_id, embedding")
    return _stream(FACTORS_OUTPUT_SCHEMA, project_embeddings(_batches(columns), model))


def encoded(steps: Iterable[pa.RecordBatch], model: ScoringModel) -> Iterator[pa.RecordBatch]:
    """Gives `STATE_UPDATES_SCHEMA` of rows of `steps_to_consume`, a user's together and in order."""
    for histories in gather_histories(steps):
        for states in encode([histories], model):
            yield _beside(states, histories, _CONSUMED)


def scored(inputs: Iterable[pa.RecordBatch], model: ScoringModel) -> Iterator[pa.RecordBatch]:
    """Gives `RAW_SCORES_SCHEMA` of rows of `head_inputs`."""
    for users in inputs:
        for scores in score([users], model):
            yield _beside(scores, users, _SCORED)


def feature_groups(catalogue: Relation, model: ScoringModel) -> FeatureGroups:
    """Gives the groups of the champion's features."""
    rows = catalogue.project("feature_set, position, feature_group").to_arrow_reader(_ROWS_PER_BATCH)
    return FeatureGroups.from_catalogue(rows.read_all().to_pylist(), model)


def compared_with(inputs: Relation, model: ScoringModel) -> Population | None:
    """Gives the users whom everybody is compared with, or None where there are none."""
    rows = _batches(inputs.filter("is_reference").order("user_id")).read_all().combine_chunks()
    if not rows.num_rows:
        return None
    (references,) = rows.to_batches()
    average = float(references.column("average_expected_spend")[0].as_py())
    return Population(Users.from_batch(references, model), average, model)


def champion(models: Relation) -> ScoringModel:
    """Opens the registry's champion, after checking its bytes against the registered sha256."""
    return ScoringModel.from_bytes(*champion_bytes(models))


def champion_bytes(models: Relation) -> tuple[bytes, bytes, str]:
    """Gives the champion's encoder and head as they are registered, and the sha256 of both.

    Read to its end before anything else is streamed: DuckDB 2 allows one open result a connection.
    """
    rows = models.filter("status = 'champion'").project("encoder_onnx, head_onnx, sha256").to_arrow_reader(1)
    (row,) = rows.read_all().to_pylist()
    return row["encoder_onnx"], row["head_onnx"], row["sha256"]


def input_model(models: Relation, kind: str) -> dict[str, Any] | None:
    """Gives the newest input model of a kind, which is the one in use, or None."""
    newest = models.filter(f"kind = '{kind}'").order("fitted_at desc, model_version desc").limit(1)
    rows: list[dict[str, Any]] = newest.project("onnx, sha256").to_arrow_reader(1).read_all().to_pylist()
    return rows[0] if rows else None


def _beside(result: pa.RecordBatch, inputs: pa.RecordBatch, columns: pa.Schema) -> pa.RecordBatch:
    """Puts columns of what was read beside what came of it, row by row."""
    for field in columns:
        result = result.append_column(field, column(inputs, field.name).cast(field.type))
    return result


def _parts(users: Relation, most: int) -> list[str]:
    """Gives SQL conditions that part users, neighbours by id, so that each part's `size` is about `most`."""
    bounds: list[str] = []
    taken = 0
    for batch in _batches(users.order("user_id")):
        part_of = (taken + np.cumsum(batch.column("size").to_numpy())) // most
        begins = np.flatnonzero(np.diff(part_of, prepend=taken // most))
        bounds += batch.column("user_id").take(pa.array(begins)).to_pylist()
        taken += int(batch.column("size").to_numpy().sum())
    quoted = ["'" + bound.replace("'", "''") + "'" for bound in bounds]
    if not quoted:
        return [_EVERYBODY]
    between = [f"user_id >= {low} and user_id < {high}" for low, high in pairwise(quoted)]
    return [f"user_id < {quoted[0]}", *between, f"user_id >= {quoted[-1]}"]


def _read_ahead(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Fetches the next batch while the last one is worked on: the engine would stand still meanwhile."""
    source = iter(batches)
    with ThreadPoolExecutor(max_workers=1) as reader:
        coming = reader.submit(next, source, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, source, None)
            yield batch


def _batches(relation: Relation, rows: int = _ROWS_PER_BATCH) -> pa.RecordBatchReader:
    return relation.to_arrow_reader(rows)


def _stream(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(schema, batches)
