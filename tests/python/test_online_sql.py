"""SQL evaluated outside the warehouse against DuckDB, on generated rows with NULL in any place."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from purchasing_power.online.accumulators import Accumulator
from purchasing_power.online.sql import (
    Column,
    UnsupportedSqlError,
    column_kind,
    compile_aggregation,
    compile_expression,
    date_of,
    day_number,
)

TYPES = {
    "money": "decimal(18, 4)",
    "share": "decimal(28, 8)",
    "count": "bigint",
    "ratio": "double",
    "kind": "text",
    "flag": "boolean",
    "day": "date",
    "other_day": "date",
    "moment": "timestamp",
}
COLUMNS = {name: Column(position, column_kind(kind)) for position, (name, kind) in enumerate(TYPES.items())}
# Renders the functions that no engine has under these names.
MACROS = (
    "create macro days_between(earlier, later) as datediff('day', earlier, later)",
    "create macro day_of_week(day) as isodow(day) - 1",
)
EXPRESSIONS = (
    "money + share",
    "money - 0.1",
    "-money * 2",
    "money / nullif(count, 0)",
    "1.0 * count / nullif(money, 0)",
    "(money + 1) * (count - 1.5)",
    "abs(money) + sign(ratio)",
    "ln(1 + greatest(money, 0))",
    "sqrt(abs(share)) + sin(ratio) * cos(ratio)",
    "round(ratio, 2)",
    "round(money, 1)",
    "round(count * ratio, 8)",
    "cast(round(sin(ratio), 8) as decimal(28, 8))",
    "cast(share as double) + 1",
    "coalesce(money, share, count, 0)",
    "greatest(money, share, 0)",
    "least(count, ratio)",
    "nullif(count, 1)",
    "case when money > share then 1 when flag then 2 end",
    "case when kind = 'view' then count else 0 end",
    "case when money > 0 and flag then 1 when money > 0 or flag then 2 else 3 end",
    "case when not flag then 1 when flag is null then 2 else 3 end",
    "case when (money > 0 and kind = 'it''s') is null then 1 else 0 end",
    "case when not (money > 0 or kind <> 'view') then 1 else 0 end",
    "case when count >= 2 then count when count <= -2 then -count when count < 0 then 0.5 end",
    "case when true then null else money end",
    "days_between(day, other_day) + 1",
    "coalesce(days_between(day, other_day) / nullif(count - 1.0, 0), 7)",
    "day_of_week(day)",
    "sin(extract(doy from day) * 0.017202423838958483)",
    "extract(year from day) * 100 + extract(month from day) + extract(day from day)",
    "extract(hour from moment) + extract(minute from moment)",
    "days_between(cast(moment as date), cast('2024-03-01' as date))",
    "case when day >= cast('2020-02-29' as date) then day else other_day end",
    "exp(least(ratio, 1))",
)
AGGREGATIONS = (
    "coalesce(sum(money), 0)",
    "-sum(case when kind = 'view' then money end)",
    "sum(share) / nullif(count(day), 0)",
    "avg(money)",
    "avg(case when flag then share end)",
    "max(money) - min(money)",
    "max(day)",
    "count(*)",
    "count(case when flag then 1 end)",
    "count(distinct kind)",
    "count(distinct case when money > 0 then count end)",
    "sum(count) + sum(count) * 2.0",
    "case when count(money) >= 2 then sqrt(greatest(1.0 * sum(count * count) / count(money), 0)) else 1 end",
)
decimals = st.decimals(-9999, 9999, allow_nan=False, places=4)
# Halves, which engines round away from zero, among them.
halves = st.integers(-2000, 2000).map(lambda number: Decimal(number) / 20)
dates = st.dates(dt.date(1999, 1, 1), dt.date(2030, 12, 31))
VALUES = {
    "money": decimals | halves,
    "share": st.decimals(-99, 99, allow_nan=False, places=8),
    "count": st.integers(-3, 5),
    "ratio": st.floats(-50, 50).map(lambda number: round(number, 6)) | st.sampled_from([0.125, 2.5, -1.5]),
    "kind": st.sampled_from(["view", "cart", "it's"]),
    "flag": st.booleans(),
    "day": dates,
    "other_day": dates,
    "moment": st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2030, 1, 1)),
}
ROWS = st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()})


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for macro in MACROS:
        connection.execute(macro)
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    connection.execute(f"create table given ({columns})")
    return connection


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROWS, min_size=1, max_size=8))
def test_expressions_are_what_the_engine_makes_of_them(
    database: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]]
) -> None:
    expected = asked(database, rows, EXPRESSIONS)
    for expression, column in zip(EXPRESSIONS, zip(*expected, strict=True), strict=True):
        compiled = compile_expression(expression, COLUMNS)
        for row, value in zip(rows, column, strict=True):
            assert agree(compiled.evaluate(seen(row)), value), (expression, row, value)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROWS, max_size=8), order=st.randoms(use_true_random=False))
def test_aggregates_are_what_the_engine_makes_of_them_in_any_order(
    database: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]], order: Any
) -> None:
    (expected,) = asked(database, rows, AGGREGATIONS)
    order.shuffle(rows)
    for aggregation, value in zip(AGGREGATIONS, expected, strict=True):
        compiled = compile_aggregation(aggregation, COLUMNS)
        results = []
        for aggregate in compiled.aggregates:
            accumulator = Accumulator(aggregate)
            remembered = accumulator.start
            for row in rows:
                remembered = accumulator.add(remembered, seen(row))
            results.append(accumulator.result(remembered))
        assert agree(compiled.result.evaluate(results), value), (aggregation, rows, value)


def test_sums_of_decimals_that_cancel_are_zero() -> None:
    compiled = compile_aggregation("1 / nullif(sum(money), 0)", COLUMNS)
    accumulator = Accumulator(compiled.aggregates[0])
    remembered = accumulator.start
    for amount in ("10.1", "20.2", "-30.3"):
        remembered = accumulator.add(remembered, seen({"money": Decimal(amount)}))
    assert compiled.result.evaluate([accumulator.result(remembered)]) is None
    assert compile_expression("nullif(money - 0.3, 0)", COLUMNS).evaluate([0.1 + 0.2]) is None


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("nobody + 1", "there is no column nobody"),
        ("money +", "it is no expression"),
        ("money % 2", "money % 2 is not known"),
        ("upper(kind)", "UPPER(kind) is not known"),
        ("kind || 'x'", "is not known"),
        ("case kind when 'view' then 1 end", "a case over an operand is not known"),
        ("cast(ratio as bigint)", "rounds on one engine and cuts on another"),
        ("cast(kind as date)", "is not known"),
        ("cast('soon' as date)", "'soon' is no date"),
        ("extract(week from day)", "is not known"),
        ("extract(hour from day)", "is not known"),
        ("round(ratio, count)", "a number of places that is not written out"),
        ("kind + 1", "kind is a text where a number is wanted"),
        ("not money", "money is a number where a truth value is wanted"),
        ("coalesce(kind, 0)", "mixes a number and a text"),
        ("case when kind = 1 then 1 end", "mixes a number and a text"),
        ("days_between(money, day)", "money is a number where a date is wanted"),
        ("sum(money)", "the aggregate SUM(money) stands where one row is looked at"),
        ("(select 1)", "is not known"),
        ("x -> x + 1", "is not known"),
    ],
)
def test_what_is_not_known_is_named(sql: str, reason: str) -> None:
    with pytest.raises(UnsupportedSqlError) as refused:
        compile_expression(sql, COLUMNS)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("sum(money) + count", "the column count stands outside an aggregate"),
        ("sum(distinct money)", "of distinct values, only a count of one"),
        ("count(distinct kind, day)", "of distinct values, only a count of one"),
        ("sum(money) filter (where flag)", "is not known"),
        ("sum(kind)", "is over a text"),
        ("max(kind)", "is over a text"),
        ("sum(max(money))", "stands where one row is looked at"),
        ("sum(money) over ()", "is not known"),
        ("median(money)", "is not known"),
    ],
)
def test_aggregates_that_are_not_known_are_named(sql: str, reason: str) -> None:
    with pytest.raises(UnsupportedSqlError) as refused:
        compile_aggregation(sql, COLUMNS)
    assert reason in str(refused.value)


@pytest.mark.parametrize("sql_type", ["interval", "float[]", "no type at all", "blob"])
def test_types_that_are_not_known_are_named(sql_type: str) -> None:
    with pytest.raises(UnsupportedSqlError):
        column_kind(sql_type)


def asked(
    database: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]], expressions: tuple[str, ...]
) -> list[tuple[Any, ...]]:
    """What the engine says, in the order of the rows."""
    database.execute("delete from given")
    if rows:
        places = ", ".join("?" * len(TYPES))
        database.executemany(
            f"insert into given values ({places})", [[row[name] for name in TYPES] for row in rows]
        )
    return database.execute(f"select {', '.join(expressions)} from given").fetchall()


def seen(row: dict[str, Any]) -> list[Any]:
    """The row as expressions see it."""
    return [_seen(row.get(name)) for name in TYPES]


def _seen(value: Any) -> Any:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return day_number(value)
    return float(value) if isinstance(value, Decimal) else value


def agree(found: Any, expected: Any) -> bool:
    if found is None or expected is None:
        return found is expected
    if isinstance(expected, dt.date):
        return date_of(found) == expected
    # Exactly zero where the engine is: a division or a NULLIF may follow.
    return math.isclose(found, float(expected), rel_tol=1e-9) or abs(found - float(expected)) < 1e-12
