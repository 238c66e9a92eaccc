"""The shop's tables: their columns, and rows on the way to Parquet.

Names are a shop's own, not those of the package's input contract; `shop_vars` maps one to the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from purchasing_power.simulator.config import LOG_START
from purchasing_power.simulator.products import EMBEDDING_SIZE

Column = npt.NDArray[Any]
Words = Mapping[str, npt.NDArray[Any]]

# Times are text, because that is how a log that mixes UTC offsets comes; clean ones are plain UTC.
TIME = "time"
# Text whose values repeat: rows hold positions in a list of words.
WORD = "word"

TABLES: dict[str, dict[str, Any]] = {
    "customers": {"customer_id": WORD, "signed_up_at": TIME, "country": WORD, "login": pa.string()},
    "products": {
        "product_id": WORD,
        "category": WORD,
        "brand": WORD,
        "price": pa.float64(),
        "embedding": pa.list_(pa.float32(), EMBEDDING_SIZE),
    },
    "events": {
        "event_id": pa.int64(),
        "session_id": pa.int64(),
        "customer_id": WORD,
        "at": TIME,
        "kind": WORD,
        "product_id": WORD,
        "seconds": pa.float64(),
    },
    "orders": {
        "line_id": pa.int64(),
        "order_id": pa.int64(),
        "customer_id": WORD,
        "ordered_at": TIME,
        "product_id": WORD,
        "quantity": pa.float64(),
        "paid": pa.float64(),
        "discount": pa.float64(),
        "currency": WORD,
        "cancelled_at": TIME,
    },
    "refunds": {
        "refund_id": pa.int64(),
        "order_id": pa.int64(),
        "line_id": pa.int64(),
        "customer_id": WORD,
        "refunded_at": TIME,
        "product_id": WORD,
        "quantity": pa.float64(),
        "amount": pa.float64(),
        "currency": WORD,
    },
    "reviews": {
        "review_id": pa.int64(),
        "customer_id": WORD,
        "reviewed_at": TIME,
        "product_id": WORD,
        "stars": pa.float64(),
        "text": pa.string(),
    },
    "exchange_rates": {"currency": WORD, "rate": pa.float64(), "valid_from": TIME},
    "truth": {
        "customer_id": WORD,
        "as_of_date": pa.date32(),
        "horizon_days": pa.int32(),
        "hidden_power": pa.float64(),
        "is_alive": pa.bool_(),
        "expected_spend": pa.float64(),
        "purchase_probability": pa.float64(),
    },
    "planted": {"customer_id": WORD, "kind": pa.string()},
}

# Where a time is missing.
NO_TIME = np.iinfo(np.int64).min


@dataclass
class Rows:
    """Rows of one table, a NumPy array a column.

    Missing is a negative whole number, NaN or None; in a time, NO_TIME.

    Attributes:
        table: name of the table.
        columns: [n] each; times are seconds since the log's beginning, words are positions in a list.
        offsets: time column -> [n] UTC offset in minutes with which it is written; NaN is plain, without one.
    """

    table: str
    columns: dict[str, Column]
    offsets: dict[str, Column] = field(default_factory=dict)

    def __len__(self) -> int:
        """Counts the rows."""
        return len(next(iter(self.columns.values())))

    def take(self, chosen: npt.NDArray[Any]) -> Rows:
        """Gives the rows at these positions, or those flagged."""
        return Rows(
            self.table,
            {name: column[chosen] for name, column in self.columns.items()},
            {name: column[chosen] for name, column in self.offsets.items()},
        )


def stack(first: Rows, second: Rows) -> Rows:
    """Puts rows of one table below each other; neither may have UTC offsets yet."""
    return Rows(
        first.table,
        {name: np.concatenate([column, second.columns[name]]) for name, column in first.columns.items()},
    )


def schema_of(table: str) -> pa.Schema:
    """Gives a table's Arrow schema."""
    return pa.schema(
        [(name, pa.string() if kind in (TIME, WORD) else kind) for name, kind in TABLES[table].items()]
    )


def to_arrow(rows: Rows, words: Words) -> pa.Table:
    """Turns rows into an Arrow table of the table's schema.

    Args:
        rows: the rows.
        words: column -> list of words that its positions point into.
    """
    arrays = []
    for name, kind in TABLES[rows.table].items():
        column = rows.columns[name]
        if kind == TIME:
            arrays.append(_times_as_text(column, rows.offsets.get(name)))
        elif kind == WORD:
            arrays.append(pa.array(words[name], pa.string()).take(pa.array(column, mask=column < 0)))
        elif pa.types.is_fixed_size_list(kind):
            arrays.append(pa.FixedSizeListArray.from_arrays(pa.array(column.ravel()), column.shape[1]))
        elif pa.types.is_integer(kind):
            arrays.append(pa.array(column, kind, mask=column < 0))
        else:
            arrays.append(pa.array(column, kind, from_pandas=True))
    return pa.Table.from_arrays(arrays, schema=schema_of(rows.table))


def _times_as_text(seconds: Column, offset: Column | None) -> pa.Array:
    missing = seconds == NO_TIME
    moments = np.datetime64(LOG_START, "s") + np.where(missing, 0, seconds)
    plain = pa.array(moments, mask=missing).cast(pa.string())
    if offset is None or np.isnan(offset).all():
        return plain
    written = ~np.isnan(offset)
    minutes = np.where(written, offset, 0).astype(np.int64)
    local = pa.array(moments + 60 * minutes, mask=missing).cast(pa.string())
    values, position = np.unique(minutes, return_inverse=True)
    suffixes = pa.array([_offset_text(int(value)) for value in values]).take(pa.array(position))
    zoned = pc.binary_join_element_wise(pc.replace_substring(local, " ", "T"), suffixes, "")
    return pc.if_else(pa.array(written), zoned, plain)


def _offset_text(minutes: int) -> str:
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
