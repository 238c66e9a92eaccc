"""Measures how many users on the watchlist are those who were planted, on simulated shops.

Some customers of each shop break their habits in its last days: one order far larger than ever, a burst of
orders, or orders that come back. The watchlist is made with its defaults. The table goes to
docs/benchmarks.md.

    python benchmarks/watchlist.py [--users 5000] [--days 365] [--seeds 21 22 23]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import duckdb
import pandas as pd
import yaml
from document import write_table
from shops import HORIZON, build

from purchasing_power.reporting import Silent
from purchasing_power.simulator import ShopConfig, simulate
from purchasing_power.simulator.anomalies import ANOMALIES
from purchasing_power.train import run_training
from purchasing_power.training import TrainingConfig
from purchasing_power.warehouse.connection import connect

_DIRT, _ANOMALIES = 0.2, 0.01
_SEVERITIES = ("high", "medium", "low")
_MARTS = ("run", "--select", "purchasing_power.scoring", "purchasing_power.marts")


def watchlist_of(folder: Path, users: int, days: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Builds a shop up to its watchlist.

    Returns:
        The watchlist's users and severities, and who was planted as what.
    """
    tables = folder / f"tables-{seed}"
    simulate(ShopConfig(users, days, seed, HORIZON, _DIRT, _ANOMALIES), tables, Silent())
    variables = yaml.safe_load((tables / "purchasing_power_vars.yml").read_text(encoding="utf-8"))["vars"]
    project = build(folder / f"project-{seed}", variables).project
    # The signals do not come from the network; of the scores the isolation forest alone plays a part.
    run_training(project, TrainingConfig(epochs=1), Silent(), promote=True)
    project.run_dbt(_MARTS)
    with connect(project, read_only=True) as connection:
        rows = connection.fetch(
            f"select user_id, severity from {project.relation('purchasing_power__risk_watchlist')}"
        )
    planted = duckdb.sql(f"select customer_id as user_id, kind from '{tables}/planted.parquet'").df()
    return pd.DataFrame(rows), planted[planted["kind"].isin(ANOMALIES)]


def report(lists: list[pd.DataFrame], planted: list[pd.DataFrame], shops: str) -> str:
    """Writes the table: precision by severity, recall by kind."""
    found = pd.concat([one.merge(truth, how="left") for one, truth in zip(lists, planted, strict=True)])
    truth = pd.concat([one.merge(other, how="left") for one, other in zip(planted, lists, strict=True)])
    lines = ["| severity | users on the list | of them planted | precision |", "|---|---|---|---|"]
    for severity in _SEVERITIES:
        of_it = found[found["severity"] == severity]
        hits = int(of_it["kind"].notna().sum())
        share = f"{hits / len(of_it):.2f}" if len(of_it) else "-"
        lines.append(f"| {severity} | {len(of_it)} | {hits} | {share} |")
    lines += ["", "| planted | users | on the list as high or medium | recall |", "|---|---|---|---|"]
    for kind in ANOMALIES:
        of_kind = truth[truth["kind"] == kind]
        hits = int(of_kind["severity"].isin(_SEVERITIES[:2]).sum())
        share = f"{hits / len(of_kind):.2f}" if len(of_kind) else "-"
        lines.append(f"| {kind} | {len(of_kind)} | {hits} | {share} |")
    return "\n".join([*lines, "", shops])


def main() -> None:
    """Builds the shops and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=5000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seeds", type=int, nargs="+", default=[21, 22, 23])
    given = parser.parse_args()
    lists, planted = [], []
    with tempfile.TemporaryDirectory() as name:
        for seed in given.seeds:
            watchlist, truth = watchlist_of(Path(name), given.users, given.days, seed)
            lists.append(watchlist)
            planted.append(truth)
            print(f"seed {seed}: {len(watchlist)} users on the list, {len(truth)} planted", flush=True)
    shops = (
        f"{len(given.seeds)} shops of {given.users:,} users and {given.days} days, dirt {_DIRT}; "
        f"{_ANOMALIES:.0%} of the customers with at least five orders were planted."
    )
    text = report(lists, planted, shops)
    print(text)
    write_table("watchlist", text)


if __name__ == "__main__":
    main()
