"""The definitions of a shop's features, as `purchasing_power__feature_definitions` holds them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.online.sql import Column, Evaluate, Expression, UnsupportedSqlError, compile_expression

DEFINITIONS = "purchasing_power__feature_definitions"
LEVELS = ("activity", "category", "categories", "measure", "spacing", "step", "point", "window", "context")
GRAINS = ("day", "week", "event")
# Of the warehouse's own use: no feature is made of it.
_DIGEST = "digest"

Values = list[Any]
_Compiled = TypeVar("_Compiled")


@dataclass(frozen=True)
class Definition:
    """One expression; what its level is over says the YAML of the model.

    Attributes:
        level: one of LEVELS.
        position: position within the level.
        name: name of what the expression gives.
        definition: the SQL, or the type of an activity column.
        window_from: days before the anchor at which a window begins, inclusive; None for the whole past.
        window_to: days before the anchor at which it ends, exclusive; None for what is no window.
    """

    level: str
    position: int
    name: str
    definition: str
    window_from: int | None
    window_to: int | None

    def unsupported(self, reason: str) -> PurchasingPowerError:
        """Gives the error that says why this definition cannot be evaluated outside the warehouse."""
        return PurchasingPowerError(
            f"The {self.level} entry {self.name} of {DEFINITIONS}, {self.definition!r}, cannot be computed "
            f"outside the warehouse: {reason}. Score this shop with `dbt build` alone, or write the entry "
            "otherwise."
        )

    def compile(
        self, compiler: Callable[[str, Mapping[str, Column]], _Compiled], columns: Mapping[str, Column]
    ) -> _Compiled:
        """Compiles the SQL over columns.

        Raises:
            PurchasingPowerError: something in it is not known here.
        """
        try:
            return compiler(self.definition, columns)
        except UnsupportedSqlError as error:
            raise self.unsupported(str(error)) from error


@dataclass(frozen=True)
class Definitions:
    """All definitions of one build.

    Attributes:
        feature_hash: hash of the catalogues that they belong to.
        grain: the step grain that they were built for.
        rows: sorted by level, in the order in which levels are computed, and position.
        layout: digest of all of it; memories made by another layout are refused.
    """

    feature_hash: str
    grain: str
    rows: tuple[Definition, ...]
    layout: str

    @classmethod
    def read(cls, rows: Iterable[Mapping[str, Any]], grain: str) -> Definitions:
        """Reads the rows of `purchasing_power__feature_definitions`, in any order.

        Raises:
            PurchasingPowerError: there are none, or they are of two builds or another version.
        """
        rows = [row for row in rows if row["level"] != _DIGEST]
        names = [field.name for field in fields(Definition)]
        hashes = {row["feature_hash"] for row in rows}
        if len(hashes) != 1:
            raise PurchasingPowerError(
                f"{DEFINITIONS} holds {len(hashes)} feature hashes where one is wanted: run "
                "`dbt build --selector purchasing_power_features`."
            )
        foreign = {row["level"] for row in rows}.difference(LEVELS) | {grain}.difference(GRAINS)
        if foreign:
            raise PurchasingPowerError(
                f"The features were built with {', '.join(sorted(foreign))}, which this version of "
                "purchasing_power does not know: install the version that built them."
            )
        found = [Definition(**{name: row[name] for name in names}) for row in rows]
        found.sort(key=lambda row: (LEVELS.index(row.level), row.position))
        text = json.dumps([grain, *(asdict(row) for row in found)], sort_keys=True)
        (feature_hash,) = hashes
        return cls(feature_hash, grain, tuple(found), hashlib.sha256(text.encode()).hexdigest()[:16])

    def of_level(self, level: str) -> list[Definition]:
        """Gives the definitions of a level, in order."""
        return [row for row in self.rows if row.level == level]


class Expressions:
    """Expressions that are evaluated one after the other, each over the values before it."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        """Begins with the columns that are given; `evaluate` is handed their values."""
        self.columns = dict(columns)
        self._width = len(columns)
        self._entries: list[tuple[Definition, Evaluate]] = []

    def define(self, definition: Definition) -> Expression:
        """Compiles a definition; a name that is taken stands for the new one from now on.

        Raises:
            PurchasingPowerError: it cannot be evaluated here.
        """
        compiled = definition.compile(compile_expression, self.columns)
        self._entries.append((definition, compiled.evaluate))
        self.columns[definition.name] = Column(self._width, compiled.kind)
        self._width += 1
        return compiled

    def evaluate(self, values: Values) -> None:
        """Appends each expression's value to those of the columns.

        Raises:
            PurchasingPowerError: one of them divides by zero or the like.
        """
        for definition, evaluate in self._entries:
            values.append(evaluated(definition, evaluate, values))

    def positions(self, names: Sequence[str]) -> list[int]:
        """Finds values by name.

        Raises:
            PurchasingPowerError: there is none of a name.
        """
        missing = [name for name in names if name not in self.columns]
        if missing:
            raise PurchasingPowerError(
                f"{DEFINITIONS} defines no {missing[0]}: run "
                "`dbt build --selector purchasing_power_features`, and train a model of these features."
            )
        return [self.columns[name].position for name in names]


def evaluated(definition: Definition, evaluate: Evaluate, values: Sequence[Any]) -> Any:
    """Evaluates a definition.

    Raises:
        PurchasingPowerError: it divides by zero or the like.
    """
    try:
        return evaluate(values)
    except (ArithmeticError, ValueError) as error:
        raise definition.unsupported(f"{error} (SQL has to guard against it)") from error
