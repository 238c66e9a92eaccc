"""A user's steps: rows gather in the open one, and give it the channels that the definitions say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from purchasing_power.online.accumulators import Accumulator
from purchasing_power.online.definitions import Definition, Definitions, Expressions, Values, evaluated
from purchasing_power.online.memory import OpenStep, UserMemory
from purchasing_power.online.rows import ActivityRows
from purchasing_power.online.sql import (
    DATE,
    WHOLE,
    Column,
    Evaluate,
    Kind,
    compile_aggregation,
    compile_expression,
    day_number,
)

_DAYS = {"day": 1, "week": 7, "event": 1}
# What a step is given beside its measures; macros/features/derived_columns.sql says what they are.
_GIVEN = {
    "step_on": Kind(DATE),
    "step_index": WHOLE,
    "previous_step_on": Kind(DATE),
    "previous_order_on": Kind(DATE),
}


class Steps:
    """Compiled definitions of steps.

    Attributes:
        expressions: what can be said about a step, by name.
    """

    def __init__(self, definitions: Definitions, rows: ActivityRows) -> None:
        """Compiles the levels from `category` to `step`.

        Raises:
            PurchasingPowerError: a definition cannot be evaluated here.
        """
        self._grain = definitions.grain
        self._category_at = rows.category_at
        conditions = definitions.of_level("category")
        for definition in conditions[1:]:
            raise definition.unsupported("one count of categories is known, and this is another")
        self._counts: Evaluate | None = None
        for definition in conditions:
            self._counts = definition.compile(compile_expression, rows.columns).evaluate
        columns: dict[str, Column] = {}
        self._measures = _Aggregations(definitions.of_level("measure"), rows.columns, columns)
        counted = {definition.name: Column(0, WHOLE) for definition in conditions}
        self._categories = _Aggregations(definitions.of_level("categories"), counted, columns)
        for name, kind in _GIVEN.items():
            columns[name] = Column(len(columns), kind)
        self.expressions = Expressions(columns)
        for level in ("spacing", "step"):
            for definition in definitions.of_level(level):
                self.expressions.define(definition)

    def begins(self, moment: dt.datetime) -> dt.date:
        """Gives the date on which the step of a moment begins."""
        day = moment.date()
        return day - dt.timedelta(days=day.weekday()) if self._grain == "week" else day

    def ends(self, step_on: dt.date) -> dt.date:
        """Gives the first as-of date at which a step that begins on a date is closed."""
        return step_on + dt.timedelta(days=_DAYS[self._grain])

    def first_end(self, moment: dt.datetime) -> dt.date:
        """Gives the first as-of date that is not before a moment."""
        begins = self.begins(moment)
        return begins if moment == dt.datetime.combine(begins, dt.time()) else self.ends(begins)

    def is_end(self, date: dt.date) -> bool:
        """Says whether a date is one at which steps end."""
        return self._grain != "week" or date.weekday() == 0

    def compare(self, moment: dt.datetime, step: OpenStep) -> int:
        """Says where a moment is: 0 within a step, below 0 before it, above 0 after it."""
        if step.instant is not None:
            return (moment > step.instant) - (moment < step.instant)
        begins = self.begins(moment)
        return (begins > step.step_on) - (begins < step.step_on)

    def add(self, step: OpenStep | None, row: Values, moment: dt.datetime) -> OpenStep:
        """Gives an open step with one more row, or a new one of that row alone."""
        if step is None:
            instant = moment if self._grain == "event" else None
            step = OpenStep(self.begins(moment), instant, self._measures.start, {})
        categories = step.categories
        if self._counts is not None and self._counts(row):
            category = row[self._category_at]
            categories = {**categories, category: categories.get(category, 0) + 1}
        return OpenStep(step.step_on, step.instant, self._measures.added(step.measures, row), categories)

    def values(self, step: OpenStep, memory: UserMemory) -> Values:
        """Gives everything that can be said about a step after a user's closed ones; `expressions` finds it.

        Raises:
            PurchasingPowerError: an expression divides by zero or the like.
        """
        values = self._measures.results(step.measures)
        remembered = self._categories.start
        for count in step.categories.values():
            remembered = self._categories.added(remembered, [count])
        if step.categories:
            values += self._categories.results(remembered)
        else:
            values += [None] * len(self._categories)
        values += (
            day_number(step.step_on),
            memory.steps + 1,
            None if memory.last_step_on is None else day_number(memory.last_step_on),
            None if memory.last_order_on is None else day_number(memory.last_order_on),
        )
        self.expressions.evaluate(values)
        return values


class _Aggregations:
    """Definitions that are expressions over aggregates of rows."""

    def __init__(
        self, definitions: Sequence[Definition], rows: dict[str, Column], columns: dict[str, Column]
    ) -> None:
        """Compiles them over the rows' columns, and enters what they give into `columns`."""
        self._accumulators: list[Accumulator] = []
        self._entries: list[tuple[Definition, Evaluate, slice]] = []
        for definition in definitions:
            compiled = definition.compile(compile_aggregation, rows)
            first = len(self._accumulators)
            self._accumulators.extend(Accumulator(aggregate) for aggregate in compiled.aggregates)
            own = slice(first, len(self._accumulators))
            self._entries.append((definition, compiled.result.evaluate, own))
            columns[definition.name] = Column(len(columns), compiled.result.kind)
        self.start = tuple(accumulator.start for accumulator in self._accumulators)

    def __len__(self) -> int:
        return len(self._entries)

    def added(self, remembered: Sequence[object], row: Values) -> tuple[object, ...]:
        """Gives what the aggregates remember after one more row."""
        return tuple(
            accumulator.add(own, row) for accumulator, own in zip(self._accumulators, remembered, strict=True)
        )

    def results(self, remembered: Sequence[object]) -> Values:
        """Gives the value of each definition."""
        results = [
            accumulator.result(own) for accumulator, own in zip(self._accumulators, remembered, strict=True)
        ]
        return [evaluated(definition, evaluate, results[own]) for definition, evaluate, own in self._entries]
