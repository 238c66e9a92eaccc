"""Runs onnxruntime over what dbt built, where dbt itself cannot: on engines without Python models."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pyarrow as pa

from purchasing_power import dbt_models
from purchasing_power.errors import PurchasingPowerError
from purchasing_power.reporting import Reporter
from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import MODELS, require

TEXT_SENTIMENT = "int_purchasing_power__text_sentiment"
PRODUCT_FACTORS = "int_purchasing_power__product_factors"
STATE_UPDATES = "int_purchasing_power__state_updates"
RAW_SCORES = "int_purchasing_power__raw_scores"
RAW_EXPLANATIONS = "int_purchasing_power__raw_explanations"
_INPUT_MODELS = "purchasing_power__input_models"

# Each model that this fills: what computes it, and the models that it is computed from.
_Computed = tuple[Callable[..., pa.RecordBatchReader], dict[str, str]]
_INPUTS: dict[str, _Computed] = {
    TEXT_SENTIMENT: (
        dbt_models.text_sentiment,
        {"models": _INPUT_MODELS, "texts": "int_purchasing_power__texts_to_read"},
    ),
    PRODUCT_FACTORS: (
        dbt_models.product_factors,
        {"models": _INPUT_MODELS, "products": "stg_purchasing_power__products"},
    ),
}
_SCORES: dict[str, _Computed] = {
    STATE_UPDATES: (
        partial(dbt_models.state_updates, in_parts=False),
        {
            "models": MODELS,
            "users": "int_purchasing_power__users_to_move",
            "steps": "int_purchasing_power__steps_to_consume",
        },
    ),
    RAW_SCORES: (
        partial(dbt_models.raw_scores, in_parts=False),
        {"models": MODELS, "users": "purchasing_power__users", "inputs": "int_purchasing_power__head_inputs"},
    ),
    RAW_EXPLANATIONS: (
        partial(dbt_models.raw_explanations, in_parts=False),
        {
            "models": MODELS,
            "catalogue": "purchasing_power__feature_catalogue",
            "users": "int_purchasing_power__users_to_explain",
            "inputs": "int_purchasing_power__explanation_inputs",
        },
    ),
}


def fill_inputs(project: Project, reporter: Reporter) -> None:
    """Reads the sentiment of new texts, and projects product embeddings, between two dbt runs.

    Raises:
        PurchasingPowerError: see `fill_scores`.
    """
    _fill(project, _INPUTS, reporter)


def fill_scores(project: Project, reporter: Reporter) -> None:
    """Moves the states of users who did something, scores everybody and explains some, between two dbt runs.

    Each table is filled in one transaction: should anything fail, it stays what it was.

    Raises:
        PurchasingPowerError: dbt does this itself on the target's engine, has not built what is read, there
            is no champion or its bytes are not those registered, or the server refuses something.
    """
    _fill(project, _SCORES, reporter)


def _fill(
    project: Project,
    models: dict[str, _Computed],
    reporter: Reporter,
) -> None:
    adapter = project.credentials.adapter
    if adapter != "postgres":
        raise PurchasingPowerError(
            f"On {adapter} dbt computes the scores itself: run `dbt build`, or `purchasing-power run`."
        )
    project.relation_names()
    with connect(project) as connection:
        # Imported late: its drivers are an extra, which `connect` asks for.
        from purchasing_power.warehouse.postgres_connection import PostgresConnection

        assert isinstance(connection, PostgresConnection)
        for model, (compute, relations) in models.items():
            started = time.monotonic()
            target = require(connection, project, model)
            given = {
                name: connection.relation(require(connection, project, upstream))
                for name, upstream in relations.items()
            }
            rows = connection.replace_rows(target, compute(**given))
            seconds = time.monotonic() - started
            reporter.say(f"{model}: {rows:,} rows in {seconds:.1f} s")
