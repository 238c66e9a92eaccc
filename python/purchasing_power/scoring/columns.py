"""Arrow columns as NumPy arrays, with messages a user can act on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from purchasing_power.errors import PurchasingPowerError

IndexArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ListColumn:
    """A list column of n rows without a copy of its values.

    Attributes:
        values: [m] all numbers, one row after the other (rows need not touch).
        starts: [n] index of each row's first number.
        lengths: [n] how many numbers each row has; 0 where the row is null.
        is_null: [n] which rows are null.
    """

    values: npt.NDArray[np.floating]
    starts: IndexArray
    lengths: IndexArray
    is_null: npt.NDArray[np.bool_]

    def matrix(self, width: int) -> FloatArray:
        """Gives the rows as [n, width]; null rows become zeros, all other rows must have that width."""
        if not self.is_null.any():
            return self.part(np.arange(len(self.starts)), 0, width)
        rows = np.zeros((len(self.starts), width), np.float32)
        filled = np.flatnonzero(~self.is_null)
        if len(filled):
            rows[filled] = self.part(filled, 0, width)
        return rows

    def part(self, rows: IndexArray, first: int, last: int) -> FloatArray:
        """Gives the numbers first to last - 1 of rows that all have them, as [len(rows), last - first].

        It may be a view of the column, which nobody may write to.
        """
        starts = self.starts[rows] + first
        if len(rows) and (np.diff(starts) == last - first).all():
            # Rows that touch, as most do, are one block of memory.
            block = self.values[int(starts[0]) : int(starts[0]) + len(rows) * (last - first)]
        else:
            block = self.values[starts[:, None] + np.arange(last - first)]
        part: FloatArray = block.reshape(len(rows), last - first).astype(np.float32, copy=False)
        return part


def column(batch: pa.RecordBatch, name: str) -> pa.Array:
    """Finds a column by name.

    Raises:
        PurchasingPowerError: The batch has none of that name.
    """
    position = batch.schema.get_field_index(name)
    if position < 0:
        raise PurchasingPowerError(
            f"The input lacks the column '{name}' (it has {', '.join(batch.schema.names) or 'none'}); "
            "select it in the query that feeds the model."
        )
    return batch.column(position)


def string_column(batch: pa.RecordBatch, name: str) -> pa.Array:
    """Finds a column and casts it to string."""
    found = column(batch, name)
    return found if found.type == pa.string() else found.cast(pa.string())


def integer_column(batch: pa.RecordBatch, name: str) -> IndexArray:
    """Finds a column of whole numbers without nulls.

    Raises:
        PurchasingPowerError: It is missing, holds nulls, or is not numeric.
    """
    found = column(batch, name)
    if found.null_count or not pa.types.is_integer(found.type):
        raise PurchasingPowerError(
            f"The column '{name}' must hold whole numbers without NULL but is {found.type} with "
            f"{found.null_count} NULL; cast it in the query that feeds the model."
        )
    numbers: IndexArray = found.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return numbers


def list_column(batch: pa.RecordBatch, name: str, *, nullable: bool) -> ListColumn:
    """Finds a list column (list, large list or fixed-size list of any numeric type).

    Raises:
        PurchasingPowerError: It is missing, no list, holds NULL where none may be, or a number is not finite.
    """
    found = column(batch, name)
    kind = found.type
    if pa.types.is_null(kind) and nullable:
        rows = len(found)
        nothing = np.zeros(rows, np.int64)
        return ListColumn(np.zeros(0, np.float32), nothing, nothing, np.ones(rows, np.bool_))
    if not _is_list(kind) or not _is_number(kind.value_type):
        raise PurchasingPowerError(
            f"The column '{name}' must be a list of float but is {kind}; cast it in the query that feeds "
            "the model."
        )
    is_null = found.is_null().to_numpy(zero_copy_only=False)
    if is_null.any() and not nullable:
        raise PurchasingPowerError(
            f"The column '{name}' is NULL in {int(is_null.sum())} rows; only a state may be NULL, "
            "so write an empty list where a user has nothing."
        )
    if pa.types.is_fixed_size_list(kind):
        starts = (found.offset + np.arange(len(found), dtype=np.int64)) * kind.list_size
        lengths = np.where(is_null, 0, kind.list_size).astype(np.int64)
    else:
        offsets = found.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
        starts, lengths = offsets[:-1], np.where(is_null, 0, np.diff(offsets))
    values = _numbers(found.values, starts, lengths)
    result = ListColumn(values, starts - _first(starts), lengths, is_null)
    _refuse_non_finite(result, name)
    return result


def _numbers(child: pa.Array, starts: IndexArray, lengths: IndexArray) -> npt.NDArray[np.floating]:
    # Only this slice's numbers are converted: a slice of a large table shares the whole table's child array.
    first = _first(starts)
    used = child.slice(first, int((starts + lengths).max()) - first if len(starts) else 0)
    if used.null_count:
        used = pc.fill_null(used.cast(pa.float32()), float("nan"))
    if not pa.types.is_floating(used.type) or pa.types.is_float16(used.type):
        used = used.cast(pa.float32())
    numbers: npt.NDArray[np.floating] = used.to_numpy(zero_copy_only=False)
    return numbers


def _first(starts: IndexArray) -> int:
    return int(starts.min()) if len(starts) else 0


def _refuse_non_finite(rows: ListColumn, name: str) -> None:
    finite = np.isfinite(rows.values)
    if finite.all():
        return
    # Rows may skip numbers (null rows of a fixed-size list), so only those inside a row count.
    bad = np.flatnonzero(~finite)
    filled = np.flatnonzero(rows.lengths > 0)
    order = filled[np.argsort(rows.starts[filled], kind="stable")]
    holder = np.searchsorted(rows.starts[order], bad, side="right") - 1
    inside = (holder >= 0) & (bad < (rows.starts + rows.lengths)[order][np.maximum(holder, 0)])
    if inside.any():
        raise PurchasingPowerError(
            f"The column '{name}' holds NULL, NaN or infinity in {len(np.unique(holder[inside]))} rows; "
            "give the feature a fill value in the catalogue."
        )


def require_width(rows: ListColumn, name: str, width: int, meaning: str) -> None:
    """Refuses a list column whose non-null rows are not all `width` long.

    Raises:
        PurchasingPowerError: A row has another length.
    """
    wrong = (rows.lengths != width) & ~rows.is_null
    if wrong.any():
        raise PurchasingPowerError(
            f"The column '{name}' has {int(rows.lengths[wrong][0])} numbers a row but the model's {meaning} "
            "has "
            f"{width}; build the features the model was trained on, or train again."
        )


def ranges(starts: IndexArray, counts: IndexArray) -> IndexArray:
    """Gives start, start + 1, …, start + count - 1 of every row, one after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - counts), counts) + np.arange(total)


def lists(values: npt.NDArray[Any], counts: IndexArray) -> pa.ListArray:
    """Gives a list column of values that stand one row after the other, `counts` in each row."""
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(values).reshape(-1)))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind))
