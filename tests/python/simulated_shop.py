"""A simulated shop in a folder, and SQL over its Parquet files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from purchasing_power.reporting import Silent
from purchasing_power.simulator import ShopConfig, simulate
from purchasing_power.simulator.tables import TABLES


@dataclass(frozen=True)
class SimulatedShop:
    """The files of one simulated shop."""

    folder: Path
    config: ShopConfig

    @classmethod
    def make(cls, folder: Path, users: int, days: int, **options: Any) -> SimulatedShop:
        """Simulates a shop into a folder."""
        config = ShopConfig(users, days, **options)
        simulate(config, folder, Silent())
        return cls(folder, config)

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Runs SQL in which each table of the shop is a view."""
        with duckdb.connect() as connection:
            connection.execute("set timezone = 'UTC'")
            for table in TABLES:
                file = self.folder / f"{table}.parquet"
                connection.execute(f"create view {table} as from read_parquet('{file}')")
            return connection.execute(query).fetchall()

    def value(self, query: str) -> Any:
        """Runs SQL that gives one value."""
        return self.sql(query)[0][0]
