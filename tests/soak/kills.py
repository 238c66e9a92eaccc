"""Commands killed at random moments, and what is left."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from document import write_table
from shop import FEATURES, SCORING, TINY_TRAINING, Shop

# Marts and alarms are made of scores anew each time; killing them is killing scoring later.
_BUILD = ("dbt.cli.main", "build", "--exclude", "purchasing_power.marts", "purchasing_power.monitoring")
COMMANDS = {
    "dbt build": _BUILD,
    "dbt build --full-refresh": (*_BUILD, "--full-refresh"),
    "purchasing-power train --promote": ("purchasing_power", *TINY_TRAINING),
    "purchasing-power models promote": ("purchasing_power", "models", "promote", "MODEL", "--accept-loss"),
    "purchasing-power publish": ("purchasing_power", "publish", "--to", "published"),
}
SCORES = "select user_id, expected_spend, purchase_probability from purchasing_power__scores order by user_id"


@dataclass
class Tally:
    """What became of the kills of one command."""

    kills: int = 0
    survived: int = 0
    wrong: list[str] = field(default_factory=list)


def make_shop(folder: Path) -> Shop:
    """A scored shop to which a day more has come, and a candidate that waits to be promoted."""
    shop = Shop.open(folder)
    for done in (
        shop.dbt("run", "--select", "page_log"),
        shop.dbt(*FEATURES),
        shop.command(*TINY_TRAINING),
        shop.dbt(*SCORING),
        shop.dbt("run", "--selector", "purchasing_power_marts"),
        shop.command(*[word for word in TINY_TRAINING if word != "--promote"]),
    ):
        assert done.returncode == 0, done.output
    shop.sql(
        "insert into shop.receipt_positions select * replace ("
        "'late-' || position_no as position_no, 'late-' || receipt_no as receipt_no, "
        "strftime(cast(paid_at as timestamp) + interval 1 day, '%Y-%m-%dT%H:%M:%S') as paid_at) "
        "from shop.receipt_positions where try_cast(paid_at as timestamp) is not null and try_cast(paid_at as timestamp) >= "
        "(select max(try_cast(paid_at as timestamp)) from shop.receipt_positions "
        "where try_cast(paid_at as timestamp) < timestamp '2030-01-01') - interval 2 day"
    )
    return shop


def run(kills: int, seed: int) -> None:
    """Kills each command so many times, and writes the table."""
    draw = random.Random(seed)
    tallies = {name: Tally() for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        base = make_shop(Path(folder) / "base")
        ((candidate,),) = base.sql(
            "select model_version from purchasing_power__models where status = 'candidate'"
        )
        before = base.sql(SCORES)
        for name, words in COMMANDS.items():
            command = [candidate if word == "MODEL" else word for word in words]
            undisturbed = base.copy(Path(folder) / "undisturbed")
            started = time.monotonic()
            assert _start(undisturbed, command).wait() == 0
            seconds, after = time.monotonic() - started, undisturbed.sql(SCORES)
            champion = None if "train" in command else champion_of(undisturbed)
            shutil.rmtree(undisturbed.folder)
            for number in range(kills):
                shop = base.copy(Path(folder) / "killed")
                moment = draw.uniform(0, seconds)
                process = _start(shop, command)
                time.sleep(moment)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                wrong = left_behind(shop, before, after)
                if not wrong:
                    again = _start(shop, command)
                    wrong = did_the_rest(shop, again.wait(), after, champion, command)
                tally = tallies[name]
                tally.kills += 1
                tally.survived += not wrong
                tally.wrong += [f"{moment:.1f} s: {what}" for what in wrong]
                print(
                    f"{name} {number + 1}/{kills} after {moment:.1f} of {seconds:.1f} s: {wrong or 'fine'}",
                    flush=True,
                )
                shutil.rmtree(shop.folder)
    rows = [(f"`{name}`", tally.kills, tally.survived) for name, tally in tallies.items()]
    lost = [f"{name}: {what}" for name, tally in tallies.items() for what in tally.wrong]
    note = (
        f"Left behind: {'; '.join(lost)}."
        if lost
        else "Nothing half-written, no temporary table, no record lost."
    )
    write_table("kills", ("command", "kills", "survived"), rows, note)


def _start(shop: Shop, command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=shop.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "DBT_EXCLUDE_RESOURCE_TYPES": "test unit_test"},
    )


def champion_of(shop: Shop) -> str:
    found = shop.sql("select model_version from purchasing_power__models where status = 'champion'")
    return str(found[0][0]) if len(found) == 1 else f"{len(found)} champions"


def _same(one: list[tuple[object, ...]], other: list[tuple[object, ...]]) -> bool:
    return [row[0] for row in one] == [row[0] for row in other] and np.allclose(
        np.array([row[1:] for row in one], float), np.array([row[1:] for row in other], float), 1e-5, 1e-6
    )


def left_behind(shop: Shop, before: list[tuple[object, ...]], after: list[tuple[object, ...]]) -> list[str]:
    wrong = []
    scores = shop.sql(SCORES)
    if not (_same(scores, before) or _same(scores, after)):
        wrong.append(f"scores of no whole run ({len(scores)} of {len(before)})")
    if "champions" in champion_of(shop):
        wrong.append(champion_of(shop))
    return wrong


def did_the_rest(
    shop: Shop, code: int, after: list[tuple[object, ...]], champion: str | None, command: Sequence[str]
) -> list[str]:
    if "promote" in command and code == 1 and champion_of(shop) == champion:
        # It had been promoted before the kill; a second time is refused.
        code = 0
    wrong = [f"the same command then ended with {code}"] if code else []
    if not _same(shop.sql(SCORES), after):
        wrong.append("other scores than a shop that nobody disturbed")
    # What dbt or publishing had put aside when it was killed is taken away by the run that makes it again.
    temporary = shop.sql(
        "select table_name from information_schema.tables where contains(table_name, '__dbt_')"
    )
    wrong += [f"temporary table {name}" for (name,) in temporary]
    wrong += [f"half of {path.name}" for path in shop.folder.rglob("*.partial")]
    if champion is not None and champion_of(shop) != champion:
        wrong.append(f"{champion_of(shop)} is the champion")
    return wrong
