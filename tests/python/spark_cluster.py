"""A standalone Spark cluster on this machine: a master and its workers, each a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyspark

from dbt_spark_session import prepare_environment

_SECONDS_TO_START = 60


@dataclass(frozen=True)
class SparkCluster:
    """A master's address, and the processes of its workers."""

    master: str
    workers: list[subprocess.Popen[bytes]]

    def kill_a_worker(self) -> None:
        """Ends one worker and its executors, without a warning."""
        _kill(self.workers.pop())


@contextmanager
def serving_spark(folder: Path, workers: int) -> Iterator[SparkCluster]:
    """Keeps a cluster running as long as the block does.

    Args:
        folder: where its processes log and work.
        workers: how many workers, of one core each.
    """
    prepare_environment()
    port = _free_port()
    cluster = SparkCluster(f"spark://127.0.0.1:{port}", [])
    master = _start(folder, "master", "master.Master", "--host", "127.0.0.1", "--port", str(port))
    try:
        for number in range(workers):
            log = f"worker{number}"
            options = (
                "--host",
                "127.0.0.1",
                "--cores",
                "1",
                "--memory",
                "1g",
                "--work-dir",
                str(folder / log),
            )
            cluster.workers.append(_start(folder, log, "worker.Worker", *options, cluster.master))
        _wait_for(folder / "master.log", "Registering worker", workers)
        yield cluster
    finally:
        for process in (*cluster.workers, master):
            _kill(process)


def _start(folder: Path, log: str, service: str, *arguments: str) -> subprocess.Popen[bytes]:
    program = Path(pyspark.__file__).parent / "bin" / "spark-class"
    with (folder / f"{log}.log").open("wb") as output:
        return subprocess.Popen(
            [program, f"org.apache.spark.deploy.{service}", "--webui-port", "0", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"},
            # Executors are of its session, so that they can be ended with it.
            start_new_session=True,
        )


def _wait_for(log: Path, text: str, times: int) -> None:
    until = time.monotonic() + _SECONDS_TO_START
    while log.read_text().count(text) < times:
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.2)


def _kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
