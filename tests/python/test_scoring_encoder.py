"""The encoder: any length, any order, any list type, and states that carry."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import small_model

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring import ENCODER_OUTPUT_SCHEMA, encode

CHANNELS = 3
STATE = 64


def history(length: int, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng([length, seed]).normal(size=(length, CHANNELS)).astype(np.float32)


def batch(
    histories: list[npt.NDArray[np.float32]],
    previous: list[npt.NDArray[np.float32] | None] | None = None,
    kind: pa.DataType | None = None,
) -> pa.RecordBatch:
    kind = kind or pa.list_(pa.float32())
    return pa.record_batch(
        {
            "user_id": pa.array([f"u{index}" for index in range(len(histories))], pa.string()),
            "n_steps": pa.array([len(steps) for steps in histories], pa.int32()),
            "steps": pa.array([steps.ravel() for steps in histories], kind),
            "previous_state": pa.array(previous or [None] * len(histories), kind),
        }
    )


def states(*inputs: pa.RecordBatch) -> npt.NDArray[np.float32]:
    results = list(encode(inputs, small_model.scoring_model()))
    return np.concatenate([np.stack(result["state"].to_pylist()) for result in results]).astype(np.float32)


def reference(steps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The textbook LSTM, one user and one step at a time, in double precision."""

    def sigmoid(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(1 / (1 + np.exp(-values)))

    result = []
    for (layer,) in small_model.network().encoders:
        kernel, recurrent, bias = (np.asarray(weight, np.float64) for weight in layer.get_weights())
        size = len(recurrent)
        hidden, cell = np.zeros(size), np.zeros(size)
        for step in steps.astype(np.float64):
            gates = np.split(step @ kernel + hidden @ recurrent + bias, 4)
            cell = sigmoid(gates[1]) * cell + sigmoid(gates[0]) * np.tanh(gates[2])
            hidden = sigmoid(gates[3]) * np.tanh(cell)
        result += [hidden, cell]
    return np.concatenate(result).astype(np.float32)


@pytest.mark.parametrize("length", [0, 1, 511, 512, 513, 5000])
def test_any_length_equals_the_textbook(length: int) -> None:
    steps = history(length)
    np.testing.assert_allclose(states(batch([steps]))[0], reference(steps), atol=2e-5)


def test_unsorted_rows_keep_their_order_and_ignore_their_neighbours() -> None:
    histories = [history(length, seed) for seed, length in enumerate((20, 0, 513, 7, 7, 1, 20))]
    together = states(batch(histories))
    alone = np.concatenate([states(batch([steps])) for steps in histories])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_more_rows_than_one_call_takes() -> None:
    histories = [history(1 + index % 3, index) for index in range(2500)]
    together = states(batch(histories))
    for index in (0, 1023, 1024, 2499):
        np.testing.assert_allclose(together[index], reference(histories[index]), atol=1e-6)


def test_thirteen_and_seven_steps_are_twenty() -> None:
    steps = history(20)
    first = states(batch([steps[:13], steps[:0]]))
    then = states(batch([steps[13:], steps], [first[0], None]))
    np.testing.assert_allclose(then[0], then[1], atol=1e-6)


def test_all_going_on_from_a_state_leave_the_given_ones_as_they_are() -> None:
    steps = [history(8, 1), history(9, 2)]
    before = states(batch([history(5, 3), history(6, 4)]))
    given = batch(steps, list(before))
    kept = given.set_column(
        given.schema.get_field_index("previous_state"),
        "previous_state",
        given["previous_state"].cast(pa.list_(pa.float32())),
    )
    alone = np.concatenate([states(batch([steps[row]], [before[row]])) for row in range(2)])
    np.testing.assert_allclose(states(kept), alone, atol=1e-6)
    np.testing.assert_array_equal(np.stack(kept["previous_state"].to_numpy(zero_copy_only=False)), before)


def test_no_step_keeps_the_previous_state() -> None:
    before = states(batch([history(9)]))
    np.testing.assert_array_equal(states(batch([history(0)], [before[0]])), before)


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float64()),
        pa.large_list(pa.float32()),
        pa.large_list(pa.float64()),
        pa.list_(pa.float32(), 4 * CHANNELS),
    ],
    ids=str,
)
def test_any_list_type(kind: pa.DataType) -> None:
    histories = [history(4, seed) for seed in range(5)]
    given = batch(histories)
    steps = pa.array([values.ravel() for values in histories], kind)
    other = given.set_column(given.schema.get_field_index("steps"), "steps", steps)
    # A slice, because offsets and fixed sizes then no longer start at 0.
    np.testing.assert_array_equal(states(other.slice(2, 3)), states(given)[2:])


def test_column_order_extra_columns_and_a_null_typed_state_do_not_matter() -> None:
    given = batch([history(3)])
    shuffled = given.append_column("more", pa.array(["x"])).select(
        ["more", "previous_state", "steps", "n_steps", "user_id"]
    )
    untyped = given.set_column(3, "previous_state", pa.nulls(1))
    np.testing.assert_array_equal(states(shuffled), states(given))
    np.testing.assert_array_equal(states(untyped), states(given))


def test_output_follows_the_schema_also_without_rows() -> None:
    (empty,) = encode([batch([history(2)]).slice(0, 0)], small_model.scoring_model())
    (one,) = encode([batch([history(2)])], small_model.scoring_model())
    assert empty.schema.equals(ENCODER_OUTPUT_SCHEMA)
    assert empty.num_rows == 0
    assert one["model_version"].to_pylist() == ["m1"]
    assert len(one["state"][0]) == STATE


def test_batches_are_read_one_at_a_time() -> None:
    read = []

    def source() -> object:
        for index in range(3):
            read.append(index)
            yield batch([history(2)])

    results = encode(source(), small_model.scoring_model())  # type: ignore[arg-type]
    next(results)
    assert read == [0]


def broken(name: str, values: pa.Array) -> pa.RecordBatch:
    given = batch([history(2), history(3)])
    return given.set_column(given.schema.get_field_index(name), name, values)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (batch([history(2)]).drop_columns(["steps"]), "lacks the column 'steps'"),
        (broken("n_steps", pa.array([2, 4])), "'steps' of user 'u1' has 9 numbers but n_steps 4"),
        (broken("n_steps", pa.array([2, None])), "'n_steps' must hold whole numbers"),
        (broken("n_steps", pa.array([2.0, 3.0])), "'n_steps' must hold whole numbers"),
        (broken("steps", pa.array([[0.0] * 6, None])), "'steps' is NULL in 1 rows"),
        (broken("steps", pa.array([[0.0] * 6, [float("nan")] * 9])), "NaN or infinity in 1 rows"),
        (broken("steps", pa.array([[0.0] * 6, [None] * 9], pa.list_(pa.float32()))), "NULL, NaN"),
        (broken("steps", pa.array(["a", "b"])), "must be a list of float but is string"),
        (broken("previous_state", pa.array([None, [0.0] * 5])), "has 5 numbers a row but the model's state"),
    ],
)
def test_bad_input_is_one_sentence(given: pa.RecordBatch, message: str) -> None:
    with pytest.raises(PurchasingPowerError, match=message):
        list(encode([given], small_model.scoring_model()))


def test_junk_below_a_null_row_is_not_read() -> None:
    junk = pa.FixedSizeListArray.from_arrays(
        pa.array([float("nan")] * STATE + [0.5] * STATE, pa.float32()), STATE, mask=pa.array([True, False])
    )
    given = broken("previous_state", junk)
    assert np.isfinite(states(given)).all()
