"""Looks at the tables of a warehouse: names, types and what a small sample of the values says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from purchasing_power.warehouse.connection import Connection

SAMPLE_ROWS = 5000
# What is left of a log's ids when as many rows as in the dirtiest logs are there twice.
_IDENTIFYING = 0.95

# Schemas that hold an engine's own tables.
_SYSTEM_SCHEMAS = ("information_schema", "pg_catalog")
_OWN_TABLES = re.compile(r"^(stg_|int_)?purchasing_power__")

TEXT, NUMBER, TIME, BOOLEAN, OTHER = "text", "number", "time", "boolean", "other"
# Whole names of types as the engines write them: an array, a struct, a range or an interval is none of these,
# though their names hold those of numbers and texts.
_KINDS = (
    (TIME, r"(timestamp|datetime)(_\w+)?(\(\d\))?( with(out)? time zone)?|date"),
    (NUMBER, r"u?(tiny|small|big|huge)?int(eger)?\d*|float\d*|real|double( precision)?"),
    (NUMBER, r"(decimal|numeric)(\(.*\))?"),
    (TEXT, r"((var|bp)?char|character( varying)?)(\(\d+\))?|text|string|uuid|enum\([^\[\]]*\)"),
    (BOOLEAN, r"bool(ean)?"),
)


# The reserved words that are likely as names of tables or columns.
_RESERVED = frozenset(
    {
        "all",
        "at",
        "case",
        "check",
        "column",
        "desc",
        "end",
        "from",
        "group",
        "limit",
        "offset",
        "order",
        "select",
    }
    | {"table", "then", "to", "union", "unique", "user", "using", "when", "where", "window", "with"}
)


@dataclass(frozen=True)
class Column:
    """One column of a table, with what its sample says.

    Attributes:
        name: its name in the warehouse.
        kind: text, number, time, boolean or other.
        unique: no value repeats in the sample, and none is NULL.
        identifying: hardly any repeats or is NULL, as in a log that holds some rows twice.
        filled: share of rows that are not NULL.
        distinct_share: distinct values per row.
        fractional: share of numbers that are not whole.
        smallest: smallest number, or None where there is none.
        largest: largest number, or None where there is none.
        time_like: share of texts that read as a timestamp.
    """

    name: str
    kind: str
    unique: bool = False
    identifying: bool = False
    filled: float = 1.0
    distinct_share: float = 0.0
    fractional: float = 0.0
    smallest: float | None = None
    largest: float | None = None
    time_like: float = 0.0

    @property
    def is_time(self) -> bool:
        """Whether its values are times, typed or written as text."""
        return self.kind == TIME or (self.kind == TEXT and self.time_like > 0.95)


@dataclass(frozen=True)
class Table:
    """One table of the warehouse: its name as schema.table, its rows and its columns."""

    name: str
    rows: int
    columns: tuple[Column, ...]


def inspect_tables(connection: Connection, sample_rows: int = SAMPLE_ROWS) -> list[Table]:
    """Reads names, types and a small sample of every table that is not the package's own.

    Args:
        connection: the warehouse.
        sample_rows: rows of each table that are looked at.
    """
    found = connection.fetch(
        "select table_schema, table_name, column_name, data_type from information_schema.columns "
        "where table_catalog = current_database() "
        "order by table_schema, table_name, ordinal_position"
    )
    by_table: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in found:
        if row["table_schema"] in _SYSTEM_SCHEMAS or _OWN_TABLES.match(row["table_name"]):
            continue
        key = (row["table_schema"], row["table_name"])
        by_table.setdefault(key, []).append((row["column_name"], row["data_type"]))
    return [
        _inspect(connection, schema, table, columns, sample_rows)
        for (schema, table), columns in by_table.items()
    ]


def quoted(name: str) -> str:
    """Quotes an identifier."""
    return '"' + name.replace('"', '""') + '"'


def plain_or_quoted(name: str) -> str:
    """Quotes an identifier only where it must be, because people read the mapping."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) and name not in _RESERVED else quoted(name)


def _inspect(
    connection: Connection, schema: str, table: str, columns: Sequence[tuple[str, str]], sample_rows: int
) -> Table:
    relation = f"{quoted(schema)}.{quoted(table)}"
    rows = int(connection.fetch(f"select count(*) as n from {relation}")[0]["n"])
    expressions = ["count(*) as n"]
    for position, (name, data_type) in enumerate(columns):
        kind, column = _kind(data_type), quoted(name)
        expressions.append(f"count({column}) as filled_{position}")
        if kind in (TEXT, NUMBER, TIME):
            expressions.append(f"count(distinct {column}) as distinct_{position}")
        if kind == NUMBER:
            number = f"cast({column} as float8)"
            expressions.append(
                f"avg(case when {number} <> floor({number}) then 1 else 0 end) as part_{position}"
            )
            expressions.append(f"min({number}) as smallest_{position}")
            expressions.append(f"max({number}) as largest_{position}")
        if kind == TEXT:
            expressions.append(
                f"count(case when {connection.reads_as_time(column)} then 1 end) as times_{position}"
            )
    sampled = connection.fetch(
        f"select {', '.join(expressions)} from (select * from {relation} limit {sample_rows}) as sample"
    )[0]
    seen = max(int(sampled["n"]), 1)

    def column_of(position: int, name: str, data_type: str) -> Column:
        filled = int(sampled[f"filled_{position}"])
        distinct = int(sampled.get(f"distinct_{position}") or 0)
        return Column(
            name=name,
            kind=_kind(data_type),
            unique=filled == seen and distinct == seen,
            identifying=distinct >= _IDENTIFYING * seen,
            filled=filled / seen,
            distinct_share=distinct / seen,
            fractional=float(sampled.get(f"part_{position}") or 0.0),
            smallest=sampled.get(f"smallest_{position}"),
            largest=sampled.get(f"largest_{position}"),
            time_like=int(sampled.get(f"times_{position}") or 0) / max(filled, 1),
        )

    return Table(
        name=f"{plain_or_quoted(schema)}.{plain_or_quoted(table)}",
        rows=rows,
        columns=tuple(column_of(position, *column) for position, column in enumerate(columns)),
    )


def _kind(data_type: str) -> str:
    return next((kind for kind, pattern in _KINDS if re.fullmatch(pattern, data_type, re.I)), OTHER)
