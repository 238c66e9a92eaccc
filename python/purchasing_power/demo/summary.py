"""What the demo prints at its end: the scores a marketer would look at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from purchasing_power.demo.marts import show_marts
from purchasing_power.figures import show_measurements
from purchasing_power.reporting import Reporter
from purchasing_power.warehouse.connection import Connection
from purchasing_power.warehouse.features import FeatureSettings, read_settings
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import open_registry, require

# The report's file, in the demo's folder.
REPORT = "purchasing_power_report.html"
_BAR_WIDTH = 24


def show_summary(
    project: Project, seconds: Mapping[str, float], total_seconds: float, reporter: Reporter
) -> None:
    """Prints the scores, the backtest's figures, where everything is, and what to run next.

    Args:
        project: the demo's dbt project, built and scored.
        seconds: what each step took; 0 for a reused one.
        total_seconds: what the whole run took.
        reporter: where it is told.
    """
    with open_registry(project, read_only=True) as registry:
        connection = registry.connection
        settings = read_settings(connection, project)
        scores = require(connection, project, "purchasing_power__scores")
        cut = settings.newest_matured_anchor
        backtest = registry.metrics(f"backtest-{cut:%Y%m%d}")
        reporter.heading(f"What the next {settings.contract.horizon_days} days bring")
        _show_totals(connection, scores, settings, reporter)
        _show_tiers(connection, scores, settings, reporter)
        _show_top(connection, scores, settings, reporter)
        show_marts(connection, project, settings, reporter)
    if not seconds["Backtest"]:
        # A backtest that ran has shown its figures already.
        reporter.heading(
            f"How sure is that? The backtest on the {settings.contract.horizon_days} days from {cut}"
        )
        show_measurements(backtest, reporter)
    reporter.heading("Time")
    reporter.table(
        ("step", "seconds"),
        [(name, f"{took:.0f}" if took else "reused") for name, took in seconds.items()]
        + [("together", f"{total_seconds:.0f}")],
    )
    reporter.heading("Where it is")
    for name, what in (
        ("purchasing_power__scores", "one row a user: probability, spend, quantiles, tier"),
        (
            "purchasing_power__segments",
            "tier by stage of life: users, spend, expected revenue, and what moved",
        ),
        ("purchasing_power__ad_audiences", "whom to reach with which campaign, and what that should bring"),
        (
            "purchasing_power__price_band_recommendations",
            "the price band of each user and category, and the next",
        ),
        ("purchasing_power__risk_watchlist", "who departs from their habits, with the reason"),
        ("purchasing_power__score_explanations", "the reasons of the scores by feature group"),
        ("purchasing_power__user_states", "one embedding a user"),
        ("purchasing_power__models", "the registry, with the ONNX files in it"),
        ("purchasing_power__rejected_rows", "every input row that was refused, with its reason"),
    ):
        reporter.say(f"  {project.relation(name)}: {what}")
    reporter.say(f"  in {_place(project)}; the exported model lies in {project.project_dir / 'onnx'}")
    reporter.say(f"  the report, to look at in a browser: {project.project_dir / REPORT}")
    reporter.heading("What to run next")
    again = ""
    if project.credentials.adapter == "duckdb":
        shown = _relative(project)
        reporter.say(f"  .venv/bin/purchasing-power models list --project-dir {shown}")
        reporter.say(f"  .venv/bin/purchasing-power report --language zh --project-dir {shown}")
        reporter.say(
            f"  .venv/bin/purchasing-power init --project-dir {shown}   (a mapping, from the tables alone)"
        )
    else:
        # What serves the others has ended with the demo.
        again = f" ENGINE={project.credentials.adapter}"
    reporter.say(f"  make demo{again}          (again: it reuses all this)")
    reporter.say("  make demo-clean    (removes it)")


def show_accounted_rows(connection: Connection, project: Project, reporter: Reporter) -> None:
    """Prints what became of every row of the mapped inputs.

    Args:
        connection: the warehouse, with the features built.
        project: the demo's dbt project.
        reporter: where it is told.
    """
    refused = project.relation("purchasing_power__rejected_rows")
    rejected = {
        row["relation"]: row["rows"]
        for row in connection.fetch(f"select relation, count(*) as rows from {refused} group by 1")
    }
    rows = []
    for name in ("order_lines", "browse_events", "reviews", "products", "customers"):
        given, staged = (
            connection.fetch(f"select count(*) as rows from {project.relation(model + name)}")[0]["rows"]
            for model in ("purchasing_power__", "stg_purchasing_power__")
        )
        if given:
            rows.append((name, f"{given:,}", f"{staged:,}", f"{rejected.get(name, 0):,}"))
    reporter.say(
        "No row is lost: each is staged, or stands in purchasing_power__rejected_rows with its reason"
    )
    reporter.table(("input", "rows", "staged", "rejected"), rows)


def _show_totals(connection: Connection, scores: str, settings: FeatureSettings, reporter: Reporter) -> None:
    total = connection.fetch(
        "select count(*) as users, sum(expected_spend) as spend, sum(purchase_probability) as buyers, "
        "count(case when is_outlier then 1 end) as outliers "
        f"from {scores}"
    )[0]
    reporter.say(
        f"{total['users']:,} users scored as of {settings.as_of_date}; {total['buyers']:,.0f} of them are "
        f"expected to buy, for {_money(total['spend'], settings)} together; {total['outliers']:,} are "
        "flagged as unlike all others"
    )


def _show_tiers(connection: Connection, scores: str, settings: FeatureSettings, reporter: Reporter) -> None:
    found = connection.fetch(
        "select purchasing_power_tier as tier, count(*) as users, avg(purchase_probability) as probability, "
        f"avg(expected_spend) as mean, sum(expected_spend) as spend from {scores} group by 1"
    )
    by_tier = {row["tier"]: row for row in found}
    tiers = [by_tier[name] for name in reversed(settings.contract.tier_names) if name in by_tier]
    whole = sum(row["spend"] for row in tiers) or 1.0
    _table(
        reporter,
        ("tier", "users", "buy", "expected spend, each", "together", "share", ""),
        [
            (
                row["tier"],
                f"{row['users']:,}",
                f"{row['probability']:.0%}",
                f"{row['mean']:,.2f}",
                f"{row['spend']:,.0f}",
                f"{row['spend'] / whole:.0%}",
                "█" * round(_BAR_WIDTH * row["spend"] / whole),
            )
            for row in tiers
        ],
    )


def _show_top(connection: Connection, scores: str, settings: FeatureSettings, reporter: Reporter) -> None:
    found = connection.fetch(f"select * from {scores} order by expected_spend desc, user_id limit 10")
    _table(
        reporter,
        ("user", "expected spend", "p10", "p50", "p90", "buy", "tier"),
        [
            (
                row["user_id"],
                *(f"{row[name]:,.2f}" for name in ("expected_spend", "spend_p10", "spend_p50", "spend_p90")),
                f"{row['purchase_probability']:.1%}",
                row["purchasing_power_tier"],
            )
            for row in found
        ],
        title=f"The ten most valuable users, in {settings.contract.currency}",
    )


def _table(
    reporter: Reporter, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], title: str = ""
) -> None:
    reporter.say("")
    reporter.table(columns, [tuple(str(value) for value in row) for row in rows], title=title)


def _money(amount: float, settings: FeatureSettings) -> str:
    return f"{settings.contract.currency} {amount:,.0f}"


def _place(project: Project) -> str:
    if project.credentials.adapter == "duckdb":
        return str(project.project_dir / str(project.credentials.raw.path))
    folder = project.project_dir / project.credentials.adapter
    if project.credentials.adapter == "postgres":
        return f"{folder}, a server's folder; it stops with the demo"
    return f"{folder}, with the metastore that knows them"


def _relative(project: Project) -> str:
    return project.project_dir.name
