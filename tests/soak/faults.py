"""A disk that is full, a warehouse that somebody else holds, two runs at once: what is left, and what comes next."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from document import write_table
from kills import COMMANDS, SCORES, champion_of, did_the_rest, left_behind, make_shop
from shop import Shop

_HOLDER = (
    "import duckdb, sys; found = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
)
_BUILD, _TRAIN = "dbt build", "purchasing-power train --promote"
_WITHOUT_TESTS = {"DBT_EXCLUDE_RESOURCE_TYPES": "test unit_test"}


def run(rounds: int, seed: int) -> None:
    """Injects each fault so many times, and writes the table."""
    draw = random.Random(seed)
    rows: list[Sequence[object]] = []
    lost: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        base = make_shop(Path(folder) / "base")
        before = base.sql(SCORES)
        for name in (_BUILD, _TRAIN):
            command = COMMANDS[name]
            undisturbed = base.copy(Path(folder) / "undisturbed")
            assert _run(undisturbed, command).returncode == 0
            after = undisturbed.sql(SCORES)
            champion = None if "train" in command else champion_of(undisturbed)
            shutil.rmtree(undisturbed.folder)
            faults: dict[str, Callable[[Shop], list[str]]] = {
                "no file may grow any more (disk full)": lambda shop, given=command: _full(shop, given, draw),
                "the warehouse is open in another process": lambda shop, given=command: _held(shop, given),
                "two of it at once": lambda shop, given=command: _twice(shop, given),
            }
            for fault, inject in faults.items():
                survived = 0
                for number in range(rounds):
                    shop = base.copy(Path(folder) / "faulty")
                    wrong = inject(shop) + left_behind(shop, before, after)
                    if not wrong:
                        code = _run(shop, command).returncode
                        wrong = did_the_rest(shop, code, after, champion, command)
                    print(f"{name}, {fault}, {number + 1}/{rounds}: {wrong or 'fine'}", flush=True)
                    survived += not wrong
                    lost += [f"{name}, {fault}: {what}" for what in wrong]
                    shutil.rmtree(shop.folder)
                rows.append((fault, f"`{name}`", rounds, survived))
    note = f"Left behind: {'; '.join(lost)}." if lost else "No record lost."
    write_table("faults", ("fault", "command", "injected", "survived"), rows, note)


def _run(
    shop: Shop, command: Sequence[str], largest_file: int | None = None
) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=shop.folder,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
        env={**os.environ, **_WITHOUT_TESTS},
    )


def _full(shop: Shop, command: Sequence[str], draw: random.Random) -> list[str]:
    warehouse = shop.folder / "shop" / "warehouse.duckdb"
    # dbt's log and manifest are smaller than the warehouse is.
    largest = int(warehouse.stat().st_size * draw.uniform(0.3, 1.02))
    done = _run(shop, command, largest)
    return _complaints(done, must_fail=False)


def _held(shop: Shop, command: Sequence[str]) -> list[str]:
    warehouse = shop.folder / "shop" / "warehouse.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(warehouse)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        done = _run(shop, command)
        holder.communicate()
    return _complaints(done, must_fail=True)


def _twice(shop: Shop, command: Sequence[str]) -> list[str]:
    both = [
        subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=shop.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **_WITHOUT_TESTS},
        )
        for _ in range(2)
    ]
    said = [process.communicate()[0] for process in both]
    codes = [process.returncode for process in both]
    wrong = [] if 0 in codes else [f"neither came to its end: {codes}"]
    return wrong + [line for text in said for line in _tracebacks(command, text)]


def _complaints(done: subprocess.CompletedProcess[str], *, must_fail: bool) -> list[str]:
    wrong = ["it ended as if nothing had been"] if must_fail and done.returncode == 0 else []
    return wrong + _tracebacks(done.args[2:], done.stdout + done.stderr)


def _tracebacks(command: Sequence[str], text: str) -> list[str]:
    """What our own commands must not print; dbt says in its own way that it cannot write."""
    shown = command[0] == "purchasing_power" and "Traceback" in text
    return [f"a traceback: {text.strip().splitlines()[-1]}"] if shown else []
