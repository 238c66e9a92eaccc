"""Commands in processes of their own that have dbt imported already: importing it takes two seconds of a core."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# What each command is when it is typed, by the module that `python -m` would run.
DBT, OURS = "dbt.cli.main", "purchasing_power"
_FORKSERVER = multiprocessing.get_context("forkserver")
# Never TensorFlow or onnxruntime, whose threads a fork would lose.
_FORKSERVER.set_forkserver_preload(["dbt.cli.main", "dbt.adapters.duckdb.impl", "purchasing_power.cli"])


@dataclass(frozen=True)
class Outcome:
    """What a command said and how it ended."""

    returncode: int
    output: str


def run_command(module: str, arguments: Sequence[str], folder: Path) -> Outcome:
    """Runs dbt or purchasing-power in a folder, and gives what it wrote to both of its outputs, without colours."""
    with tempfile.TemporaryDirectory() as written:
        outputs = [Path(written) / name for name in ("stdout", "stderr")]
        process = _FORKSERVER.Process(
            target=_as_typed, args=(module, list(arguments), folder, dict(os.environ), outputs)
        )
        process.start()
        process.join()
        output = "".join(path.read_text(encoding="utf-8") for path in outputs if path.exists())
    assert process.exitcode is not None
    return Outcome(process.exitcode, re.sub(r"\x1b\[[0-9;]*m", "", output))


def _as_typed(
    module: str, arguments: list[str], folder: Path, environment: dict[str, str], outputs: list[Path]
) -> None:
    """Is the process: what the server that it was forked from was started with is not what counts."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, path in zip((1, 2), outputs, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    sys.argv = [module, *arguments]
    try:
        if module == DBT:
            from dbt.cli.main import cli

            cli()
        else:
            from purchasing_power.cli import main

            main()
    finally:
        # Multiprocessing leaves without them, and dbt closes the warehouse there.
        atexit._run_exitfuncs()
