"""What a service keeps of a user between two events, and its form in a key-value store."""

from __future__ import annotations

import datetime as dt
import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from purchasing_power.errors import PurchasingPowerError

DayArray = npt.NDArray[np.int32]
PartArray = npt.NDArray[np.float64]
StateArray = npt.NDArray[np.float32]

# Stands in `days` for all days that only windows over the whole past still reach.
LONG_AGO = int(np.iinfo(np.int32).min)

_MAGIC = b"PPUM"
_FORMAT = 1
# Magic, format, CRC-32 of all that follows, bytes of the JSON header.
_PREFIX = struct.Struct("<4sHIi")


@dataclass(frozen=True)
class OpenStep:
    """The step that a user is in, which the encoder has not read yet.

    Attributes:
        step_on: the date on which its period begins.
        instant: with steps by event, the moment that it is; else None.
        measures: what the aggregates over its rows remember.
        categories: rows that count towards each category.
    """

    step_on: dt.date
    instant: dt.datetime | None
    measures: tuple[Any, ...]
    categories: Mapping[str, int]


@dataclass(frozen=True)
class UserMemory:
    """All that scoring a user needs beside the model; never changed in place.

    Attributes:
        user_id: the user.
        model_version: the model whose encoder made `state`.
        layout: digest of the definitions that `days`, `parts` and the open step were made by.
        closed_before: everything before this date is closed; None for a user of whom nothing is known.
        first_seen_on: date from which the user is known; None before the first event, without a sign-up.
        is_dated: whether that date is the user's own, not the log's first day.
        steps: how many closed steps `state` has read.
        last_step_on: date of the newest closed step.
        last_order_on: date of the newest closed step with an order.
        state: [S] the encoder's state after the newest closed step, zeros before the first.
        days: [n + 1] days (since 1970-01-01) of closed steps that finite windows may reach, ascending, behind
            LONG_AGO, which stands for all before them.
        parts: [n + 1, A] for each of these days what windows are put together from; NaN is NULL.
        open: the step that is not closed yet, or None.
    """

    user_id: str
    model_version: str
    layout: str
    closed_before: dt.date | None
    first_seen_on: dt.date | None
    is_dated: bool
    steps: int
    last_step_on: dt.date | None
    last_order_on: dt.date | None
    state: StateArray = field(repr=False, compare=False)
    days: DayArray = field(repr=False, compare=False)
    parts: PartArray = field(repr=False, compare=False)
    open: OpenStep | None

    def to_bytes(self) -> bytes:
        """Gives the memory as bytes that any machine and version of Python reads back; some kilobytes."""
        header = json.dumps(
            {
                "user_id": self.user_id,
                "model_version": self.model_version,
                "layout": self.layout,
                "closed_before": _written(self.closed_before),
                "first_seen_on": _written(self.first_seen_on),
                "is_dated": self.is_dated,
                "steps": self.steps,
                "last_step_on": _written(self.last_step_on),
                "last_order_on": _written(self.last_order_on),
                "open": None if self.open is None else _written_step(self.open),
                "shape": [len(self.state), *self.parts.shape],
            },
            separators=(",", ":"),
        ).encode()
        body = b"".join(
            (
                header,
                self.state.astype("<f4", copy=False).tobytes(),
                self.days.astype("<i4", copy=False).tobytes(),
                self.parts.astype("<f8", copy=False).tobytes(),
            )
        )
        return _PREFIX.pack(_MAGIC, _FORMAT, zlib.crc32(body), len(header)) + body

    @classmethod
    def from_bytes(cls, content: bytes) -> UserMemory:
        """Reads what `to_bytes` wrote.

        Raises:
            PurchasingPowerError: the bytes are of another version, cut off or damaged.
        """
        if len(content) < _PREFIX.size or content[: len(_MAGIC)] != _MAGIC:
            raise PurchasingPowerError(
                f"{len(content)} bytes are no memory of a user: load it from the warehouse again."
            )
        _, version, checksum, length = _PREFIX.unpack_from(content)
        body = memoryview(content)[_PREFIX.size :]
        if version != _FORMAT:
            raise PurchasingPowerError(
                f"The memory of a user is of format {version}, and this version reads {_FORMAT}: load it "
                "from the warehouse again."
            )
        if zlib.crc32(body) != checksum:
            raise PurchasingPowerError(
                "The memory of a user is cut off or damaged: load it from the warehouse again."
            )
        header = json.loads(bytes(body[:length]))
        size, rows, width = header.pop("shape")
        arrays: dict[str, Any] = {}
        offset = length
        for name, kind, count in (
            ("state", "<f4", size),
            ("days", "<i4", rows),
            ("parts", "<f8", rows * width),
        ):
            arrays[name] = np.frombuffer(body, kind, count, offset)
            offset += arrays[name].nbytes
        arrays["parts"] = arrays["parts"].reshape(rows, width)
        for name in ("closed_before", "first_seen_on", "last_step_on", "last_order_on"):
            header[name] = _read_date(header[name])
        opened = header.pop("open")
        return cls(**header, **arrays, open=None if opened is None else _read_step(opened))


def _written(value: dt.date | dt.datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def _read_date(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def _written_step(step: OpenStep) -> dict[str, Any]:
    return {
        "step_on": _written(step.step_on),
        "instant": _written(step.instant),
        # Sorted, so that equal memories are equal bytes; an object, to be told from a pair.
        "measures": [
            {"distinct": sorted(value)} if isinstance(value, frozenset) else value for value in step.measures
        ],
        "categories": dict(sorted(step.categories.items())),
    }


def _read_step(values: Mapping[str, Any]) -> OpenStep:
    instant = values["instant"]
    return OpenStep(
        step_on=dt.date.fromisoformat(values["step_on"]),
        instant=None if instant is None else dt.datetime.fromisoformat(instant),
        measures=tuple(_read_remembered(value) for value in values["measures"]),
        categories=values["categories"],
    )


def _read_remembered(value: Any) -> Any:
    if isinstance(value, dict):
        return frozenset(value["distinct"])
    return tuple(value) if isinstance(value, list) else value
