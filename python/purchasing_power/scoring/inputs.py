"""Runs the input models over Arrow batches: review texts to sentiment, product embeddings to factors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from purchasing_power.scoring.columns import list_column, string_column
from purchasing_power.scoring.input_models import ProjectionModel, SentimentModel

SENTIMENT_OUTPUT_SCHEMA = pa.schema(
    [("text_md5", pa.string()), ("sentiment", pa.float64()), ("model_version", pa.string())]
)
FACTORS_OUTPUT_SCHEMA = pa.schema(
    [("product_id", pa.string()), ("factors", pa.list_(pa.float32())), ("model_version", pa.string())]
)


def read_sentiment(batches: Iterable[pa.RecordBatch], model: SentimentModel) -> Iterator[pa.RecordBatch]:
    """Reads the sentiment of texts.

    Args:
        batches: `text_md5` and `review_text`, without NULL.
        model: The classifier.

    Yields:
        Batches of `SENTIMENT_OUTPUT_SCHEMA`, a row a text, in order.

    Raises:
        PurchasingPowerError: A column is missing.
    """
    for batch in batches:
        texts = string_column(batch, "review_text").to_pylist()
        yield pa.record_batch(
            [
                string_column(batch, "text_md5"),
                pa.array(model.sentiment(texts), pa.float64()),
                pa.repeat(pa.scalar(model.metadata.model_version), len(texts)),
            ],
            schema=SENTIMENT_OUTPUT_SCHEMA,
        )


def project_embeddings(batches: Iterable[pa.RecordBatch], model: ProjectionModel) -> Iterator[pa.RecordBatch]:
    """Projects product embeddings; those of another length than the model was fitted on are left out.

    Args:
        batches: `product_id` and `embedding` (a list of float), which may be NULL.
        model: The projection.

    Yields:
        Batches of `FACTORS_OUTPUT_SCHEMA`, a row a product that has factors, in order.

    Raises:
        PurchasingPowerError: A column is missing, or a number is not finite.
    """
    width, count = model.metadata.width, model.metadata.factors
    for batch in batches:
        embeddings = list_column(batch, "embedding", nullable=True)
        fitting = np.flatnonzero(~embeddings.is_null & (embeddings.lengths == width))
        values = embeddings.values[embeddings.starts[fitting, None] + np.arange(width)]
        factors = model.factors(values.astype(np.float32))
        ends = np.arange(0, (len(fitting) + 1) * count, count, dtype=np.int32)
        yield pa.record_batch(
            [
                string_column(batch, "product_id").take(pa.array(fitting)),
                pa.ListArray.from_arrays(pa.array(ends), pa.array(factors.ravel(), pa.float32())),
                pa.repeat(pa.scalar(model.metadata.model_version), len(fitting)),
            ],
            schema=FACTORS_OUTPUT_SCHEMA,
        )
