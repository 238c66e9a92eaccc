"""How limits are measured: in turns, by dbt's own times, by a child's memory; and the table's rows."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import fmean, median
from typing import Any

import psutil

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.reporting import Reporter
from purchasing_power.warehouse.dbt_process import parse_event, summarise
from purchasing_power.warehouse.project import Project

HEADER = ("what", "figure", "goal", "ours", "peer or limit", "measured on")
_POLL_SECONDS = 0.05
# A process of its own between us and what is measured: Linux counts a parent's memory as its child's until
# the child has loaded its program, and this one has little.
_LAUNCHER = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
json.dump({"peak": peak, "cpu": used.ru_utime + used.ru_stime}, open(sys.argv[1], "w"))
sys.exit(code)
"""


@dataclass(frozen=True)
class Row:
    """One row of the table; `what` names it.

    Attributes:
        what: what is measured.
        figure: the ratio, or what a row of sizes comes to.
        goal: what it ought to be.
        ours: what this package did.
        other: what the peer, or the limit, did, with its name and version.
        measured_on: sizes, rounds, versions.
    """

    what: str
    figure: str
    goal: str
    ours: str
    other: str
    measured_on: str

    def cells(self) -> tuple[str, ...]:
        """Gives the cells in the order of the header."""
        return (self.what, self.figure, self.goal, self.ours, self.other, self.measured_on)


def merge_rows(present: str, fresh: Sequence[Row], order: Sequence[str]) -> str:
    """Puts fresh rows into a Markdown table, in the place of those of the same name.

    Args:
        present: the table that is there; anything else, or nothing, is dropped.
        fresh: rows that were measured now.
        order: names of all rows in the order in which they shall stand; other names come last, as they were.

    Returns:
        The table.
    """
    rows: dict[str, tuple[str, ...]] = {}
    for line in present.splitlines():
        cells = tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
        if len(cells) == len(HEADER) and cells != HEADER and set(cells[0]) != {"-"}:
            rows[cells[0]] = cells
    rows |= {row.what: tuple(cell.replace("|", "/") for cell in row.cells()) for row in fresh}
    places = {name: place for place, name in enumerate(order)}
    names = sorted(rows, key=lambda name: places.get(name, len(places)))
    lines = [HEADER, ("---",) * len(HEADER), *(rows[name] for name in names)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def slope(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Gives the least-squares slope of log cost over log size: 1 where cost grows as size does.

    Args:
        sizes: [n >= 2] sizes, > 0, not all equal.
        costs: [n] costs, > 0.
    """
    across, up = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    center, middle = fmean(across), fmean(up)
    below = sum((x - center) ** 2 for x in across)
    return sum((x - center) * (y - middle) for x, y in zip(across, up, strict=True)) / below


def times_faster(ours: Sequence[float], others: Sequence[float]) -> float:
    """Gives how many times faster ours is: the median over rounds, since what disturbs a round disturbs both.

    Args:
        ours: [n] seconds of ours, a round each.
        others: [n] seconds of the other in the same rounds.
    """
    return median(other / own for own, other in zip(ours, others, strict=True))


def interleaved(
    rounds: int, parts: Mapping[str, Callable[[], Any]], reporter: Reporter
) -> dict[str, list[Any]]:
    """Runs parts one after the other, `rounds` times, and gives what each returned in each round."""
    found: dict[str, list[Any]] = {name: [] for name in parts}
    for number in range(rounds):
        for name, part in parts.items():
            started = time.perf_counter()
            found[name].append(part())
            reporter.say(f"  round {number + 1} of {rounds}, {name}: {time.perf_counter() - started:.1f} s")
    return found


@dataclass(frozen=True)
class ChildRun:
    """What running a command took.

    Attributes:
        seconds: from its start to its end.
        cpu: seconds that the cores worked for it.
        peak: bytes of memory at most, of the largest of its processes.
        private: the same without what it shares with files, as far as polling saw it; 0 where not asked for.
        output: its last line of output.
    """

    seconds: float
    cpu: float
    peak: int
    private: int
    output: str


def run_child(
    command: Sequence[str],
    working_dir: Path,
    on_line: Callable[[str], None] = lambda line: None,
    *,
    poll: bool = False,
    only: str = "",
) -> ChildRun:
    """Runs a command as a child and measures it.

    Args:
        command: program and arguments.
        working_dir: where it runs.
        on_line: called with each line that it prints.
        poll: look at its memory all the time, to tell private memory from mapped files.
        only: a word of the command line of those processes whose memory counts then.

    Raises:
        PurchasingPowerError: it failed; carries its last lines.
    """
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        usage = Path(name) / "usage.json"
        started = time.perf_counter()
        with (
            subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", _LAUNCHER, str(usage), *command],
                cwd=working_dir,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as process,
            _polled(process.pid, wanted=poll, only=only) as polled,
        ):
            try:
                for line in process.stdout or ():
                    lines.append(line.rstrip())
                    on_line(lines[-1])
            except BaseException:
                _end_family(process.pid)
                raise
            process.wait()
        seconds = time.perf_counter() - started
        if process.returncode != 0:
            raise PurchasingPowerError(
                f"`{' '.join(command[:6])} …` failed in {working_dir}: {_failure(lines)}"
            )
        used = json.loads(usage.read_text())
    return ChildRun(seconds, used["cpu"], used["peak"], polled.most, lines[-1] if lines else "")


def clean_up_when_terminated() -> None:
    """Lets SIGTERM end this process as an error does: children are ended too, and folders removed."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def _failure(lines: Sequence[str]) -> str:
    """Gives the errors of a dbt log, or the last lines of any other."""
    events = [event for event in map(parse_event, lines) if event is not None]
    errors = [event.message for event in events if event.level == "error" and not event.ends_node]
    return summarise(errors) if errors else " / ".join(lines[-5:])


def _end_family(pid: int) -> None:
    """Ends a process and those it started: its own end would leave them running."""
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in reversed(family):
        try:
            member.terminate()
        except psutil.NoSuchProcess:
            continue


@dataclass
class _Polled:
    most: int = 0


@contextmanager
def _polled(pid: int, *, wanted: bool, only: str) -> Iterator[_Polled]:
    """Looks at the memory of the children of a process as long as the block runs."""
    found, over = _Polled(), threading.Event()

    def look() -> None:
        while not over.wait(_POLL_SECONDS):
            try:
                for child in psutil.Process(pid).children(recursive=True):
                    if only and only not in " ".join(child.cmdline()):
                        continue
                    memory = child.memory_info()
                    found.most = max(found.most, memory.rss - getattr(memory, "shared", 0))
            except psutil.Error:
                continue

    thread = threading.Thread(target=look, daemon=True)
    if wanted:
        thread.start()
    try:
        yield found
    finally:
        over.set()
        if wanted:
            thread.join()


@dataclass(frozen=True)
class DbtRun:
    """What a dbt run took.

    Attributes:
        seconds: the whole command, dbt's own start and parsing included.
        cpu: seconds that the cores worked for it.
        models: model -> seconds of its execution.
        span: seconds from the first model's start to the last one's end.
        peak: bytes of memory at most.
        private: the same without mapped files; 0 where not asked for.
    """

    seconds: float
    cpu: float
    models: dict[str, float]
    span: float
    peak: int
    private: int


def show_models(runs: Sequence[DbtRun], title: str, reporter: Reporter, count: int = 12) -> None:
    """Shows which models took longest, by the median of some runs."""
    took = {name: median(run.models[name] for run in runs) for name in runs[0].models}
    slowest = sorted(took.items(), key=lambda entry: -entry[1])[:count]
    # As a line of its own, because a table's title is folded to the table's width.
    reporter.say(title)
    reporter.table(("model", "seconds"), [(name, f"{seconds:.2f}") for name, seconds in slowest])


def run_dbt(project: Project, arguments: Sequence[str], reporter: Reporter, *, poll: bool = False) -> DbtRun:
    """Runs dbt on a project as a user does on the command line, and reads what it says of itself.

    Raises:
        PurchasingPowerError: dbt failed.
    """
    command = [
        *(sys.executable, "-m", "dbt.cli.main", "--log-format", "json", "--no-use-colors"),
        *arguments,
        *("--project-dir", str(project.project_dir), "--profiles-dir", str(project.profiles_dir)),
    ]
    with reporter.progress(f"dbt {arguments[0]}") as tick:

        def watch(line: str) -> None:
            event = parse_event(line)
            if event is not None and event.ends_node:
                done, total = int(event.data.get("index", 0)), int(event.data.get("total", 0))
                name = event.data.get("node_info", {}).get("node_name", "")
                tick(done, total, str(name), False)

        child = run_child(command, project.project_dir, watch, poll=poll)
    models, span = read_run_results(project.project_dir / "target" / "run_results.json")
    return DbtRun(child.seconds, child.cpu, models, span, child.peak, child.private)


def read_run_results(path: Path) -> tuple[dict[str, float], float]:
    """Reads what dbt wrote of its last run.

    Returns:
        Model -> seconds of its execution, and the seconds from the first one's start to the last one's end.
    """
    results = json.loads(path.read_text(encoding="utf-8"))["results"]
    ran = [entry for entry in results if entry["unique_id"].startswith("model.")]
    models = {entry["unique_id"].split(".")[-1]: float(entry["execution_time"]) for entry in ran}
    times = [
        (datetime.fromisoformat(part["started_at"]), datetime.fromisoformat(part["completed_at"]))
        for entry in ran
        for part in entry["timing"]
        if part["name"] == "execute" and part["completed_at"]
    ]
    span = (max(end for _, end in times) - min(begin for begin, _ in times)).total_seconds() if times else 0.0
    return models, span


@dataclass
class Ledger:
    """Figures that take long, kept in a file, so that a run that was cut off goes on where it was.

    Attributes:
        path: the file, or None to keep nothing.
    """

    path: Path | None
    _known: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Reads what earlier runs found."""
        if self.path is not None and self.path.is_file():
            self._known = json.loads(self.path.read_text(encoding="utf-8"))

    def once(self, key: str, measure: Callable[[], Any]) -> Any:
        """Gives what is known under a key, or measures and keeps it; values are what JSON holds."""
        if key not in self._known:
            self._known[key] = measure()
            if self.path is not None:
                partial = self.path.with_suffix(".partial")
                partial.write_text(json.dumps(self._known, indent=1), encoding="utf-8")
                partial.replace(self.path)
        return self._known[key]
