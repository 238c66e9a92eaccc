"""Simulated shops, some with something planted on their last day: which alarms are right, and which are false."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml
from document import write_table
from shop import INTEGRATION, PACKAGE, Shop
from simulated_shop import SimulatedShop

from purchasing_power.simulator.config import SHIFTS

USERS, DAYS, HORIZON, DIRT = 2_000, 300, 28, 0.1
# The measure that has to be among what is unusual, whatever else is.
NOTICED_BY = {
    "price_rise": ("order_lines", "price index"),
    "lost_event": ("browse_events", "cart events"),
    "doubled_bots": ("browse_events", "rows of bots"),
    "currency_bug": ("order_lines", "price index"),
}
_TINY = ("train", "--promote", "--epochs", "1", "--members", "1", "--hidden-size", "8", "--trees", "0")
_MADE = (
    "purchasing_power.scoring",
    "purchasing_power__time_spine",
    "purchasing_power__matured_scores",
    "purchasing_power.monitoring",
)


@dataclass(frozen=True)
class Alarms:
    """What dbt said of one shop: the tests that warned, and what of each log is unusual today."""

    seed: int
    tests: list[str]
    unusual: set[tuple[str, str]]


def of_shop(folder: Path, seed: int, shifts: Sequence[str]) -> Alarms:
    """Builds a shop up to its alarms."""
    simulated = SimulatedShop.make(
        folder / "raw", USERS, DAYS, horizon_days=HORIZON, dirt=DIRT, seed=seed, shifts=tuple(shifts)
    )
    for name in ("profiles.yml", "selectors.yml"):
        shutil.copy(INTEGRATION / name, folder / name)
    (folder / "shop").mkdir()
    proposed = yaml.safe_load((simulated.folder / "purchasing_power_vars.yml").read_text(encoding="utf-8"))
    proposed["vars"]["purchasing_power__explained_users"] = 0
    project = {"name": "soak", "config-version": 2, "profile": "corner_shop", **proposed}
    (folder / "dbt_project.yml").write_text(yaml.safe_dump(project), encoding="utf-8")
    shop = Shop(folder)
    shop.install(PACKAGE)
    for done in (
        shop.dbt("run", "--selector", "purchasing_power_features"),
        shop.command(*_TINY),
        shop.dbt("run", "--select", *_MADE),
    ):
        assert done.returncode == 0, done.output
    shop.dbt("test", "--select", "test_name:purchasing_power__nothing_unusual")
    of_run = json.loads((folder / "target" / "run_results.json").read_text())["results"]
    results = [entry for entry in of_run if entry["unique_id"].startswith("test.")]
    assert len(results) >= 7
    nodes = json.loads((folder / "target" / "manifest.json").read_text())["nodes"]
    warned = [
        nodes[entry["unique_id"]]["test_metadata"]["kwargs"]["check"]
        for entry in results
        if entry["status"] != "pass"
    ]
    unusual = shop.sql(
        "select input_name, measure from purchasing_power__input_changes where is_newest and is_unusual"
    )
    return Alarms(seed, warned, {(str(log), str(measure)) for log, measure in unusual})


def run(quiet: int, seeds: int) -> None:
    """Counts alarms, true and false, and writes the table."""
    jobs = [(0, seed) for seed in range(100, 100 + quiet)]
    jobs += [(place + 1, seed) for place in range(len(SHIFTS)) for seed in range(200, 200 + seeds)]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:

        def one(job: tuple[int, int]) -> Alarms:
            kind, seed = job
            shifts = SHIFTS[kind - 1 : kind] if kind else ()
            place = Path(folder) / f"{kind}-{seed}"
            place.mkdir()
            found = of_shop(place, seed, shifts)
            shutil.rmtree(place)
            print(shifts or "quiet", found, flush=True)
            return found

        found = list(pool.map(one, jobs))
    rows: list[Sequence[object]] = []
    by_kind: dict[int, list[Alarms]] = {}
    for (kind, _), alarms in zip(jobs, found, strict=True):
        by_kind.setdefault(kind, []).append(alarms)
    for place, name in enumerate(SHIFTS, start=1):
        shops = by_kind[place]
        right = sum(NOTICED_BY[name] in alarms.unusual and bool(alarms.tests) for alarms in shops)
        log, measure = NOTICED_BY[name]
        rows.append((name, len(shops), f"`{log}`: {measure}", right, len(shops) - right))
    silent = by_kind[0]
    false = [alarms for alarms in silent if alarms.tests]
    rows.append(("nothing", len(silent), "none", len(silent) - len(false), len(false)))
    note = f"{USERS:,} users, {DAYS} days each. " + (
        "False alarms: "
        + "; ".join(f"seed {each.seed}: {', '.join(sorted(set(each.tests)))}" for each in false)
        + "."
        if false
        else "No false alarm."
    )
    write_table("alarms", ("planted", "shops", "to be noticed by", "right", "wrong"), rows, note)
