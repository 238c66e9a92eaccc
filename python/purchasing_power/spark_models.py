"""What the package's dbt Python models run on Spark: the scoring core in `mapInArrow`, where the rows are.

The models' bytes travel to the executors in the function, so these need the package installed, and no file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

import pyarrow as pa

from purchasing_power.dbt_models import (
    RAW_SCORES_SCHEMA,
    STATE_UPDATES_SCHEMA,
    champion_bytes,
    compared_with,
    encoded,
    feature_groups,
    input_model,
    scored,
)
from purchasing_power.scoring import (
    CONTRIBUTIONS_SCHEMA,
    FACTORS_OUTPUT_SCHEMA,
    SENTIMENT_OUTPUT_SCHEMA,
    ProjectionModel,
    ScoringModel,
    SentimentModel,
    explain,
    project_embeddings,
    read_sentiment,
)
from purchasing_power.warehouse.spark_frames import FrameRelation, spark_schema

Batches = Iterable[pa.RecordBatch]


def state_updates(models: Any, users: Any, steps: Any) -> Any:
    """Runs the champion's encoder; see `dbt_models.state_updates`."""
    graphs = _checked(champion_bytes(FrameRelation(models)))
    # A user's steps in one partition and in order; of the partition one batch is held at a time.
    ordered = steps.repartition("user_id").sortWithinPartitions("user_id", "step_index")
    return _mapped(ordered, STATE_UPDATES_SCHEMA, lambda batches: encoded(batches, _scoring_model(*graphs)))


def raw_scores(models: Any, users: Any, inputs: Any) -> Any:
    """Runs the champion's head; see `dbt_models.raw_scores`."""
    graphs = _checked(champion_bytes(FrameRelation(models)))
    return _mapped(inputs, RAW_SCORES_SCHEMA, lambda batches: scored(batches, _scoring_model(*graphs)))


def raw_explanations(models: Any, catalogue: Any, users: Any, inputs: Any) -> Any:
    """Says what each group of features contributes; see `dbt_models.raw_explanations`."""
    graphs = champion_bytes(FrameRelation(models))
    model = ScoringModel.from_bytes(*graphs)
    population = compared_with(FrameRelation(inputs), model)
    # Few rows that take long each: by itself Spark would give all of them to one task.
    tasks = int(inputs.sparkSession.conf.get("spark.sql.shuffle.partitions"))
    explained = inputs.filter("is_explained").repartition(tasks, "user_id")
    if population is None:
        return _mapped(explained, CONTRIBUTIONS_SCHEMA, _nothing)
    groups = feature_groups(FrameRelation(catalogue), model)
    return _mapped(
        explained,
        CONTRIBUTIONS_SCHEMA,
        lambda batches: explain(batches, _scoring_model(*graphs), groups, population),
    )


def text_sentiment(models: Any, texts: Any) -> Any:
    """Runs the sentiment model in use over texts; see `dbt_models.text_sentiment`."""
    row = input_model(FrameRelation(models), "sentiment")
    if row is None:
        return _mapped(texts, SENTIMENT_OUTPUT_SCHEMA, _nothing)
    onnx, sha256 = row["onnx"], row["sha256"]
    return _mapped(
        texts,
        SENTIMENT_OUTPUT_SCHEMA,
        lambda batches: read_sentiment(batches, _sentiment_model(onnx, sha256)),
    )


def product_factors(models: Any, products: Any) -> Any:
    """Projects the embeddings of all products; see `dbt_models.product_factors`."""
    columns = products.filter("embedding is not null").select("product_id", "embedding")
    row = input_model(FrameRelation(models), "embedding")
    if row is None:
        return _mapped(columns, FACTORS_OUTPUT_SCHEMA, _nothing)
    onnx, sha256 = row["onnx"], row["sha256"]
    return _mapped(
        columns,
        FACTORS_OUTPUT_SCHEMA,
        lambda batches: project_embeddings(batches, _projection_model(onnx, sha256)),
    )


def _checked(graphs: tuple[bytes, bytes, str]) -> tuple[bytes, bytes, str]:
    """Opens a model once, here: a broken one is refused before a task starts, and again in each."""
    ScoringModel.from_bytes(*graphs)
    return graphs


def _mapped(frame: Any, schema: pa.Schema, function: Callable[[Batches], Iterator[pa.RecordBatch]]) -> Any:
    return frame.mapInArrow(function, spark_schema(schema))


def _nothing(batches: Batches) -> Iterator[pa.RecordBatch]:
    for _ in batches:
        pass
    yield from ()


# On an executor a task has one core, and a Python process serves many tasks, all of one model.
@lru_cache(maxsize=1)
def _scoring_model(encoder: bytes, head: bytes, sha256: str) -> ScoringModel:
    return ScoringModel.from_bytes(encoder, head, sha256, threads=1)


@lru_cache(maxsize=1)
def _sentiment_model(onnx: bytes, sha256: str) -> SentimentModel:
    return SentimentModel(onnx, sha256, threads=1)


@lru_cache(maxsize=1)
def _projection_model(onnx: bytes, sha256: str) -> ProjectionModel:
    return ProjectionModel(onnx, sha256, threads=1)
