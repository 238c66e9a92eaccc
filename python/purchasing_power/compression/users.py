"""Users at an anchor, as a stream out of `purchasing_power__training_sequences`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from purchasing_power.scoring.columns import (
    FloatArray,
    IndexArray,
    column,
    list_column,
    lists,
    ranges,
    string_column,
)
from purchasing_power.scoring.metadata import FeatureContract

# What `earlier_context` reads.
CONTEXT_COLUMNS = ("user_id", "anchor_on", "context")

_EPOCH = dt.date(1970, 1, 1)
_HELD_BACK = "validation"


@dataclass(frozen=True)
class AnchorUsers:
    """Some users at an anchor, and what they did afterwards; money over the horizon.

    Attributes:
        steps: What the encoder is fed: user_id, n_steps, steps, previous_state; steps before the anchor only.
        context: [n] lists of K numbers.
        is_held_back: [n] whether no weight was fitted to the user.
        spend: [n] money from the anchor on.
        orders: [n] orders from the anchor on.
    """

    steps: pa.RecordBatch
    context: pa.ListArray
    is_held_back: npt.NDArray[np.bool_]
    spend: npt.NDArray[np.float64]
    orders: npt.NDArray[np.int64]


def anchor_users(
    batches: Iterable[pa.RecordBatch], anchor_on: dt.date, contract: FeatureContract
) -> Iterator[AnchorUsers]:
    """Gives the users that have an anchor.

    Args:
        batches: Rows of `purchasing_power__training_sequences`.
        anchor_on: The anchor.
        contract: The feature contract; C and K are the lengths of its channels and context.

    Yields:
        The users of each batch, in order; batches without any are left out.

    Raises:
        PurchasingPowerError: A column is missing or holds what it must not.
    """
    channels, width = len(contract.channels), len(contract.context)
    for batch in batches:
        users, place = _anchors(batch, first=anchor_on, last=anchor_on)
        if not len(users):
            continue
        counts = _at_anchor(batch, "steps_before", users, place).astype(np.int64)
        steps = list_column(batch, "steps", nullable=False)
        numbers = steps.values[ranges(steps.starts[users], counts * channels)]
        chosen = pa.array(users)
        yield AnchorUsers(
            steps=pa.record_batch(
                {
                    "user_id": string_column(batch, "user_id").take(chosen),
                    "n_steps": pa.array(counts),
                    "steps": lists(numbers.astype(np.float32), counts * channels),
                    "previous_state": pa.nulls(len(users), pa.list_(pa.float32())),
                }
            ),
            context=lists(_context(batch, users, place, width), np.full(len(users), width)),
            is_held_back=np.array(string_column(batch, "split").take(chosen).to_pylist()) == _HELD_BACK,
            spend=_at_anchor(batch, "spend", users, place).astype(np.float64),
            orders=_at_anchor(batch, "orders", users, place).astype(np.int64),
        )


def earlier_context(
    batches: Iterable[pa.RecordBatch], before: dt.date, width: int, *, rows: int = 30_000, seed: int = 0
) -> FloatArray:
    """Draws context [n, K] of n <= `rows` anchors that lie before a day, each as likely as any other.

    Args:
        batches: `CONTEXT_COLUMNS` of `purchasing_power__training_sequences`.
        before: The day.
        width: K.
        rows: How many are drawn, where there are as many.
        seed: Seeds the draw.
    """
    random = np.random.default_rng(seed)
    drawn, lots = np.zeros((0, width), np.float32), np.zeros(0)
    for batch in batches:
        users, place = _anchors(batch, first=dt.date.min, last=before - dt.timedelta(days=1))
        drawn = np.concatenate([drawn, _context(batch, users, place, width)])
        lots = np.concatenate([lots, random.random(len(users))])
        # Those with the smallest lots stay, so nothing has to be known of how many will come.
        kept = np.sort(np.argsort(lots, kind="stable")[:rows])
        drawn, lots = drawn[kept], lots[kept]
    return drawn


def _anchors(batch: pa.RecordBatch, *, first: dt.date, last: dt.date) -> tuple[IndexArray, IndexArray]:
    """Gives the anchors within the days: which row each belongs to, and its place among the row's anchors."""
    dates = column(batch, "anchor_on").cast(pa.list_(pa.date32())).cast(pa.list_(pa.int32()))
    anchors = list_column(
        pa.record_batch({"anchor_on": dates.cast(pa.list_(pa.float64()))}), "anchor_on", nullable=False
    )
    users = np.repeat(np.arange(len(batch)), anchors.lengths)
    place = ranges(np.zeros(len(batch), np.int64), anchors.lengths)
    days = anchors.values[anchors.starts[users] + place]
    chosen = (days >= (first - _EPOCH).days) & (days <= (last - _EPOCH).days)
    return users[chosen], place[chosen]


def _at_anchor(
    batch: pa.RecordBatch, name: str, users: IndexArray, place: IndexArray
) -> npt.NDArray[np.floating]:
    rows = list_column(batch, name, nullable=False)
    values: npt.NDArray[np.floating] = rows.values[rows.starts[users] + place]
    return values


def _context(batch: pa.RecordBatch, users: IndexArray, place: IndexArray, width: int) -> FloatArray:
    rows = list_column(batch, "context", nullable=False)
    begin = rows.starts[users] + place * width
    context: FloatArray = rows.values[begin[:, None] + np.arange(width)].astype(np.float32)
    return context
