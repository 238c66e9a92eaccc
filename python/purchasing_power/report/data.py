"""What the report shows, read from the warehouse by plain selects that every engine answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.warehouse.features import FeatureSettings, read_settings
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import (
    MeasuredCurve,
    Measurement,
    RegisteredModel,
    Registry,
    require,
)

Row = dict[str, Any]
Select = Callable[..., list[Row]]
_SCORES = "purchasing_power__scores"
_WEEKS_SHOWN = 52


@dataclass(frozen=True)
class Example:
    """A user whose score is explained.

    Attributes:
        score: their row of `purchasing_power__scores`.
        reasons: feature group and contribution, the largest first.
        weeks: the first day and the spend of each of the weeks before the scoring, the oldest first.
    """

    score: Row
    reasons: Sequence[tuple[str, float]]
    weeks: Sequence[tuple[date, float]]


@dataclass(frozen=True)
class ReportData:
    """Everything that stands in the report.

    Attributes:
        settings: what the features were built with.
        totals: users, buyers, spend and probability of all scores, and when they are of.
        tiers: users, spend and probability of each tier, the lowest first.
        champion: the model that scored; None where it is no longer registered.
        backtest: figures of the newest backtest and its cut; empty where none was run.
        curves: its curves; those of the champion where no backtest was run.
        loss: the champion's losses by epoch.
        importance: feature group and share.
        average: the expected spend that explanations compare with; None where nobody is explained.
        examples: users with their past and their reasons.
        segments: rows of `purchasing_power__segments`.
        audiences: rows of `purchasing_power__ad_audience_sizes`.
        bands: rows of `purchasing_power__price_band_evaluation`.
        watchlist: the first rows of `purchasing_power__risk_watchlist`.
        history: date, users and average expected spend of each scoring.
        alarms: what is unusual today: where, what, and the value beside the usual one.
        logs: rows of `purchasing_power__input_changes` that count a log's rows, by day.
        drift: rows of `purchasing_power__feature_drift` of the newest day.
        matured: rows of `purchasing_power__calibration` of the newest matured scoring, lowest tenth first.
    """

    settings: FeatureSettings
    totals: Row
    tiers: Sequence[Row]
    champion: RegisteredModel | None
    backtest: Sequence[Measurement]
    cut: date
    curves: Sequence[MeasuredCurve]
    loss: Sequence[MeasuredCurve]
    importance: Sequence[tuple[str, float]]
    average: float | None
    examples: Sequence[Example]
    segments: Sequence[Row]
    audiences: Sequence[Row]
    bands: Sequence[Row]
    watchlist: Sequence[Row]
    history: Sequence[Row]
    alarms: Sequence[Row]
    logs: Sequence[Row]
    drift: Sequence[Row]
    matured: Sequence[Row]


def read_report(registry: Registry, project: Project, users: int) -> ReportData:
    """Reads the report's content.

    Args:
        registry: the open registry of the warehouse.
        project: the dbt project.
        users: how many users to show as examples.

    Raises:
        PurchasingPowerError: nobody is scored yet, or the marts are not built.
    """
    connection = registry.connection

    def rows(model: str, rest: str, columns: str = "*") -> list[Row]:
        relation = require(connection, project, model, "purchasing-power run")
        return connection.fetch(f"select {columns} from {relation} {rest}")

    settings = read_settings(connection, project)
    (totals,) = rows(
        _SCORES,
        "",
        "count(*) as users, sum(purchase_probability) as buyers, sum(expected_spend) as spend, "
        "avg(purchase_probability) as probability, max(as_of_date) as as_of_date, "
        "max(horizon_days) as horizon_days, max(model_version) as model_version",
    )
    if not totals["users"]:
        raise PurchasingPowerError(
            f"{project.relation(_SCORES)} holds no scores yet: run `purchasing-power run`, then make the "
            "report."
        )
    by_tier = {
        row["tier"]: row
        for row in rows(
            _SCORES,
            "group by purchasing_power_tier",
            "purchasing_power_tier as tier, count(*) as users, sum(expected_spend) as spend, "
            "avg(purchase_probability) as probability",
        )
    }
    cut = settings.newest_matured_anchor
    tested = f"backtest-{cut:%Y%m%d}"
    champion = next(
        (model for model in registry.models() if model.model_version == totals["model_version"]), None
    )
    own_curves = registry.curves(totals["model_version"])
    backtest = registry.metrics(tested)
    importance = rows("purchasing_power__feature_importance", "order by importance_share desc")
    explained = rows(
        "purchasing_power__score_explanations",
        "where rank = 1 order by expected_spend desc, user_id",
        "user_id, average_expected_spend",
    )
    chosen = [row["user_id"] for row in _spread(explained, users)]
    return ReportData(
        settings=settings,
        totals=totals,
        tiers=[by_tier[name] for name in settings.contract.tier_names if name in by_tier],
        champion=champion,
        backtest=backtest,
        cut=cut,
        curves=registry.curves(tested),
        loss=[curve for curve in own_curves if curve.curve == "loss"],
        importance=[(row["feature_group"], row["importance_share"]) for row in importance],
        average=explained[0]["average_expected_spend"] if explained else None,
        examples=[_example(rows, user_id, totals["as_of_date"]) for user_id in chosen],
        segments=rows("purchasing_power__segments", "order by tier_position desc, lifecycle"),
        audiences=rows("purchasing_power__ad_audience_sizes", "order by expected_value desc, audience"),
        bands=rows("purchasing_power__price_band_evaluation", "order by hit_rate desc"),
        watchlist=rows("purchasing_power__risk_watchlist", "where signals > 0 order by risk_rank limit 10"),
        history=rows(
            "purchasing_power__score_history",
            f"where horizon_days = {totals['horizon_days']} group by as_of_date order by as_of_date",
            "as_of_date, count(*) as users, avg(expected_spend) as average, "
            "avg(purchase_probability) as probability",
        ),
        alarms=read_alarms(rows),
        logs=rows(
            "purchasing_power__input_changes", "where measure = 'rows' order by input_name, observed_on"
        ),
        drift=rows(
            "purchasing_power__feature_drift",
            "where is_newest and feature_set = 'channel' order by recent_psi desc, feature_name",
        ),
        matured=_matured(rows),
    )


def read_alarms(rows: Select) -> list[Row]:
    """Gives what is unusual on the newest day, the farthest from usual first within each table.

    Args:
        rows: asks a model by its name, the rest of a select, and its columns.
    """
    return [
        *rows(
            "purchasing_power__input_changes",
            "where is_newest and is_unusual order by abs(departure) desc",
            "input_name as place, measure as name, value, usual_value, kind",
        ),
        *rows(
            "purchasing_power__unseen_categories",
            "where is_newest and is_unusual order by departure desc",
            "input_name as place, column_name as name, unseen_share as value, usual_share as usual_value, "
            "'unseen' as kind",
        ),
        *rows(
            "purchasing_power__input_freshness",
            "where is_late order by input_name",
            "input_name as place, 'newest row' as name, silent_days as value, "
            "usual_silent_days as usual_value, 'silent' as kind",
        ),
        *(
            alarm
            for model in ("feature_drift", "score_drift")
            for alarm in rows(
                f"purchasing_power__{model}",
                "where is_newest and (has_jumped or has_drifted) order by departure desc",
                "feature_set as place, feature_name as name, psi as value, usual_psi as usual_value, "
                "'psi' as kind",
            )
        ),
    ]


def _matured(rows: Select) -> list[Row]:
    found = [row for row in rows("purchasing_power__calibration", "where grouping_name = 'decile'") if row]
    newest = max((row["matured_on"] for row in found), default=None)
    chosen = [row for row in found if row["matured_on"] == newest]
    return sorted(chosen, key=lambda row: int(row["group_name"]))


def _spread(rows: Sequence[Row], count: int) -> list[Row]:
    """Chooses rows at equal distances, the first and the last among them."""
    if count >= len(rows):
        return list(rows)
    places = {round(place * (len(rows) - 1) / max(count - 1, 1)) for place in range(count)}
    return [rows[place] for place in sorted(places)]


def _example(rows: Select, user_id: str, as_of_date: date) -> Example:
    quoted = "'" + user_id.replace("'", "''") + "'"
    (score,) = rows(_SCORES, f"where user_id = {quoted}")
    reasons = rows("purchasing_power__score_explanations", f"where user_id = {quoted} order by rank")
    steps = rows("purchasing_power__user_steps", f"where user_id = {quoted}", "step_on, spend")
    weeks = [as_of_date - timedelta(weeks=_WEEKS_SHOWN - place) for place in range(_WEEKS_SHOWN)]
    spent = [0.0] * _WEEKS_SHOWN
    for step in steps:
        place = (step["step_on"] - weeks[0]).days // 7
        if 0 <= place < _WEEKS_SHOWN:
            spent[place] += float(step["spend"])
    return Example(
        score,
        [(row["feature_group"], row["contribution"]) for row in reasons],
        list(zip(weeks, spent, strict=True)),
    )
