"""One command from raw tables to scores, on any engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from purchasing_power.building import build
from purchasing_power.publish import folder_of, run_publish
from purchasing_power.reporting import Reporter
from purchasing_power.score import PRODUCT_FACTORS, TEXT_SENTIMENT, fill_inputs, fill_scores
from purchasing_power.warehouse.project import Project

# What a command reads, and what is made of what it fills.
_READ_FOR_INPUTS = ("int_purchasing_power__texts_to_read", "stg_purchasing_power__products")
_SCORING_ALONE = ("purchasing_power.scoring", "purchasing_power.marts", "purchasing_power.monitoring")
_MADE_OF_SCORES = (
    "purchasing_power__user_states+",
    "purchasing_power__scores+",
    "purchasing_power__score_explanations+",
    "purchasing_power__feature_importance+",
)


def run(
    project: Project, reporter: Reporter, *, full_refresh: bool = False, scoring_only: bool = False
) -> None:
    """Builds everything and scores everybody.

    Where dbt has Python models that is `dbt build`. Elsewhere dbt builds up to what a command fills, the
    command fills it, and dbt goes on. Where purchasing_power__publish_to is set, the tables are published at
    last.

    Args:
        project: the dbt project.
        reporter: where progress is shown.
        full_refresh: make everything anew.
        scoring_only: take the features as they are: scores, marts and alarms alone.

    Raises:
        PurchasingPowerError: dbt or the server fails; the scores that were there stay.
    """
    folder = folder_of(project, None)
    _build(project, reporter, full_refresh=full_refresh, scoring_only=scoring_only)
    if folder is not None:
        run_publish(project, folder, reporter)


def _build(project: Project, reporter: Reporter, *, full_refresh: bool, scoring_only: bool) -> None:
    options = ["--full-refresh"] if full_refresh else []
    chosen = ["--select", *_SCORING_ALONE] if scoring_only else []
    if project.credentials.adapter != "postgres":
        build(project, reporter, [*chosen, *options])
        return
    # Of the tests those alone whose tables are there by then.
    partly = [*options, "--indirect-selection", "buildable"]
    excluded = list(_MADE_OF_SCORES)
    if not scoring_only and _reads_texts_or_embeddings(project):
        before = [f"+{name}" for name in (*_READ_FOR_INPUTS, TEXT_SENTIMENT, PRODUCT_FACTORS)]
        build(project, reporter, ["--select", *before, *partly])
        fill_inputs(project, reporter)
        excluded += before
    build(project, reporter, [*chosen, "--exclude", *excluded, *partly])
    fill_scores(project, reporter)
    build(project, reporter, ["--select", *_MADE_OF_SCORES, *options])


def _reads_texts_or_embeddings(project: Project) -> bool:
    """Whether the mapping has what the features read through an ONNX model."""
    inputs: Mapping[str, Any] = project.var("purchasing_power__inputs", {})
    return any(
        column in entry.get("columns", {})
        for name, column in (("reviews", "review_text"), ("products", "embedding"))
        for entry in _entries(inputs.get(name))
    )


def _entries(mapped: Any) -> Sequence[Mapping[str, Any]]:
    """Gives the mappings of a relation, of which there may be none, one or several."""
    return [] if mapped is None else [mapped] if isinstance(mapped, Mapping) else mapped
