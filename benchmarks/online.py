"""Measures what one event costs `OnlineScorer`, and that its scores are those of the next batch.

A simulated shop with everything mapped is built as of a week before its end, trained with defaults and
scored. All users' memories are loaded, the last week's events fed to them one by one, and the shop built to
its end: each user's online score then has to be the batch score. The table goes to docs/benchmarks.md.

    python benchmarks/online.py [--users 1500] [--days 400]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from document import write_table
from shops import build, simulated_tables

from purchasing_power.online import OnlineScorer, Score, UserMemory
from purchasing_power.reporting import Silent
from purchasing_power.simulator.config import date_of
from purchasing_power.train import run_training
from purchasing_power.training import TrainingConfig
from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.online import open_online
from purchasing_power.warehouse.project import Project

_LIMIT_MS = 5.0
_SAME = 1e-5
# Events are no queue: a service sleeps until the next one comes, with whatever that does to its caches.
_PAUSE_SECONDS = 0.002
_REPLAYED_DAYS = 7
_MONEY = ("expected_spend", "spend_p10", "spend_p50", "spend_p90")
_SCORING = ("build", "--selector", "purchasing_power_scoring")


@dataclass(frozen=True)
class Replay:
    """What the replay gave.

    Attributes:
        update_ms: milliseconds of each `OnlineScorer.update`.
        update_cpu_ms: the same on the thread's own clock, which stands still while others have the core.
        stored_ms: the same with the memory read from bytes before and written to bytes after it.
        memory_bytes: size of each memory after its event.
        memories: every user's memory at the end.
    """

    update_ms: np.ndarray
    update_cpu_ms: np.ndarray
    stored_ms: np.ndarray
    memory_bytes: np.ndarray
    memories: dict[str, UserMemory]


def replay(
    scorer: OnlineScorer, memories: Mapping[str, UserMemory], events: Sequence[Mapping[str, Any]]
) -> Replay:
    """Feeds events, oldest first, to the users' memories, and stops the time of each."""
    stored = {user_id: memory.to_bytes() for user_id, memory in memories.items()}
    update, cpu, whole, sizes = [], [], [], []
    for event in events:
        began = time.perf_counter()
        known = stored.get(event["user_id"])
        memory = scorer.newcomer(event["user_id"]) if known is None else UserMemory.from_bytes(known)
        read, read_cpu = time.perf_counter(), time.thread_time()
        memory, _ = scorer.update(memory, event)
        updated, updated_cpu = time.perf_counter(), time.thread_time()
        content = memory.to_bytes()
        whole.append(time.perf_counter() - began)
        update.append(updated - read)
        cpu.append(updated_cpu - read_cpu)
        sizes.append(len(content))
        stored[event["user_id"]] = content
        time.sleep(_PAUSE_SECONDS)
    return Replay(
        *(1e3 * np.array(seconds) for seconds in (update, cpu, whole)),
        memory_bytes=np.array(sizes),
        memories={user_id: UserMemory.from_bytes(content) for user_id, content in stored.items()},
    )


def largest_difference(score: Score, batch: Mapping[str, Any]) -> float:
    """Gives the largest difference between two scores: of money relative to it or to the expected spend."""
    spend = max(abs(batch["expected_spend"]), 1e-9)
    money = [abs(getattr(score, name) - batch[name]) / max(abs(batch[name]), spend) for name in _MONEY]
    chance = abs(score.purchase_probability - batch["purchase_probability"]) / batch["purchase_probability"]
    tier = float(score.purchasing_power_tier != batch["purchasing_power_tier"])
    return max(*money, chance, tier)


def built(folder: Path, users: int, days: int) -> tuple[Project, Project]:
    """Builds the shop as of a week before its end, model and scores included.

    Returns:
        The project as of then, and as of the shop's end, which is not built yet.
    """
    variables = simulated_tables(folder / "shop", users, days, dirt=0.2)
    then = {"purchasing_power__as_of_date": date_of(days - _REPLAYED_DAYS).isoformat()}
    project = build(folder / "project", {**variables, **then}).project
    run_training(project, TrainingConfig(), Silent(), promote=True)
    project.run_dbt(_SCORING)
    now = {"purchasing_power__as_of_date": date_of(days).isoformat()}
    return project, Project.find(project.project_dir, vars_yaml=yaml.safe_dump(now, default_flow_style=True))


def report(replayed: Replay, differences: np.ndarray, recomputed: int) -> str:
    """Writes the table."""
    lines = ["| one event | p50 | p95 | p99 | highest |", "|---|---|---|---|---|"]
    for name, values, unit in (
        ("`update`", replayed.update_ms, "ms"),
        ("`update`, on the thread's own clock", replayed.update_cpu_ms, "ms"),
        ("memory from bytes, `update`, memory to bytes", replayed.stored_ms, "ms"),
        ("size of a user's memory", replayed.memory_bytes / 1024, "KiB"),
    ):
        shown = " | ".join(f"{np.percentile(values, level):.2f} {unit}" for level in (50, 95, 99, 100))
        lines.append(f"| {name} | {shown} |")
    wall, cpu = (float(np.percentile(each, 99)) for each in (replayed.update_ms, replayed.update_cpu_ms))
    return "\n".join(
        [
            *lines,
            "",
            f"{len(replayed.update_ms):,} events onto the memories of {len(replayed.memories):,} users, one "
            f"thread, {1e3 * _PAUSE_SECONDS:.0f} ms between two events. p99 of `update` is "
            f"{wall / _LIMIT_MS:.2f} of the {_LIMIT_MS:.0f} ms that an event may take "
            f"({cpu / _LIMIT_MS:.2f} without waiting for the core). Afterwards the scores of "
            f"{len(differences):,} users differ from the batch's by {differences.max():.1e} at most, "
            f"{(differences > _SAME).sum()} of them by more than {_SAME:.0e}; {recomputed:,} users have "
            "another past by then (late or corrected rows), and are recomputed by the batch.",
        ]
    )


def main() -> None:
    """Builds the shop, replays its last week, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1500)
    parser.add_argument("--days", type=int, default=400)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        then, now = built(Path(name), arguments.users, arguments.days)
        with open_online(then) as warehouse:
            scorer, as_of_date = warehouse.scorer, warehouse.as_of_date
            memories = {memory.user_id: memory for memory in warehouse.memories()}
        now.run_dbt(["run", "--select", "package:purchasing_power"])
        activity, scores, consumed = (
            now.relation(model)
            for model in (
                "int_purchasing_power__activity",
                "purchasing_power__scores",
                "int_purchasing_power__users_to_move",
            )
        )
        with connect(now, read_only=True) as connection:
            events = connection.fetch(
                f"select * from {activity} where occurred_at >= ? order by occurred_at, user_id", [as_of_date]
            )
            batch = {row["user_id"]: row for row in connection.fetch(f"select * from {scores}")}
            from_scratch = {
                row["user_id"]
                for row in connection.fetch(f"select user_id from {consumed} where steps_before = 0")
            }
    print(f"{len(memories):,} users, {len(events):,} events", flush=True)
    replayed = replay(scorer, memories, events)
    end = next(iter(batch.values()))["as_of_date"]
    # The batch begins anew with users whose past is another than when their memory was loaded.
    recomputed = {user_id for user_id in from_scratch if user_id in memories and memories[user_id].steps}
    differences = np.array(
        [
            largest_difference(scorer.score(replayed.memories[user_id], end), row)
            for user_id, row in batch.items()
            if user_id not in recomputed and user_id in replayed.memories
        ]
    )
    text = report(replayed, differences, len(recomputed))
    print(text)
    write_table("online", text)


if __name__ == "__main__":
    main()
