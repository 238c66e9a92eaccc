"""Aggregates that take one row at a time.

What they remember is small, fits into JSON and is never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from purchasing_power.online.sql import Aggregate

# What an aggregate remembers: a number, None, (sum, count) or a set of values.
Remembered = Any
_Add = Callable[[Remembered, Any], Remembered]


class Accumulator:
    """One aggregate function over the rows of a step, whose order leaves no trace."""

    def __init__(self, aggregate: Aggregate) -> None:
        """Chooses how the function adds a value and what it gives at the end."""
        self._argument = aggregate.argument.evaluate
        function = aggregate.function
        digits = aggregate.argument.kind.digits
        self.start: Remembered = None
        self._add: _Add
        self._result: Callable[[Remembered], Any]
        if aggregate.distinct:
            self.start, self._add, self._result = frozenset(), _add_distinct, len
        elif function == "count":
            self.start, self._add, self._result = 0, _add_one, _same
        elif function == "sum":
            self._add, self._result = _adding(digits), _same
        elif function == "avg":
            self._add, self._result = _adding_to_mean(digits), _mean
        else:
            self._add, self._result = _keeping(max if function == "max" else min), _same

    def add(self, remembered: Remembered, row: Sequence[Any]) -> Remembered:
        """Gives what is remembered after one more row; NULL leaves it as it is."""
        value = self._argument(row)
        return remembered if value is None else self._add(remembered, value)

    def result(self, remembered: Remembered) -> Any:
        """Gives the aggregate of all rows so far."""
        return self._result(remembered)


def _add_distinct(known: frozenset[Any], value: Any) -> frozenset[Any]:
    return known if value in known else known | {value}


def _add_one(count: int, value: Any) -> int:
    return count + 1


def _adding(digits: int | None) -> _Add:
    def add(total: float | None, value: float) -> float:
        added = value if total is None else total + value
        # A sum of decimals is a decimal, in whatever order they came.
        return round(added, digits) if digits else added

    return add


def _adding_to_mean(digits: int | None) -> _Add:
    add = _adding(digits)

    def add_to_mean(remembered: tuple[float, int] | None, value: float) -> tuple[float, int]:
        total, count = remembered or (None, 0)
        return add(total, value), count + 1

    return add_to_mean


def _keeping(better: Callable[[Any, Any], Any]) -> _Add:
    return lambda best, value: value if best is None else better(best, value)


def _mean(remembered: tuple[float, int] | None) -> float | None:
    return None if remembered is None else remembered[0] / remembered[1]


def _same(remembered: Any) -> Any:
    return remembered
