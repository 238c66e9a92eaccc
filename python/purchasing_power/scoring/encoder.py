"""Feeds users' steps onto their states, batch by batch, without a padded step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring.columns import (
    FloatArray,
    IndexArray,
    ListColumn,
    integer_column,
    list_column,
    require_width,
    string_column,
)
from purchasing_power.scoring.model import ScoringModel

ENCODER_OUTPUT_SCHEMA = pa.schema(
    [
        pa.field("user_id", pa.string()),
        pa.field("state", pa.list_(pa.float32())),
        pa.field("model_version", pa.string()),
    ]
)

# onnxruntime's LSTM takes the least time a step from about 16 rows on; the upper bounds cap a call's memory.
_FEWEST_ROWS_PER_CALL = 16
_ROWS_PER_CALL = 1024
_STEPS_PER_CALL = 512


def encode(batches: Iterable[pa.RecordBatch], model: ScoringModel) -> Iterator[pa.RecordBatch]:
    """Brings every user's state up to their last step.

    Args:
        batches: A row a user (`gather_histories` makes such of step rows): user_id (string), n_steps (int),
            steps (list of n_steps * C, time-major), previous_state (list of S; NULL starts from zeros). Any
            order of columns and rows; thousands of rows a batch are fastest, because equally long ones then
            share calls.
        model: The model whose encoder runs.

    Yields:
        For each batch one batch of `ENCODER_OUTPUT_SCHEMA`, rows in the order they came.

    Raises:
        PurchasingPowerError: A column is missing, a width is wrong, or a number is not finite.
    """
    for batch in batches:
        yield _encode_batch(batch, model)


def _encode_batch(batch: pa.RecordBatch, model: ScoringModel) -> pa.RecordBatch:
    width, state_size = len(model.metadata.channels), model.metadata.state_size
    users = string_column(batch, "user_id")
    n_steps = integer_column(batch, "n_steps")
    steps = list_column(batch, "steps", nullable=False)
    previous = list_column(batch, "previous_state", nullable=True)
    require_width(previous, "previous_state", state_size, "state")
    wrong = steps.lengths != n_steps * width
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise PurchasingPowerError(
            f"The column 'steps' of user '{users[row].as_py()}' has {int(steps.lengths[row])} numbers but "
            "n_steps "
            f"{int(n_steps[row])} times the model's {width} channels is {int(n_steps[row]) * width}; "
            "build the features the model was trained on, or train again."
        )
    # A copy: it is overwritten, and the column may be anybody's memory.
    state = previous.matrix(state_size).copy()
    by_length = np.argsort(n_steps, kind="stable")
    for rows in _runs(by_length, n_steps[by_length]):
        _advance(rows, n_steps, steps, state, model)
    offsets = np.arange(len(users) + 1, dtype=np.int32) * state_size
    return pa.record_batch(
        [
            users,
            pa.ListArray.from_arrays(pa.array(offsets), pa.array(state.reshape(-1))),
            pa.repeat(pa.scalar(model.metadata.model_version), len(users)),
        ],
        schema=ENCODER_OUTPUT_SCHEMA,
    )


def _runs(rows: IndexArray, lengths: IndexArray) -> Iterator[IndexArray]:
    """Cuts rows, sorted by length, where the length changes: equally long rows need one long call.

    A few rows of a length join the next longer ones, because a call for each of them would cost more.
    """
    ends = np.append(np.flatnonzero(np.diff(lengths)) + 1, len(rows)) if len(rows) else rows
    first = 0
    for end in ends.tolist():
        if end - first < _FEWEST_ROWS_PER_CALL and end < len(rows):
            continue
        for start in range(first, end, _ROWS_PER_CALL):
            yield rows[start : min(start + _ROWS_PER_CALL, end)]
        first = end


def _advance(
    rows: IndexArray, n_steps: IndexArray, steps: ListColumn, state: FloatArray, model: ScoringModel
) -> None:
    """Overwrites the states of `rows` (sorted by length) with those after their last step.

    All rows run together up to the shortest one's end; the longer ones go on from their carried state. So no
    padding is ever computed, and the result does not depend on which users share a batch.
    """
    width = len(model.metadata.channels)
    lengths = n_steps[rows]
    done = 0
    while len(rows) and done < lengths[-1]:
        still_running = np.searchsorted(lengths, done, side="right")
        rows, lengths = rows[still_running:], lengths[still_running:]
        until = min(int(lengths[0]), done + _STEPS_PER_CALL)
        chunk = steps.part(rows, done * width, until * width).reshape(len(rows), until - done, width)
        state[rows] = model.next_state(chunk, state[rows])
        done = until
