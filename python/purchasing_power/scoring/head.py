"""Turns states and context into probabilities, money and tiers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from purchasing_power.scoring.columns import list_column, require_width, string_column
from purchasing_power.scoring.model import ScoringModel

HEAD_OUTPUT_SCHEMA = pa.schema(
    [
        pa.field("user_id", pa.string()),
        pa.field("purchase_probability", pa.float64()),
        pa.field("expected_spend", pa.float64()),
        pa.field("spend_p10", pa.float64()),
        pa.field("spend_p50", pa.float64()),
        pa.field("spend_p90", pa.float64()),
        pa.field("purchasing_power_tier", pa.string()),
        pa.field("anomaly_score", pa.float64()),
        pa.field("is_outlier", pa.bool_()),
        pa.field("model_version", pa.string()),
    ]
)


def score(batches: Iterable[pa.RecordBatch], model: ScoringModel) -> Iterator[pa.RecordBatch]:
    """Scores users at an anchor.

    Args:
        batches: Columns user_id (string), state (list of S; NULL means a user without any step) and context
            (list of K). Any order of columns and rows.
        model: The model whose head runs.

    Yields:
        For each batch one batch of `HEAD_OUTPUT_SCHEMA`, rows in the order they came; money in the model's
        currency over its horizon.

    Raises:
        PurchasingPowerError: A column is missing, a width is wrong, or a number is not finite.
    """
    for batch in batches:
        yield _score_batch(batch, model)


def _score_batch(batch: pa.RecordBatch, model: ScoringModel) -> pa.RecordBatch:
    users = string_column(batch, "user_id")
    state = list_column(batch, "state", nullable=True)
    context = list_column(batch, "context", nullable=False)
    require_width(state, "state", model.metadata.state_size, "state")
    require_width(context, "context", len(model.metadata.context), "context")
    output = model.predict(
        state.matrix(model.metadata.state_size), context.matrix(len(model.metadata.context))
    )
    names = pa.DictionaryArray.from_arrays(
        pa.array(output.tier.astype(np.int32)), pa.array(model.metadata.tier_names, pa.string())
    )
    money = (
        output.purchase_probability,
        output.expected_spend,
        output.spend_p10,
        output.spend_p50,
        output.spend_p90,
    )
    return pa.record_batch(
        [
            users,
            *(pa.array(values.astype(np.float64)) for values in money),
            names.cast(pa.string()),
            pa.array(output.anomaly_score.astype(np.float64)),
            pa.array(output.is_outlier),
            pa.repeat(pa.scalar(model.metadata.model_version), len(users)),
        ],
        schema=HEAD_OUTPUT_SCHEMA,
    )
