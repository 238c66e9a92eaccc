"""Remembers which steps of the demo are done, inside the demo's own warehouse.

So that a second run reuses what is there, and one over a deleted warehouse starts from nothing.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from purchasing_power.reporting import Reporter
from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.project import Project

_SCHEMA = "demo"
_TABLE = f"{_SCHEMA}.finished_steps"


@dataclass
class Steps:
    """Runs steps in order, skipping those whose inputs are what they were.

    Attributes:
        project: the demo's dbt project, whose warehouse holds the memory.
        reporter: where headings and timings go.
        total: how many steps there will be.
        seconds: what each step took, by its title; 0 for a reused one.
    """

    project: Project
    reporter: Reporter
    total: int
    seconds: dict[str, float] = field(default_factory=dict)
    _chain: str = ""

    def run(self, title: str, inputs: str, work: Callable[[], None]) -> bool:
        """Runs a step unless it ran before on the same inputs, its own and those of all steps before it.

        Args:
            title: the step's heading.
            inputs: hash of what the step reads, besides what earlier steps made.
            work: does the step.

        Returns:
            Whether it ran; False where it was reused.
        """
        self._chain = hashlib.sha256(f"{self._chain}\n{title}\n{inputs}".encode()).hexdigest()
        self.reporter.heading(f"{len(self.seconds) + 1}/{self.total}  {title}")
        if self._recalled(title) == self._chain:
            self.reporter.say("Reused: nothing that this step reads has changed.")
            self.seconds[title] = 0.0
            return False
        started = time.monotonic()
        work()
        self.seconds[title] = time.monotonic() - started
        self._remember(title)
        self.reporter.say(f"Done in {self.seconds[title]:.0f} s")
        return True

    def _recalled(self, title: str) -> str | None:
        with connect(self.project) as connection:
            if not connection.exists(_TABLE):
                return None
            rows = connection.fetch(f"select fingerprint from {_TABLE} where title = ?", [title])
        return str(rows[0]["fingerprint"]) if rows else None

    def _remember(self, title: str) -> None:
        row = {"title": title, "fingerprint": self._chain}
        with connect(self.project) as connection:
            connection.create_schema(_SCHEMA)
            if connection.exists(_TABLE):
                connection.delete(_TABLE, "title = ?", [title])
                connection.insert(_TABLE, [row])
            else:
                connection.load(_TABLE, pa.Table.from_pylist([row]).to_reader())


def hash_of_files(folders: Iterable[Path], suffixes: tuple[str, ...]) -> str:
    """Hashes the content of all files with these suffixes below folders, or of files named themselves."""
    digest = hashlib.sha256()
    for folder in folders:
        files = [folder] if folder.is_file() else sorted(folder.rglob("*"))
        for path in files:
            if path.suffix in suffixes and path.is_file():
                digest.update(f"{path.relative_to(folder.parent)}\n".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()
