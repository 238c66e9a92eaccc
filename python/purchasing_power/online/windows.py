"""Windows of days before an anchor, put together from what each day keeps of its closed steps."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.online.definitions import (
    DEFINITIONS,
    Definition,
    Definitions,
    Expressions,
    Values,
    evaluated,
)
from purchasing_power.online.memory import LONG_AGO, DayArray, PartArray
from purchasing_power.online.sql import (
    DATE,
    Aggregate,
    Column,
    Evaluate,
    Kind,
    compile_aggregation,
    compile_expression,
    day_number,
)

ORDER_ON = "order_on"

_Bounds = tuple[int | None, int]
# Sums and counts stand first, because both are added up: a count of nothing is 0, a sum of nothing NULL.
_FUNCTIONS = ("sum", "count", "min", "max")
_EXTREMES: Mapping[str, np.ufunc] = {"min": np.fmin, "max": np.fmax}


@dataclass(frozen=True)
class Part:
    """What a day keeps of its steps: one aggregate over them.

    Attributes:
        function: sum, count, min or max.
        point: the definition of what it is over.
        kind: type of that.
        evaluate: what gives it, from everything that can be said about a step.
    """

    function: str
    point: Definition
    kind: Kind
    evaluate: Evaluate


@dataclass(frozen=True)
class _Window:
    """What is aggregated over one window.

    Attributes:
        begins: days before the anchor, inclusive; None for the whole past.
        ends: days before the anchor, exclusive.
        added: [a] parts that are added up.
        added_at: [a] where these sums stand among all windows' aggregates.
        extremes: part, function and place of each minimum and maximum.
    """

    begins: int | None
    ends: int
    added: npt.NDArray[np.intp]
    added_at: npt.NDArray[np.intp]
    extremes: tuple[tuple[int, np.ufunc, int], ...]


class Windows:
    """Compiled definitions of context.

    Attributes:
        parts: what each day keeps, in the order of `UserMemory.parts`.
        reach: days before an anchor that windows have to tell apart.
        expressions: what can be said of a user at an anchor, by name.
    """

    def __init__(self, definitions: Definitions, step_columns: Mapping[str, Column]) -> None:
        """Compiles the levels from `point` to `context`.

        Args:
            definitions: all definitions.
            step_columns: where what can be said about a step stands.

        Raises:
            PurchasingPowerError: a definition cannot be evaluated here.
        """
        points = {definition.name: definition for definition in definitions.of_level("point")}
        if ORDER_ON not in points:
            raise PurchasingPowerError(
                f"{DEFINITIONS} has no point {ORDER_ON}: run "
                "`dbt build --selector purchasing_power_features`."
            )
        over_step = {
            name: definition.compile(compile_expression, step_columns) for name, definition in points.items()
        }
        self._order_on = over_step[ORDER_ON].evaluate
        point_columns = {name: Column(0, expression.kind) for name, expression in over_step.items()}
        entries = [
            (definition, definition.compile(compile_aggregation, point_columns))
            for definition in definitions.of_level("window")
        ]
        used = sorted(
            {_key(definition, aggregate) for definition, each in entries for aggregate in each.aggregates},
            key=lambda key: (_FUNCTIONS.index(key[0]), points[key[1]].position),
        )
        self.parts = tuple(
            Part(function, points[name], over_step[name].kind, over_step[name].evaluate)
            for function, name in used
        )
        places: dict[tuple[int, _Bounds], int] = {}
        self._entries: list[tuple[Definition, Evaluate, tuple[int, ...]]] = []
        columns: dict[str, Column] = {}
        for definition, compiled in entries:
            assert definition.window_to is not None
            bounds = (definition.window_from, definition.window_to)
            keys = [(used.index(_key(definition, aggregate)), bounds) for aggregate in compiled.aggregates]
            own = tuple(places.setdefault(key, len(places)) for key in keys)
            self._entries.append((definition, compiled.result.evaluate, own))
            columns[definition.name] = Column(len(columns), compiled.result.kind)
        for name in ("anchor_on", "first_seen_on"):
            columns[name] = Column(len(columns), Kind(DATE))
        self.expressions = Expressions(columns)
        for definition in definitions.of_level("context"):
            self.expressions.define(definition)
        self._sums = sum(part.function == "sum" for part in self.parts)
        self._added = self._sums + sum(part.function == "count" for part in self.parts)
        self._units = np.array([_unit(part) for part in self.parts])
        self._result_units = np.array([self._units[part] for part, _ in places])
        self._windows = [self._window(bounds, places) for bounds in {bounds for _, bounds in places}]
        self.reach = max((max(window.begins or 0, window.ends) for window in self._windows), default=0)

    def has_order(self, step_values: Values) -> bool:
        """Says whether a step has an order."""
        return self._order_on(step_values) is not None

    def no_days(self) -> tuple[DayArray, PartArray]:
        """Gives the days and parts of a user without a closed step."""
        return np.array([LONG_AGO], np.int32), np.full((1, len(self.parts)), np.nan)

    def with_step(
        self, days: DayArray, parts: PartArray, day: int, step_values: Values
    ) -> tuple[DayArray, PartArray]:
        """Gives days and parts with one more step, which no step follows.

        Args:
            days: [n + 1] ascending, of the user's memory.
            parts: [n + 1, A] of the same.
            day: the step's day.
            step_values: what can be said about it.

        Raises:
            PurchasingPowerError: an expression divides by zero or the like.
        """
        row = np.array([[_of_step(part, step_values) for part in self.parts]], np.float64)
        if days[-1] == day:
            parts = np.concatenate([parts[:-1], self.merged(np.concatenate([parts[-1:], row]))])
        else:
            days, parts = np.append(days, np.int32(day)), np.concatenate([parts, row])
        # The next anchor is the day after at the earliest, and no window of it reaches these.
        first = int(np.searchsorted(days, day + 1 - self.reach))
        if first > 1:
            parts = np.concatenate([self.merged(parts[:first]), parts[first:]])
            days = np.concatenate([days[:1], days[first:]])
        return days, parts

    def merged(self, parts: PartArray) -> PartArray:
        """Puts days together: [n, A] -> [1, A], n at least 1."""
        result = np.empty((1, len(self.parts)))
        result[0, : self._added] = self._sum(parts[:, : self._added])
        for position in range(self._added, len(self.parts)):
            result[0, position] = _EXTREMES[self.parts[position].function].reduce(parts[:, position])
        return self.rounded(result)

    def rounded(self, parts: PartArray) -> PartArray:
        """Rounds the exact numbers of [n, A] parts to their digits."""
        return _rounded(parts, self._units)

    def values(self, days: DayArray, parts: PartArray, first_seen_on: dt.date, anchor: dt.date) -> Values:
        """Gives everything that can be said of a user at an anchor; `expressions` finds it.

        Args:
            days: [n + 1] of the user's memory, every step before the anchor closed.
            parts: [n + 1, A] of the same.
            first_seen_on: date from which the user is known.
            anchor: the date at which they are looked at.

        Raises:
            PurchasingPowerError: an expression divides by zero or the like.
        """
        at = day_number(anchor)
        results = np.full(len(self._result_units), np.nan)
        for window in self._windows:
            first = 0 if window.begins is None else int(np.searchsorted(days, at - window.begins))
            rows = parts[first : int(np.searchsorted(days, at - window.ends))]
            results[window.added_at] = self._sum(rows[:, : self._added])[window.added]
            if len(rows):
                for part, function, place in window.extremes:
                    results[place] = function.reduce(rows[:, part])
        listed = [
            None if math.isnan(result) else result
            for result in _rounded(results, self._result_units).tolist()
        ]
        values: Values = [
            evaluated(definition, evaluate, [listed[place] for place in own])
            for definition, evaluate, own in self._entries
        ]
        values += (at, day_number(first_seen_on))
        self.expressions.evaluate(values)
        return values

    def _sum(self, rows: PartArray) -> PartArray:
        """Adds up [n, a] -> [a], NaN where all are."""
        empty = np.isnan(rows)
        total: PartArray = np.where(empty, 0.0, rows).sum(axis=0)
        total[: self._sums][empty[:, : self._sums].all(axis=0)] = np.nan
        return total

    def _window(self, bounds: _Bounds, places: Mapping[tuple[int, _Bounds], int]) -> _Window:
        own = [(part, place) for (part, of), place in places.items() if of == bounds]
        added = [(part, place) for part, place in own if part < self._added]
        return _Window(
            *bounds,
            added=np.array([part for part, _ in added], np.intp),
            added_at=np.array([place for _, place in added], np.intp),
            extremes=tuple(
                (part, _EXTREMES[self.parts[part].function], place)
                for part, place in own
                if part >= self._added
            ),
        )


def _key(definition: Definition, aggregate: Aggregate) -> tuple[str, str]:
    if aggregate.column is None or aggregate.distinct or aggregate.function not in _FUNCTIONS:
        raise definition.unsupported(
            f"over a window, only {', '.join(_FUNCTIONS)} of a point column are known"
        )
    return aggregate.function, aggregate.column


def _of_step(part: Part, step_values: Values) -> float:
    value = evaluated(part.point, part.evaluate, step_values)
    if part.function == "count":
        return float(value is not None)
    return math.nan if value is None else float(value)


def _unit(part: Part) -> float:
    """Gives how many units of its last digit make 1, or 0 where it is no exact number."""
    digits = part.kind.digits
    return 0.0 if digits is None or part.function == "count" else 10.0**digits


def _rounded(values: PartArray, units: PartArray) -> PartArray:
    """Rounds exact numbers to their digits: a sum of floats is a hair off."""
    return np.where(units > 0, np.rint(values * units) / np.where(units > 0, units, 1.0), values)
