"""What the demo prints of the marts and alarms: whom to reach, why, in which price band, what is unusual."""

from __future__ import annotations

from typing import Any

from purchasing_power.report.data import read_alarms
from purchasing_power.reporting import Reporter
from purchasing_power.warehouse.connection import Connection
from purchasing_power.warehouse.features import FeatureSettings
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import require

_REASONS_PER_USER = 3


def show_marts(
    connection: Connection, project: Project, settings: FeatureSettings, reporter: Reporter
) -> None:
    """Prints a little of each mart.

    Args:
        connection: the warehouse, with the marts built.
        project: the demo's dbt project.
        settings: those that the features were built with.
        reporter: where it is told.
    """
    _show_reasons(connection, project, settings, reporter)
    _show_audiences(connection, project, settings, reporter)
    _show_price_bands(connection, project, reporter)
    _show_watchlist(connection, project, reporter)
    _show_alarms(connection, project, reporter)


def _show_reasons(
    connection: Connection, project: Project, settings: FeatureSettings, reporter: Reporter
) -> None:
    explanations = require(connection, project, "purchasing_power__score_explanations")
    importance = require(connection, project, "purchasing_power__feature_importance")
    groups = connection.fetch(f"select * from {importance} order by importance_share desc")
    explained = connection.fetch(f"select count(distinct user_id) as users from {explanations}")[0]["users"]
    if not groups or not explained:
        return
    reporter.heading(f"Why? The reasons of {explained:,} users")
    reporter.say(
        "What moves scores: "
        + ", ".join(f"{row['feature_group']} {row['importance_share']:.0%}" for row in groups)
    )
    top = connection.fetch(
        f"select * from {explanations} where user_id in (select user_id from {explanations} "
        "where rank = 1 order by expected_spend desc, user_id limit 3) order by expected_spend desc, rank"
    )
    rows = [
        (
            row["user_id"] if row["rank"] == 1 else "",
            f"{row['expected_spend']:,.0f}" if row["rank"] == 1 else "",
            row["feature_group"],
            f"{row['contribution']:+,.0f}",
        )
        for row in top
        if row["rank"] <= _REASONS_PER_USER
    ]
    average = top[0]["average_expected_spend"]
    reporter.say(f"The average user is expected to spend {settings.contract.currency} {average:,.2f}; these:")
    reporter.table(("user", "expected spend", "because of", "more or less"), rows)


def _show_audiences(
    connection: Connection, project: Project, settings: FeatureSettings, reporter: Reporter
) -> None:
    sizes = require(connection, project, "purchasing_power__ad_audience_sizes")
    reporter.heading("Whom to reach")
    reporter.table(
        ("audience", "users", "buy", "expected revenue", "at stake", "reaching them brings"),
        [
            (
                row["audience"],
                f"{row['users']:,}",
                f"{row['average_purchase_probability'] or 0:.0%}",
                f"{row['expected_revenue']:,.0f}",
                f"{row['value_at_stake']:,.0f}",
                f"{row['expected_value']:,.0f}",
            )
            for row in connection.fetch(f"select * from {sizes} order by expected_value desc, audience")
        ],
        title=f"In {settings.contract.currency}; the last column rests on purchasing_power__audience_uplift",
    )


def _show_price_bands(connection: Connection, project: Project, reporter: Reporter) -> None:
    evaluation = require(connection, project, "purchasing_power__price_band_evaluation")
    found = connection.fetch(f"select * from {evaluation} order by hit_rate desc")
    if not found:
        return
    reporter.heading("In which price band")
    reporter.table(
        ("foretold by", "lines", "in the foretold band", "bands off"),
        [
            (
                row["method"],
                f"{row['lines']:,}",
                f"{row['hit_rate']:.1%}",
                f"{row['average_bands_off']:.2f}",
            )
            for row in found
        ],
        title=f"Foretold on {found[0]['known_until']}, bought in the {found[0]['horizon_days']} days since",
    )


def _show_watchlist(connection: Connection, project: Project, reporter: Reporter) -> None:
    watchlist = require(connection, project, "purchasing_power__risk_watchlist")
    found = connection.fetch(f"select * from {watchlist} where signals > 0 order by risk_rank limit 5")
    if not found:
        return
    reporter.heading("Whom to look at twice")
    reporter.table(
        ("user", "severity", "why"), [(row["user_id"], row["severity"], row["reasons"]) for row in found]
    )


def _show_alarms(connection: Connection, project: Project, reporter: Reporter) -> None:
    def rows(model: str, rest: str, columns: str = "*") -> list[dict[str, Any]]:
        return connection.fetch(f"select {columns} from {require(connection, project, model)} {rest}")

    found = read_alarms(rows)
    reporter.heading("Is anything unusual?")
    if not found:
        reporter.say(
            "Nothing: the newest day's inputs, features and scores are what the days before make usual."
        )
        return
    reporter.table(
        ("where", "what", "newest", "usual"),
        [
            (
                row["place"],
                row["name"],
                _short(row["value"]),
                "-" if row["usual_value"] is None else _short(row["usual_value"]),
            )
            for row in found
        ],
    )


def _short(value: float) -> str:
    """Shows three digits that count, and thousands whole."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
