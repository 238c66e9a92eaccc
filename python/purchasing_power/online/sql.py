"""Portable SQL expressions as Python functions: parsed and resolved once, then evaluated a row at a time.

NULL is None, a date is the number of days since 1970-01-01, and a number is a Python float or int. A
decimal is the float nearest to it: sums and differences of decimals are rounded to their digits, so that
what is exactly 0 in the warehouse is exactly 0 here.
"""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from operator import itemgetter
from typing import Any

from purchasing_power.errors import PurchasingPowerError

try:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError
except ImportError as error:
    raise PurchasingPowerError(
        "Scoring outside the warehouse needs sqlglot: install purchasing_power[online]."
    ) from error

Evaluate = Callable[[Sequence[Any]], Any]

NUMBER, TEXT, BOOLEAN, DATE, TIME, NULL = "number", "text", "truth value", "date", "time", "NULL"

# Rounding to more digits than these would only disturb what a float holds anyway.
_MOST_DIGITS = 12
_EPOCH = dt.date(1970, 1, 1).toordinal()


class UnsupportedSqlError(Exception):
    """What in an expression cannot be evaluated; whoever compiles it says where it stands."""


@dataclass(frozen=True)
class Kind:
    """The type of an expression.

    Attributes:
        name: one of NUMBER, TEXT, BOOLEAN, DATE, TIME and NULL.
        digits: digits after the point of an exact number (0 for a whole one); None for all else.
    """

    name: str
    digits: int | None = None


WHOLE = Kind(NUMBER, 0)
FLOAT = Kind(NUMBER)


@dataclass(frozen=True)
class Column:
    """Where a column stands in the rows that an expression is evaluated over, and what it holds."""

    position: int
    kind: Kind


@dataclass(frozen=True)
class Expression:
    """A compiled expression.

    Attributes:
        evaluate: row -> value.
        kind: its type.
    """

    evaluate: Evaluate
    kind: Kind


@dataclass(frozen=True)
class Aggregate:
    """One aggregate function over rows.

    Attributes:
        function: sum, avg, min, max or count.
        distinct: whether equal values count once.
        argument: what is aggregated; of count(*) a constant.
        column: the name of the column where the argument is just one.
        kind: type of the result.
    """

    function: str
    distinct: bool
    argument: Expression
    column: str | None
    kind: Kind


@dataclass(frozen=True)
class Aggregation:
    """A compiled expression over aggregates.

    Attributes:
        aggregates: what to compute over the rows first.
        result: the expression over the aggregates' results, in that order.
    """

    aggregates: tuple[Aggregate, ...]
    result: Expression


def day_number(date: dt.date) -> int:
    """Gives a date as it stands in rows: days since 1970-01-01."""
    return date.toordinal() - _EPOCH


def date_of(day: float) -> dt.date:
    """Gives the date of a day number."""
    return dt.date.fromordinal(int(day) + _EPOCH)


def column_kind(sql_type: str) -> Kind:
    """Reads the type of a column.

    Raises:
        UnsupportedSqlError: it is none of those that activity has.
    """
    try:
        return _kind_of(exp.DataType.build(sql_type))
    except SqlglotError as error:
        raise UnsupportedSqlError(f"{sql_type} is no type") from error


def compile_expression(sql: str, columns: Mapping[str, Column]) -> Expression:
    """Compiles an expression over the columns of one row.

    Raises:
        UnsupportedSqlError: something in it is not known here.
    """
    return _Compiler(columns).compile(_parse(sql))


def compile_aggregation(sql: str, columns: Mapping[str, Column]) -> Aggregation:
    """Compiles an expression over aggregates of many rows' columns.

    Raises:
        UnsupportedSqlError: something in it is not known here, or a column stands outside an aggregate.
    """
    compiler = _AggregateCompiler(columns)
    result = compiler.compile(_parse(sql))
    return Aggregation(tuple(compiler.aggregates), result)


def _parse(sql: str) -> exp.Expr:
    try:
        parsed = sqlglot.parse_one(sql)
    except SqlglotError as error:
        raise UnsupportedSqlError("it is no expression") from error
    assert isinstance(parsed, exp.Expression)
    return parsed


@dataclass
class _Compiler:
    columns: Mapping[str, Column]

    def compile(self, node: exp.Expr) -> Expression:
        """Compiles a node and all below it."""
        if isinstance(node, exp.Paren):
            return self.compile(node.this)
        if isinstance(node, exp.Column):
            return self._column(node)
        if isinstance(node, exp.Literal | exp.Boolean | exp.Null):
            return _constant(node)
        if isinstance(node, exp.Neg):
            operand = self._number(node.this)
            return Expression(_strict(operator.neg, operand), operand.kind)
        if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div):
            return self._arithmetic(node)
        if type(node) in _COMPARISONS:
            left, right = self._alike(node, node.this, node.expression)
            return Expression(_strict(_COMPARISONS[type(node)], left, right), Kind(BOOLEAN))
        if isinstance(node, exp.And | exp.Or):
            return self._connected(node)
        if isinstance(node, exp.Not):
            return Expression(_strict(operator.not_, self._truth(node.this)), Kind(BOOLEAN))
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            operand = self.compile(node.this)
            return Expression(partial(_is_null, operand.evaluate), Kind(BOOLEAN))
        if isinstance(node, exp.Case):
            return self._case(node)
        if isinstance(node, exp.Cast):
            return self._cast(node)
        if isinstance(node, exp.Extract):
            return self._extract(node)
        if isinstance(node, exp.Func):
            return self._call(node)
        raise UnsupportedSqlError(f"{_words(node)} is not known")

    def _column(self, node: exp.Column) -> Expression:
        name = node.name.lower()
        if name not in self.columns:
            raise UnsupportedSqlError(f"there is no column {node.sql()}")
        column = self.columns[name]
        return Expression(itemgetter(column.position), column.kind)

    def _arithmetic(self, node: exp.Binary) -> Expression:
        left, right = self._number(node.this), self._number(node.expression)
        one, other = left.kind.digits, right.kind.digits
        if isinstance(node, exp.Div):
            return Expression(_strict(operator.truediv, left, right), FLOAT)
        if isinstance(node, exp.Mul):
            digits = None if one is None or other is None else one + other
            return Expression(_strict(operator.mul, left, right), _exact(digits))
        kind = _exact(None if one is None or other is None else max(one, other))
        function = operator.add if isinstance(node, exp.Add) else operator.sub
        return Expression(_strict(_rounding(function, kind), left, right), kind)

    def _connected(self, node: exp.Connector) -> Expression:
        left, right = self._truth(node.this).evaluate, self._truth(node.expression).evaluate
        # What decides whatever the other side is: false for `and`, true for `or`.
        decisive = isinstance(node, exp.Or)

        def evaluate(row: Sequence[Any]) -> Any:
            one = left(row)
            if one is decisive:
                return decisive
            other = right(row)
            if other is decisive:
                return decisive
            return None if one is None or other is None else not decisive

        return Expression(evaluate, Kind(BOOLEAN))

    def _case(self, node: exp.Case) -> Expression:
        if node.this is not None:
            raise UnsupportedSqlError("a case over an operand is not known (write case when)")
        branches = node.args["ifs"]
        conditions = [self._truth(branch.this).evaluate for branch in branches]
        default = node.args.get("default")
        results = [self.compile(branch.args["true"]) for branch in branches]
        results.append(_NOTHING if default is None else self.compile(default))
        kind = _common_kind(node, [result.kind for result in results])
        otherwise = results[-1].evaluate
        pairs = [
            (condition, result.evaluate) for condition, result in zip(conditions, results[:-1], strict=True)
        ]

        def evaluate(row: Sequence[Any]) -> Any:
            for condition, result in pairs:
                if condition(row):
                    return result(row)
            return otherwise(row)

        return Expression(evaluate, kind)

    def _cast(self, node: exp.Cast) -> Expression:
        operand, kind = self.compile(node.this), _kind_of(node.to)
        if operand.kind.name == NULL or operand.kind == kind:
            return Expression(operand.evaluate, kind)
        if kind.name == NUMBER and operand.kind.name == NUMBER:
            if kind == WHOLE:
                raise UnsupportedSqlError(f"{node.sql()} rounds on one engine and cuts on another")
            return Expression(_strict(_rounded(operand.kind, kind.digits), operand), kind)
        if kind.name == DATE and operand.kind.name == TIME:
            return Expression(_strict(_date_of_time, operand), kind)
        if kind.name == DATE and isinstance(node.this, exp.Literal) and node.this.is_string:
            try:
                day = day_number(dt.date.fromisoformat(node.this.name))
            except ValueError as error:
                raise UnsupportedSqlError(f"{node.this.sql()} is no date") from error
            return Expression(lambda row: day, kind)
        raise UnsupportedSqlError(f"{node.sql()} is not known")

    def _extract(self, node: exp.Extract) -> Expression:
        part, operand = node.name.lower(), self.compile(node.expression)
        readers = {DATE: _PARTS_OF_DATES, TIME: _PARTS_OF_TIMES}.get(operand.kind.name, {})
        if part not in readers:
            raise UnsupportedSqlError(f"{node.sql()} is not known")
        return Expression(_strict(readers[part], operand), WHOLE)

    def _call(self, node: exp.Func) -> Expression:
        name, arguments = _called(node)
        if name in ("sum", "avg", "min", "max", "count"):
            return self._aggregate(name, node, arguments)
        if name in ("coalesce", "greatest", "least"):
            operands = self._alike(node, *arguments)
            kind = _common_kind(node, [operand.kind for operand in operands])
            inner = tuple(operand.evaluate for operand in operands)
            return Expression(partial(_VARIADIC[name], inner), kind)
        if name == "nullif" and len(arguments) == 2:
            one, other = self._alike(node, *arguments)
            return Expression(partial(_nullif, one.evaluate, other.evaluate), one.kind)
        if name == "round" and 1 <= len(arguments) <= 2:
            return self._round(node, arguments)
        if name in _OF_NUMBERS and len(arguments) == 1:
            operand, (function, keeps_digits) = self._number(arguments[0]), _OF_NUMBERS[name]
            return Expression(_strict(function, operand), operand.kind if keeps_digits else FLOAT)
        if (name, len(arguments)) in _OF_DATES:
            dates = [self._of_kind(DATE, argument) for argument in arguments]
            return Expression(_strict(_OF_DATES[name, len(arguments)], *dates), WHOLE)
        raise UnsupportedSqlError(f"{_words(node)} is not known")

    def _round(self, node: exp.Func, arguments: Sequence[exp.Expr]) -> Expression:
        operand = self._number(arguments[0])
        places = arguments[1] if len(arguments) == 2 else exp.Literal.number(0)
        if not (isinstance(places, exp.Literal) and places.is_int):
            raise UnsupportedSqlError(f"{node.sql()} rounds to a number of places that is not written out")
        digits, own = int(places.name), operand.kind.digits
        # What is rounded stays a float where it was one: its digits are not exact in the warehouse either.
        kind = FLOAT if own is None else Kind(NUMBER, min(own, digits))
        return Expression(_strict(_rounded(operand.kind, digits), operand), kind)

    def _aggregate(self, function: str, node: exp.Func, arguments: Sequence[exp.Expr]) -> Expression:
        raise UnsupportedSqlError(f"the aggregate {node.sql()} stands where one row is looked at")

    def _number(self, node: exp.Expr) -> Expression:
        return self._of_kind(NUMBER, node)

    def _truth(self, node: exp.Expr) -> Expression:
        return self._of_kind(BOOLEAN, node)

    def _of_kind(self, name: str, node: exp.Expr) -> Expression:
        operand = self.compile(node)
        if operand.kind.name not in (name, NULL):
            raise UnsupportedSqlError(f"{node.sql()} is a {operand.kind.name} where a {name} is wanted")
        return operand

    def _alike(self, node: exp.Expr, *operands: exp.Expr) -> list[Expression]:
        compiled = [self.compile(operand) for operand in operands]
        _common_kind(node, [operand.kind for operand in compiled])
        return compiled


@dataclass
class _AggregateCompiler(_Compiler):
    """Compiles what is around aggregates; its rows are the aggregates' results."""

    aggregates: list[Aggregate] = field(default_factory=list)
    _known: dict[str, int] = field(default_factory=dict)

    def _column(self, node: exp.Column) -> Expression:
        raise UnsupportedSqlError(f"the column {node.sql()} stands outside an aggregate")

    def _aggregate(self, function: str, node: exp.Func, arguments: Sequence[exp.Expr]) -> Expression:
        text = node.sql()
        if text not in self._known:
            self._known[text] = len(self.aggregates)
            self.aggregates.append(self._read(function, node, arguments))
        position = self._known[text]
        return Expression(itemgetter(position), self.aggregates[position].kind)

    def _read(self, function: str, node: exp.Func, arguments: Sequence[exp.Expr]) -> Aggregate:
        if len(arguments) != 1:
            raise UnsupportedSqlError(f"{node.sql()} is not known")
        (argument,) = arguments
        distinct = isinstance(argument, exp.Distinct)
        if distinct:
            if function != "count" or len(argument.expressions) != 1:
                raise UnsupportedSqlError(
                    f"{node.sql()} is not known (of distinct values, only a count of one)"
                )
            (argument,) = argument.expressions
        if isinstance(argument, exp.Star):
            argument = exp.Literal.number(1)
        inner = _Compiler(self.columns).compile(argument)
        if function == "count":
            kind = WHOLE
        elif function in ("min", "max") and inner.kind.name in (NUMBER, DATE):
            kind = inner.kind
        elif inner.kind.name == NUMBER:
            kind = inner.kind if function == "sum" else FLOAT
        else:
            raise UnsupportedSqlError(f"{node.sql()} is over a {inner.kind.name}")
        column = argument.name.lower() if isinstance(argument, exp.Column) else None
        return Aggregate(function, distinct, inner, column, kind)


def _constant(node: exp.Expr) -> Expression:
    if isinstance(node, exp.Null):
        return _NOTHING
    if isinstance(node, exp.Boolean):
        truth = bool(node.this)
        return Expression(lambda row: truth, Kind(BOOLEAN))
    text = node.name
    if node.is_string:
        return Expression(lambda row: text, Kind(TEXT))
    if text.isdigit():
        whole = int(text)
        return Expression(lambda row: whole, WHOLE)
    number = float(text)
    written = None if "e" in text.lower() else len(text.partition(".")[2])
    return Expression(lambda row: number, _exact(written))


def _exact(digits: int | None) -> Kind:
    return FLOAT if digits is None or digits > _MOST_DIGITS else Kind(NUMBER, digits)


def _kind_of(data_type: exp.DataType) -> Kind:
    kind = exp.DataType.Type
    if data_type.is_type(*exp.DataType.INTEGER_TYPES):
        return WHOLE
    if data_type.is_type(kind.DECIMAL):
        parameters = data_type.expressions
        return Kind(NUMBER, int(parameters[1].name) if len(parameters) == 2 else 0)
    if data_type.is_type(kind.DOUBLE, kind.FLOAT):
        return FLOAT
    if data_type.is_type(*exp.DataType.TEXT_TYPES):
        return Kind(TEXT)
    if data_type.is_type(kind.BOOLEAN):
        return Kind(BOOLEAN)
    if data_type.is_type(kind.DATE):
        return Kind(DATE)
    if data_type.is_type(kind.TIMESTAMP, kind.TIMESTAMPNTZ):
        return Kind(TIME)
    raise UnsupportedSqlError(f"the type {data_type.sql()} is not known")


def _common_kind(node: exp.Expr, kinds: Sequence[Kind]) -> Kind:
    names = {kind.name for kind in kinds} - {NULL}
    if len(names) > 1:
        raise UnsupportedSqlError(f"{node.sql()} mixes a {' and a '.join(sorted(names))}")
    if not names:
        return Kind(NULL)
    (name,) = names
    digits = [kind.digits for kind in kinds if kind.name != NULL]
    exact = [each for each in digits if each is not None]
    return Kind(name, max(exact) if len(exact) == len(digits) else None)


def _called(node: exp.Func) -> tuple[str, list[exp.Expr]]:
    name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
    arguments: list[exp.Expr] = []
    # Of a function that the parser knows, each argument has a name; of one that it does not, they are a list.
    for value in (node.expressions,) if isinstance(node, exp.Anonymous) else node.args.values():
        arguments.extend(
            item
            for item in (value if isinstance(value, list) else [value])
            if isinstance(item, exp.Expression)
        )
    return name.lower(), arguments


def _words(node: exp.Expr) -> str:
    return node.sql() if len(node.sql()) <= 60 else f"{node.sql()[:57]}..."


# ---------------------------------------------------------------- evaluation


def _strict(function: Callable[..., Any], *operands: Expression) -> Evaluate:
    """Applies a function, or gives NULL where an operand is."""
    if len(operands) == 1:
        (only,) = (operand.evaluate for operand in operands)

        def of_one(row: Sequence[Any]) -> Any:
            value = only(row)
            return None if value is None else function(value)

        return of_one
    left, right = (operand.evaluate for operand in operands)

    def of_two(row: Sequence[Any]) -> Any:
        one = left(row)
        if one is None:
            return None
        other = right(row)
        return None if other is None else function(one, other)

    return of_two


def _rounding(function: Callable[[Any, Any], Any], kind: Kind) -> Callable[[Any, Any], Any]:
    """Rounds what a function of exact numbers gives to their digits."""
    digits = kind.digits
    if not digits:
        return function
    return lambda one, other: round(function(one, other), digits)


def _rounded(kind: Kind, digits: int | None) -> Callable[[Any], Any]:
    """What rounds numbers of a kind to some digits, halves away from zero, as databases do."""
    if digits is None or (kind.digits is not None and kind.digits <= digits):
        return _unchanged
    if kind.digits is not None:
        unit = Decimal(1).scaleb(-digits)
        # The shortest text of the float that is nearest to a decimal is that decimal.
        return lambda value: float(Decimal(repr(value)).quantize(unit, ROUND_HALF_UP))
    factor = 10.0**digits

    def rounded(value: float) -> float:
        scaled = value * factor
        whole = math.trunc(scaled)
        if abs(scaled - whole) >= 0.5:
            whole += 1 if scaled > 0 else -1
        return whole / factor

    return rounded


def _unchanged(value: Any) -> Any:
    return value


def _is_null(inner: Evaluate, row: Sequence[Any]) -> bool:
    return inner(row) is None


def _nullif(one: Evaluate, other: Evaluate, row: Sequence[Any]) -> Any:
    value = one(row)
    return None if value is None or value == other(row) else value


def _coalesce(inner: tuple[Evaluate, ...], row: Sequence[Any]) -> Any:
    for evaluate in inner:
        value = evaluate(row)
        if value is not None:
            return value
    return None


def _greatest(inner: tuple[Evaluate, ...], row: Sequence[Any]) -> Any:
    # NULL is passed over, as on DuckDB, PostgreSQL and Spark.
    return max((value for evaluate in inner if (value := evaluate(row)) is not None), default=None)


def _least(inner: tuple[Evaluate, ...], row: Sequence[Any]) -> Any:
    return min((value for evaluate in inner if (value := evaluate(row)) is not None), default=None)


def _date_of_time(value: dt.datetime) -> int:
    return day_number(value.date())


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _days_between(earlier: float, later: float) -> float:
    return later - earlier


def _day_of_week(day: float) -> int:
    # 1970-01-01 was a Thursday, and Monday is 0.
    return (int(day) + 3) % 7


_NOTHING = Expression(lambda row: None, Kind(NULL))
_COMPARISONS: Mapping[type[exp.Expr], Callable[[Any, Any], bool]] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
}
_VARIADIC = {"coalesce": _coalesce, "greatest": _greatest, "least": _least}
# The function, and whether an exact number stays one with the same digits.
_OF_NUMBERS: Mapping[str, tuple[Callable[[Any], Any], bool]] = {
    "abs": (abs, True),
    "cos": (math.cos, False),
    "exp": (math.exp, False),
    "ln": (math.log, False),
    "sign": (_sign, False),
    "sin": (math.sin, False),
    "sqrt": (math.sqrt, False),
}
# By name and number of arguments.
_OF_DATES: Mapping[tuple[str, int], Callable[..., Any]] = {
    ("days_between", 2): _days_between,
    ("day_of_week", 1): _day_of_week,
}
_PARTS_OF_DATES: Mapping[str, Callable[[Any], int]] = {
    "year": lambda day: date_of(day).year,
    "month": lambda day: date_of(day).month,
    "day": lambda day: date_of(day).day,
    "doy": lambda day: date_of(day).timetuple().tm_yday,
}
_PARTS_OF_TIMES: Mapping[str, Callable[[Any], int]] = {
    "hour": lambda time: time.hour,
    "minute": lambda time: time.minute,
}
