"""The package's feature models as plain SQL: compiled by dbt once a set of vars, then run on any number of shops.

dbt needs seconds to start; a property test needs many shops. So dbt renders the models of `models/input`, `staging` and
`features`, and DuckDB runs what it rendered in dbt's order: views as views, the others as tables, and incremental models as
their first run or as a later one, whose pre-hook comes first. What the models in Python make is not computed, but given.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import yaml

from purchasing_power.warehouse.duckdb_connection import DuckDBConnection

PACKAGE = Path(__file__).parents[2]
LAYERS = ("input", "staging", "features")
# There once a run is complete.
COMPLETE = "int_purchasing_power__consumed_inputs"
# What is compared, and so what is compiled, with all that it reads.
COMPARED = (
    COMPLETE,
    "purchasing_power__feature_catalogue",
    "purchasing_power__feature_definitions",
    "purchasing_power__rejected_rows",
    "purchasing_power__settings",
    "purchasing_power__training_sequences",
)
# What the models in Python leave behind for the SQL, and the models that only prepare it.
MODEL_OUTPUTS = {
    "int_purchasing_power__review_sentiment": pa.schema(
        [("text_md5", pa.string()), ("sentiment", pa.float64()), ("model_version", pa.string())]
    ),
    "int_purchasing_power__product_factors": pa.schema(
        [("product_id", pa.string()), ("factors", pa.list_(pa.float32())), ("model_version", pa.string())]
    ),
}
NOT_BUILT = {*MODEL_OUTPUTS, "int_purchasing_power__text_sentiment", "int_purchasing_power__texts_to_read"}
DATABASE = "warehouse"
INPUT_SCHEMA = "shop"
# A model whose SQL is the pre-hook of the one named behind it: dbt renders no hook unless it runs.
HOOK = "hook_of__"


@dataclass(frozen=True)
class Model:
    """One compiled model.

    Attributes:
        name: the relation that it makes.
        materialized: view, table or incremental.
        first_sql: what a first run selects.
        later_sql: what a run selects that finds the relation built; None where that was not compiled.
        pre_hook: what such a run does before; empty where there is nothing to do.
    """

    name: str
    materialized: str
    first_sql: str
    later_sql: str | None
    pre_hook: str


@dataclass(frozen=True)
class CompiledFeatures:
    """The models of one set of vars, in an order in which each finds what it reads."""

    models: tuple[Model, ...]

    @classmethod
    def compile(
        cls, folder: Path, variables: Mapping[str, Any], *, later_runs: bool = False
    ) -> CompiledFeatures:
        """Renders the models with dbt, in a copy of the package without what only costs time.

        Of the YAML it keeps the group that `dbt_project.yml` names, and neither descriptions nor tests.

        Args:
            folder: empty folder for the copy.
            variables: dbt vars with their prefix.
            later_runs: whether incremental models are wanted as later runs render them, too.
        """
        for part in ("dbt_project.yml", "macros"):
            copy = shutil.copytree if (PACKAGE / part).is_dir() else shutil.copy
            copy(PACKAGE / part, folder / part)
        for layer in LAYERS:
            shutil.copytree(
                PACKAGE / "models" / layer,
                folder / "models" / layer,
                ignore=shutil.ignore_patterns("*.yml"),
            )
        shutil.copy(PACKAGE / "models" / "groups.yml", folder / "models")
        output = {"type": "duckdb", "path": f"{DATABASE}.duckdb", "threads": 1}
        profile = {"purchasing_power": {"target": "test", "outputs": {"test": output}}}
        (folder / "profiles.yml").write_text(yaml.safe_dump(profile))
        first = _compiled(folder, variables)
        if not later_runs:
            return cls(tuple(Model(name, kind, sql, None, "") for name, (kind, sql, _) in first.items()))
        hooks = {HOOK + name: hook for name, (_, _, hook) in first.items() if hook}
        for name, hook in hooks.items():
            (folder / "models" / f"{name}.sql").write_text(
                "{{ config(materialized='incremental') }}\n" + hook, encoding="utf-8"
            )
        with duckdb.connect(str(folder / f"{DATABASE}.duckdb")) as connection:
            for name in (*(name for name, (kind, _, _) in first.items() if kind != "view"), *hooks):
                connection.execute(f"create table {name} (placeholder int)")
        later = _compiled(folder, variables, *hooks)
        return cls(
            tuple(
                Model(
                    name,
                    materialized,
                    sql,
                    later[name][1],
                    later[HOOK + name][1].replace(HOOK + name, name) if hook else "",
                )
                for name, (materialized, sql, hook) in first.items()
            )
        )

    def changed(self, old: str, new: str) -> CompiledFeatures:
        """The same models with a piece of SQL changed wherever it stands: to see that a test can fail."""
        models = tuple(
            replace(
                model,
                first_sql=model.first_sql.replace(old, new),
                later_sql=model.later_sql and model.later_sql.replace(old, new),
            )
            for model in self.models
        )
        assert models != self.models, f"no model holds {old!r}; the test must be brought up to date"
        return CompiledFeatures(models)


# Gives the models under one of feature_variables.VARIABLES.
Compile = Callable[[str], CompiledFeatures]


def _compiled(folder: Path, variables: Mapping[str, Any], *more: str) -> dict[str, tuple[str, str, str]]:
    """Gives each model's materialization, its SQL, and the Jinja of its pre-hook."""
    command = [
        sys.executable,
        "-m",
        "dbt.cli.main",
        "compile",
        "--quiet",
        "--select",
        *(f"+{name}" for name in (*COMPARED, *more)),
        "--no-use-colors",
        "--vars",
        json.dumps(dict(variables)),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    nodes = json.loads((folder / "target" / "manifest.json").read_text())["nodes"]
    results = json.loads((folder / "target" / "run_results.json").read_text())["results"]
    compiled = {}
    for result in results:
        node = nodes.get(result["unique_id"], {"resource_type": "operation"})
        if node["resource_type"] != "model" or node["name"] in NOT_BUILT:
            continue
        assert node["language"] == "sql", f"{node['name']} is a Python model: its rows must be given"
        hook = "".join(hook["sql"] for hook in node["config"]["pre-hook"])
        compiled[node["name"]] = (node["config"]["materialized"], result["compiled_code"], hook)
    return compiled


class Warehouse:
    """A DuckDB in memory with a shop's raw tables, in which the compiled models are run."""

    def __init__(self, features: CompiledFeatures) -> None:
        self._features = features
        self._connection = duckdb.connect(config={"threads": 2})
        self._connection.execute("set global TimeZone = 'UTC'")
        self._connection.execute(f"attach ':memory:' as {DATABASE}")
        self._connection.execute(f"use {DATABASE}")
        self._connection.execute(f"create schema {INPUT_SCHEMA}")
        self.give()

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def load(self, tables: Mapping[str, pa.Table]) -> None:
        """Puts raw tables into the schema that the mappings name, in the place of those that are there."""
        for name, table in tables.items():
            self.put(f"{INPUT_SCHEMA}.{name}", table)

    def give(
        self,
        text_sentiment: Mapping[str, float] | None = None,
        product_factors: Mapping[str, list[float]] | None = None,
    ) -> None:
        """Puts in place what the models in Python would have made; nothing where there is no input model.

        Args:
            text_sentiment: MD5 of a text -> its sentiment.
            product_factors: product id -> its factors.
        """
        rows = ((text_sentiment or {}).items(), (product_factors or {}).items())
        for (name, schema), given in zip(MODEL_OUTPUTS.items(), rows, strict=True):
            records = [dict(zip(schema.names, (*row, "given"), strict=True)) for row in given]
            self.put(name, pa.Table.from_pylist(records, schema))

    def build(self, until: str | None = None) -> None:
        """Runs every model, as `dbt run` would; or dies after one of them."""
        is_later = self.is_complete()
        for model in self._features.models:
            if model.materialized == "view":
                self._connection.execute(f"create or replace view {model.name} as {model.first_sql}")
            elif model.materialized == "incremental" and self._is_built(model.name):
                if model.pre_hook:
                    self._connection.execute(model.pre_hook)
                self._connection.execute(f"insert into {model.name} by name {model.later_sql}")
            else:
                sql = model.later_sql if is_later and model.later_sql else model.first_sql
                self._connection.execute(f"create or replace table {model.name} as {sql}")
            if model.name == until:
                return

    def is_complete(self) -> bool:
        """Whether a run came to its end."""
        return self._is_built(COMPLETE)

    def inherit(self, other: Warehouse) -> None:
        """Takes over the other warehouse's parameters, which are frozen once written."""
        for model in self._features.models:
            if model.materialized == "incremental" and not model.pre_hook:
                self.put(model.name, other.arrow(f"select * from {model.name}"))

    def connection(self) -> DuckDBConnection:
        """The warehouse as the package sees one."""
        return DuckDBConnection(self._connection)

    def arrow(self, query: str) -> pa.Table:
        """What a query gives, as an Arrow table."""
        return self._connection.sql(query).to_arrow_table()

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What a query gives, one dictionary a row."""
        return self.arrow(query).to_pylist()

    def tables(self) -> tuple[str, ...]:
        """The names of all that the models made."""
        return tuple(model.name for model in self._features.models)

    def put(self, name: str, table: pa.Table) -> None:
        """Makes a table, in the place of one that is there."""
        self._connection.register("raw_rows", table)
        self._connection.execute(f"create or replace table {name} as select * from raw_rows")
        self._connection.unregister("raw_rows")

    def _is_built(self, name: str) -> bool:
        query = f"select 1 from duckdb_tables() where table_name = '{name}'"
        return bool(self._connection.execute(query).fetchall())
