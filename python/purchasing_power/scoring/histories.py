"""Lays step rows together, a row a user, as the encoder reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring.columns import column, string_column


def gather_histories(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Lays each user's steps end to end.

    The numbers stay where they are: a user's list spans those of its rows. Memory holds one batch, and one
    user whose steps fill more than one.

    Args:
        batches: Columns user_id (string), step (list of C), and any that are about the user, which are read
            from their first row, previous_state (list of S) among them. A user's rows are neighbours, in the
            order of their steps.

    Yields:
        A row a user, as `encode` reads it: n_steps (int32), steps (list of n_steps * C), user_id and the
        others; users in the order they came.

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
    firsts = pa.array(first)
    about_user = rows.drop_columns(["step"]).take(firsts)
    return about_user.append_column("n_steps", pa.array((ends - first).astype(np.int32))).append_column(
        "steps", pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), steps.values)
    )
