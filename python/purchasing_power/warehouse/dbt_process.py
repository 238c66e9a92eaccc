"""Runs dbt as a child process and reads its log as events.

dbt's JSON log is its documented way of being watched: each line is one event with a level, a name and
a message, so neither progress nor errors have to be guessed from its text.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from purchasing_power.errors import PurchasingPowerError

# What ends a node's run, by dbt's event names.
_RESULT_EVENTS = frozenset(
    {
        "LogModelResult",
        "LogNodeResult",
        "LogSeedResult",
        "LogSnapshotResult",
        "LogTestResult",
        "LogUnitTestResult",
    }
)
# Enough of dbt's words to act on; the whole stands in logs/dbt.log.
_MESSAGE_LIMIT = 1500


@dataclass(frozen=True)
class DbtEvent:
    """One line of dbt's log.

    Attributes:
        name: dbt's name of the event, such as `LogModelResult`.
        level: `debug`, `info`, `warn` or `error`.
        message: what dbt would print.
        data: the event's own fields; for a node's result `index`, `total`, `status` and `node_info`.
    """

    name: str
    level: str
    message: str
    data: dict[str, Any] = field(repr=False)

    @property
    def ends_node(self) -> bool:
        """Whether a model, test, seed or snapshot has just ended."""
        return self.name in _RESULT_EVENTS


@dataclass(frozen=True)
class DbtResult:
    """What a successful dbt run did: how many nodes ended, by resource type ('model', 'test', ...)."""

    nodes: Counter[str]


def run(
    arguments: Sequence[str],
    working_dir: Path,
    on_event: Callable[[DbtEvent], None] | None = None,
) -> DbtResult:
    """Runs `dbt` with these arguments and waits for it.

    Args:
        arguments: the dbt command and its options.
        working_dir: folder to run in; a relative path of a profile is relative to it.
        on_event: called with every event, in order.

    Raises:
        PurchasingPowerError: dbt ended with an error; carries its message.
    """
    command = [sys.executable, "-m", "dbt.cli.main", "--log-format", "json", "--no-use-colors", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    nodes: Counter[str] = Counter()
    errors: list[str] = []
    with subprocess.Popen(
        command,
        cwd=working_dir,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                event = parse_event(line)
                if event is None:
                    continue
                # A node's result only announces its message, which follows as an event of its own.
                if event.level == "error" and not event.ends_node:
                    errors.append(event.message.strip())
                if event.ends_node:
                    nodes[str(event.data.get("node_info", {}).get("resource_type", "node"))] += 1
                if on_event is not None:
                    on_event(event)
        except BaseException:
            # Otherwise Popen's exit would wait for a dbt that nobody listens to any more.
            process.terminate()
            raise
    if process.returncode != 0:
        raise PurchasingPowerError(
            f"`dbt {arguments[0]}` failed in {working_dir}: {summarise(errors)} "
            "(the whole log stands in logs/dbt.log there)"
        )
    return DbtResult(nodes)


def parse_event(line: str) -> DbtEvent | None:
    """Reads one line of dbt's output; a line that is no JSON event becomes an `info` event of its own text.

    Returns:
        The event, or None for an empty line.
    """
    text = line.rstrip()
    if not text:
        return None
    try:
        record = json.loads(text)
        info = record["info"]
        return DbtEvent(info["name"], info["level"], info["msg"], record.get("data") or {})
    except (ValueError, KeyError, TypeError):
        return DbtEvent("Output", "info", text, {})


def summarise(errors: Sequence[str]) -> str:
    """Joins dbt's error messages into one passage: no repetitions, no macro stacks, no tracebacks."""
    lines: list[str] = []
    for message in errors:
        for line in _without_traceback(message).splitlines():
            stripped = line.strip()
            # dbt's stack of macros says nothing to who did not write them.
            if stripped and stripped not in lines and not stripped.startswith("> "):
                lines.append(stripped)
    passage = " ".join(lines) or "it gave no message."
    return passage if len(passage) <= _MESSAGE_LIMIT else passage[: _MESSAGE_LIMIT - 1] + "…"


def _without_traceback(message: str) -> str:
    """Leaves of a Python model's traceback its last line, the exception, without the class's module."""
    before, found, traceback = message.partition("Traceback (most recent call last):")
    last = traceback.strip().splitlines()[-1:] if found else []
    return "\n".join([before, *(re.sub(r"^(?:\w+\.)+(?=\w+: )", "", line.strip()) for line in last)])
