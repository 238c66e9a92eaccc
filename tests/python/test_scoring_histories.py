"""Step rows become a row a user, wherever the stream is cut."""

from __future__ import annotations

import pyarrow as pa
import pytest

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring import gather_histories

LENGTHS = {"a": 3, "b": 1, "c": 6, "d": 2}


def step_rows() -> pa.RecordBatch:
    users = [user for user, length in LENGTHS.items() for _ in range(length)]
    numbers = [index for length in LENGTHS.values() for index in range(1, length + 1)]
    return pa.record_batch(
        {
            "user_id": pa.array(users, pa.string()),
            "step": pa.array([[row, -row] for row in range(len(users))], pa.list_(pa.float32())),
            # Only the first row's counts.
            "previous_state": pa.array(
                [
                    [7.0, 8.0] if user in "bc" and number == 1 else None
                    for user, number in zip(users, numbers, strict=True)
                ],
                pa.list_(pa.float32()),
            ),
        }
    )


EXPECTED = [
    {
        "user_id": user,
        "n_steps": length,
        "steps": [float(sign * row) for row in range(first, first + length) for sign in (1, -1)],
        "previous_state": [7.0, 8.0] if user in "bc" else None,
    }
    for (user, length), first in zip(LENGTHS.items(), (0, 3, 4, 10), strict=True)
]


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 12, 100])
def test_users_are_whole_wherever_batches_end(rows: int) -> None:
    given = step_rows()
    batches = [given.slice(first, rows) for first in range(0, len(given), rows)]
    empty = given.slice(0, 0)
    table = pa.Table.from_batches(gather_histories([empty, *batches, empty]))
    assert table.to_pylist() == EXPECTED


def test_nothing_gives_nothing() -> None:
    assert list(gather_histories([step_rows().slice(0, 0)])) == []
    assert list(gather_histories([])) == []


def test_a_user_of_many_batches_is_laid_together_once() -> None:
    given = step_rows()
    whale = given.set_column(0, "user_id", pa.array(["whale"] * len(given), pa.string()))
    (one,) = gather_histories(whale.slice(row, 1) for row in range(len(whale)))
    assert one.num_rows == 1
    assert one["n_steps"].to_pylist() == [len(given)]


def test_a_step_without_numbers_is_refused() -> None:
    given = step_rows()
    broken = given.set_column(1, "step", pa.nulls(len(given), pa.list_(pa.float32())))
    with pytest.raises(PurchasingPowerError, match="'step' must be a list"):
        list(gather_histories([broken]))
