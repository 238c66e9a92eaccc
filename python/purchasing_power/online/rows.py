"""Rows of cleaned activity, checked and typed as the warehouse types them."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.online.definitions import DEFINITIONS, Definition, Values
from purchasing_power.online.sql import BOOLEAN, NUMBER, TEXT, TIME, Column, Kind, column_kind

ACTIVITIES = ("order_line", "refund", "browse_event", "review")
_NEEDED = ("activity", "occurred_at", "category")


class ActivityRows:
    """Reads rows of `int_purchasing_power__activity`.

    Attributes:
        columns: the columns as expressions over a row see them.
    """

    def __init__(self, definitions: Sequence[Definition]) -> None:
        """Takes the definitions of the level `activity`.

        Raises:
            PurchasingPowerError: a column is missing, or its type is not known here.
        """
        self.columns: dict[str, Column] = {}
        self._readers: dict[str, Callable[[Any], Any]] = {}
        for definition in definitions:
            kind = definition.compile(lambda sql_type, _: column_kind(sql_type), {})
            if kind.name not in _READERS:
                raise definition.unsupported(f"a column of {kind.name}s is not known")
            self.columns[definition.name] = Column(len(self.columns), kind)
            self._readers[definition.name] = _READERS[kind.name](kind)
        missing = [name for name in _NEEDED if name not in self.columns]
        if missing:
            raise PurchasingPowerError(
                f"{DEFINITIONS} has no activity column {missing[0]}: run "
                "`dbt build --selector purchasing_power_features`."
            )
        self.category_at = self.columns["category"].position
        self._time_at = self.columns["occurred_at"].position

    def read(self, event: Mapping[str, Any]) -> tuple[Values, dt.datetime]:
        """Reads one row.

        Args:
            event: column -> value; those left out are NULL, and `user_id` is passed over.

        Returns:
            The row, and when it happened (UTC, without a zone).

        Raises:
            PurchasingPowerError: a column is unknown, or a value is not of its type.
        """
        unknown = event.keys() - self._readers.keys() - {"user_id"}
        if unknown:
            raise PurchasingPowerError(
                f"The event has a column {min(unknown)!r}, which cleaned activity has not: it has "
                f"{', '.join(self._readers)}."
            )
        row: Values = []
        for name, read in self._readers.items():
            value = event.get(name)
            try:
                row.append(None if value is None else read(value))
            except (TypeError, ValueError, OverflowError) as error:
                raise PurchasingPowerError(
                    f"The event's {name} is {value!r}, which is {error}: give what "
                    "int_purchasing_power__activity would hold."
                ) from error
        if event.get("activity") not in ACTIVITIES:
            raise PurchasingPowerError(
                f"The event's activity is {event.get('activity')!r}: it must be one of "
                f"{', '.join(ACTIVITIES)}."
            )
        moment = row[self._time_at]
        if moment is None:
            raise PurchasingPowerError("The event has no occurred_at: say when it happened, in UTC.")
        return row, moment


def _number_reader(kind: Kind) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, Real | Decimal):
            raise TypeError("no number")
        number = float(value)
        if not math.isfinite(number):
            raise ValueError("not finite")
        return number if kind.digits is None else round(number, kind.digits)

    return read


def _text_reader(kind: Kind) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError("no text")
        return value

    return read


def _truth_reader(kind: Kind) -> Callable[[Any], bool]:
    def read(value: Any) -> bool:
        if not isinstance(value, bool):
            raise TypeError("neither true nor false")
        return value

    return read


def _time_reader(kind: Kind) -> Callable[[Any], dt.datetime]:
    def read(value: Any) -> dt.datetime:
        if not isinstance(value, dt.datetime):
            raise TypeError("no datetime")
        return naive_utc(value)

    return read


def naive_utc(moment: dt.datetime) -> dt.datetime:
    """Gives a moment as the warehouse stores it: UTC without a zone, as which one without a zone is read."""
    return moment if moment.tzinfo is None else moment.astimezone(dt.UTC).replace(tzinfo=None)


_READERS: Mapping[str, Callable[[Kind], Callable[[Any], Any]]] = {
    NUMBER: _number_reader,
    TEXT: _text_reader,
    BOOLEAN: _truth_reader,
    TIME: _time_reader,
}
