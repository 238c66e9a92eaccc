"""Runs `dbt build` and shows how far it is."""

from __future__ import annotations

import time
from collections.abc import Sequence

from purchasing_power.reporting import Reporter
from purchasing_power.warehouse.dbt_process import DbtEvent, DbtResult
from purchasing_power.warehouse.project import Project


def build(project: Project, reporter: Reporter, options: Sequence[str]) -> None:
    """Runs `dbt build` with these options.

    Raises:
        PurchasingPowerError: dbt failed.
    """
    started = time.monotonic()
    with reporter.progress("dbt build") as tick:

        def show(event: DbtEvent) -> None:
            if event.ends_node:
                data = event.data
                name = str(data.get("node_info", {}).get("node_name", ""))
                tick(
                    int(data.get("index", 0)),
                    int(data.get("num_models") or data.get("total", 0)),
                    name,
                    False,
                )
            elif event.level == "warn":
                reporter.say(f"dbt warns: {' '.join(event.message.split())}")

        result = project.run_dbt(["build", *options], show)
    reporter.say(
        f"{' '.join(['dbt build', *options])}: {_counted(result)} in {time.monotonic() - started:.0f} s"
    )


def _counted(result: DbtResult) -> str:
    names = {"unit_test": "unit test", "test": "data test"}
    parts = [
        f"{count} {names.get(kind, kind)}{'s' if count > 1 else ''}" for kind, count in result.nodes.items()
    ]
    return ", ".join(parts) + " passed" if parts else "nothing to do"
