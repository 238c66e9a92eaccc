"""Lays step rows together, a row a user, as the encoder reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring.columns import column, string_column

# Read from each user's first row; every other column is read from the last one.
_FIRST = "previous_state"
_MADE_HERE = ("user_id", "n_steps", "steps", _FIRST)
_READ = frozenset({"user_id", "step", _FIRST})


def histories_schema(source: pa.Schema) -> pa.Schema:
    """Gives the columns that `gather_histories` makes of step rows of a schema."""
    fields = {
        "user_id": pa.field("user_id", pa.string()),
        "n_steps": pa.field("n_steps", pa.int32()),
        "steps": source.field("step").with_name("steps"),
        _FIRST: source.field(_FIRST),
    }
    carried = [field for field in source if field.name not in _READ]
    return pa.schema([*(fields[name] for name in _MADE_HERE), *carried])


def gather_histories(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Lays each user's steps end to end.

    The numbers stay where they are: a user's list spans those of its rows. Memory holds one batch, and one
    user whose steps fill more than one.

    Args:
        batches: Columns user_id (string), step (list of C), previous_state (list of S, read from a user's
            first row) and any others. A user's rows are neighbours, in the order of their steps.

    Yields:
        A row a user: user_id, n_steps (int32), steps (list of n_steps * C), previous_state, and the other
        columns as the user's last row has them; users in the order they came.

    Raises:
        PurchasingPowerError: A column is missing, or `step` is no list or NULL.
    """
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        if not batch.num_rows:
            continue
        # The last user may go on in the next batch.
        last = _first_rows(string_column(batch, "user_id"))[-1]
        if last or (waiting and _differ(waiting[-1], batch)):
            yield _gather(pa.concat_batches([*waiting, batch.slice(0, last)]))
            waiting = [batch.slice(last)]
        else:
            waiting.append(batch)
    if waiting:
        yield _gather(pa.concat_batches(waiting))


def _first_rows(users: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Gives the row at which each user begins; the first is 0."""
    changes = pc.not_equal(users.slice(1), users.slice(0, len(users) - 1)).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.flatnonzero(changes) + 1])


def _differ(before: pa.RecordBatch, after: pa.RecordBatch) -> bool:
    users = (string_column(before, "user_id")[-1], string_column(after, "user_id")[0])
    return bool(users[0].as_py() != users[1].as_py())


def _gather(rows: pa.RecordBatch) -> pa.RecordBatch:
    steps = column(rows, "step")
    if not pa.types.is_list(steps.type) or steps.null_count:
        raise PurchasingPowerError(
            f"The column 'step' must be a list of float without NULL but is {steps.type} with "
            f"{steps.null_count} NULL; build the features the model was trained on, or train again."
        )
    users = string_column(rows, "user_id")
    first = _first_rows(users)
    ends = np.append(first[1:], len(rows))
    offsets = steps.offsets.to_numpy()[np.append(first, len(rows))]
    schema = histories_schema(rows.schema)
    made = {
        "user_id": users.take(pa.array(first)),
        "n_steps": pa.array((ends - first).astype(np.int32)),
        "steps": pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), steps.values),
        _FIRST: column(rows, _FIRST).take(pa.array(first)),
    }
    last_rows = pa.array(ends - 1)
    return pa.record_batch(
        [made[name] if name in made else rows.column(name).take(last_rows) for name in schema.names],
        schema=schema,
    )
