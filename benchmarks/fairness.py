"""Measures for whom the scores are right, on Complete Journey's households by age and by size.

The shop is built as of one horizon before its last day, trained and scored there, then built on to its last
day, where the scores have matured: what `purchasing_power__fairness` then holds goes to docs/benchmarks.md.

    python benchmarks/fairness.py
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from document import write_table
from shops import FEATURES, HORIZON, complete_journey

from purchasing_power.reporting import Silent
from purchasing_power.train import run_training
from purchasing_power.training import TrainingConfig
from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.project import Project

_GROUPS = {"age": "age", "household_size": "household_size"}
_TABLE = "purchasing_power__fairness"
_TIER = "highest"
_SHOWN = {
    "users": "{:,.0f}",
    "tier_share": "{:.0%}",
    "tier_share_ratio": "{:.2f}",
    "predicted_buyer_share": "{:.1%}",
    "realised_buyer_share": "{:.1%}",
    "mean_expected_spend": "{:,.0f}",
    "mean_realised_spend": "{:,.0f}",
    "spend_departure": "{:+.1f}",
    "mean_absolute_error": "{:,.0f}",
    "within_range_share": "{:.0%}",
}


def run_as_of(project: Project, day: date, *arguments: str) -> None:
    """Runs dbt as if it were that day."""
    variables = {"purchasing_power__as_of_date": day.isoformat(), "purchasing_power__groups": _GROUPS}
    project.run_dbt([*arguments, "--vars", json.dumps(variables)])


def fairness_of(folder: Path) -> list[dict[str, Any]]:
    """Gives the rows of the highest tier and of all tiers, group by group."""
    built = complete_journey(folder)
    project, last = built.project, built.prepared.settings.as_of_date
    scored = last - timedelta(days=HORIZON)
    run_as_of(project, scored, *FEATURES, "--full-refresh")
    run_training(project, TrainingConfig(), Silent(), promote=True)
    run_as_of(project, scored, "build", "--selector", "purchasing_power_scoring")
    run_as_of(project, last, *FEATURES)
    run_as_of(project, last, "build", "--selector", "purchasing_power_scoring")
    run_as_of(project, last, "build", "--select", "purchasing_power__matured_scores", _TABLE)
    with connect(project, read_only=True) as connection:
        return connection.fetch(
            f"select * from {project.relation(_TABLE)} where purchasing_power_tier in ('all', '{_TIER}') "
            "order by grouping_name, purchasing_power_tier, group_name"
        )


def report(rows: list[dict[str, Any]]) -> str:
    """Writes the table."""
    lines = [
        f"| grouping | group | tier | {' | '.join(name.replace('_', ' ') for name in _SHOWN)} |",
        "|---|---|---|" + "---|" * len(_SHOWN),
    ]
    for row in rows:
        cells = [shown.format(row[name]) for name, shown in _SHOWN.items()]
        group = (row["grouping_name"], row["group_name"], row["purchasing_power_tier"])
        lines.append(f"| {' | '.join([*group, *cells])} |")
    day, horizon, end = (rows[0][name] for name in ("as_of_date", "horizon_days", "matured_on"))
    return "\n".join(
        [
            *lines,
            "",
            f"Scored on {day}; its {horizon} days had passed on {end}.",
        ]
    )


def main() -> None:
    """Builds the shop twice and writes the table."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_table("fairness", report(fairness_of(Path(folder) / "shop")))


if __name__ == "__main__":
    main()
