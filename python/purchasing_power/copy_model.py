"""Takes a model, and what it was trained on, from one warehouse of a project to another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.reporting import Reporter
from purchasing_power.warehouse.connection import Connection, connect
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import MODEL_CURVES, MODEL_METRICS, MODELS, Registry, require

_CLEANING = "purchasing_power__cleaning"
_SCALING = "purchasing_power__scaling"
_INPUT_MODELS = "purchasing_power__input_models"
_INPUTS_VERSION = "int_purchasing_power__inputs_version"
_CONSUMED_INPUTS = "int_purchasing_power__consumed_inputs"

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Parcel:
    """A model's rows in each table that scoring with it reads, the champion's status left behind."""

    models: Rows
    metrics: Rows
    curves: Rows
    scaling: Rows
    cleaning: Rows
    input_models: Rows


def copy_model(project: Project, model_version: str, from_target: str, reporter: Reporter) -> None:
    """Copies a model into the project's target, as a candidate.

    With it go the parameters that its inputs were cleaned, read and scaled with, so that the other engine's
    features are the ones that it was trained on.

    Args:
        project: the dbt project, with the target to copy to.
        model_version: the model.
        from_target: the target of the same profile to copy from.
        reporter: where it is told.

    Raises:
        PurchasingPowerError: both targets are the same, dbt has not built what is read or written, there is
            no such model, it is there already, or its inputs are cleaned otherwise by now.
    """
    source = replace(project, target=from_target)
    if _place(source) == _place(project):
        raise PurchasingPowerError(
            f"Both targets are {from_target}: name the one to copy to with --target and the one to copy from "
            "with --from-target."
        )
    for each in (source, project):
        # Before a database is opened: dbt may have to parse, and a single-writer file would be closed to it.
        each.relation_names()
    with connect(source, read_only=True) as connection:
        parcel = _read(connection, source, model_version)
    with connect(project) as connection:
        _write(connection, project, parcel, model_version)
    reporter.say(f"Copied {model_version} from {from_target} as a candidate, with what it was trained on.")
    reporter.say("Build the features as it knows them: purchasing-power run")
    reporter.say(f"Then score with it: purchasing-power models promote {model_version}")


def _place(project: Project) -> tuple[str, str, str]:
    credentials = project.credentials
    return credentials.adapter, credentials.database, credentials.schema


def _read(connection: Connection, project: Project, model_version: str) -> Parcel:
    Registry(connection, project).get(model_version)
    names = {
        name: require(connection, project, name)
        for name in (
            MODELS,
            MODEL_METRICS,
            MODEL_CURVES,
            _SCALING,
            _CLEANING,
            _INPUT_MODELS,
            _INPUTS_VERSION,
            _CONSUMED_INPUTS,
        )
    }
    models = connection.fetch(f"select * from {names[MODELS]} where model_version = ?", [model_version])
    scaling = connection.fetch(
        f"select * from {names[_SCALING]} where scaling_version = ?", [models[0]["scaling_version"]]
    )
    in_use = connection.fetch(f"select inputs_version from {names[_INPUTS_VERSION]}")
    if {row["inputs_version"] for row in scaling} != {row["inputs_version"] for row in in_use}:
        raise PurchasingPowerError(
            f"The inputs of model {model_version} were cleaned and read with other fitted parameters than "
            "those in use now, so what it was trained on cannot be told: train a new one with "
            "`purchasing-power train`."
        )
    cleaning = connection.fetch(
        f"select * from {names[_CLEANING]} where cleaning_version in "
        f"(select cleaning_version from {names[_CONSUMED_INPUTS]})"
    )
    input_models = connection.fetch(f"select * from {names[_INPUT_MODELS]} order by fitted_at, model_version")
    newest = {row["kind"]: row for row in input_models}
    metrics, curves = (
        connection.fetch(f"select * from {names[table]} where model_version = ?", [model_version])
        for table in (MODEL_METRICS, MODEL_CURVES)
    )
    return Parcel(
        models=[{**row, "status": "candidate", "promoted_at": None} for row in models],
        metrics=metrics,
        curves=curves,
        scaling=scaling,
        cleaning=cleaning,
        input_models=list(newest.values()),
    )


def _write(connection: Connection, project: Project, parcel: Parcel, model_version: str) -> None:
    tables = {
        MODELS: (parcel.models, "model_version"),
        MODEL_METRICS: (parcel.metrics, "model_version"),
        MODEL_CURVES: (parcel.curves, "model_version"),
        _SCALING: (parcel.scaling, "scaling_version"),
        _CLEANING: (_newest(parcel.cleaning), "cleaning_version"),
        _INPUT_MODELS: (_newest(parcel.input_models), "model_version"),
    }
    relations = {name: require(connection, project, name) for name in tables}
    if connection.fetch(f"select 1 as n from {relations[MODELS]} where model_version = ?", [model_version]):
        raise PurchasingPowerError(
            f"Model {model_version} is in {relations[MODELS]} already: nothing to copy."
        )
    with connection.transaction():
        for name, (rows, key) in tables.items():
            for version in {row[key] for row in rows}:
                # What is newest is in use: a version that is there already has to become the newest again.
                connection.delete(relations[name], f"{key} = ?", [version])
            connection.insert(relations[name], rows)


def _newest(rows: Rows) -> Rows:
    """Dates rows so that they are the newest of their table, because the newest are in use."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return [{**row, "fitted_at": now} for row in rows]
