"""Makes a small shop for the tests: tables with names and types of their own, and the dirt that real ones have.

Usage: python integration_tests/make_shop.py FOLDER [--days N]
"""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FIRST_DAY = dt.datetime(2024, 1, 1)
USERS = 160
ARTICLES = 60


def make_shop(folder: Path, days: int = 210) -> None:
    """Writes `warehouse.duckdb` (schema shop) and `articles.parquet`; the same days always hold the same rows."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20240101)
    prices = np.round(rng.lognormal(2, 0.8, ARTICLES), 2)
    pq.write_table(
        pa.table(
            {
                "article": [f"A{i}" for i in range(ARTICLES)],
                "shelf": [f"shelf {i % 7}" for i in range(ARTICLES)],
                "price": prices,
            }
        ),
        folder / "articles.parquet",
    )
    receipts, clicks = [], []
    habits = rng.gamma(1.2, 0.08, USERS).clip(0.005, 0.6)
    purse = rng.lognormal(0, 0.6, USERS)
    for day in range(days):
        # A generator for each day, so that a longer shop begins with the same rows as a shorter one.
        today = np.random.default_rng([20240101, day])
        for user in np.flatnonzero(today.random(USERS) < habits):
            moment = FIRST_DAY + dt.timedelta(days=day, seconds=int(today.integers(8 * 3600, 20 * 3600)))
            for _ in range(today.integers(1, 6)):
                kind = "cart" if today.random() < 0.3 else "VIEW"
                clicks.append(
                    (f"C{user:04d}", moment - dt.timedelta(minutes=20), kind, int(today.integers(1, 90)))
                )
            if today.random() < 0.6:
                for line in range(today.integers(1, 5)):
                    article = int(today.integers(ARTICLES))
                    pieces = int(today.integers(1, 4))
                    cents = int(100 * prices[article] * pieces * purse[user])
                    receipts.append(
                        (f"R{day}-{user}-{line}", f"R{day}-{user}", f"C{user:04d}", moment.isoformat(),
                         f"A{article}", str(pieces), str(cents), str(cents // 10 if line == 0 else 0))
                    )  # fmt: skip
                if today.random() < 0.08:
                    # A refund of more than this visit brought, of something bought before the log began.
                    receipts.append(
                        (f"F{day}-{user}", f"F{day}-{user}", f"C{user:04d}", moment.isoformat(),
                         "A1", "-1", str(-20_000), "0")
                    )  # fmt: skip
    receipts += _dirt(receipts)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("create schema if not exists shop")
        _replace(connection, "receipt_positions", receipts, [
            "position_no", "receipt_no", "card_no", "paid_at", "article", "pieces", "paid_cents", "rebate_cents",
        ])  # fmt: skip
        _replace(connection, "clicks", clicks, ["visitor", "clicked_at", "kind", "seconds"])


def _dirt(receipts: list[tuple[str, ...]]) -> list[tuple[str | None, ...]]:
    """Rows that cannot be used, one of each kind: repeated, nobody's, no time, no amount, before all time, future."""
    first = list(receipts[0])
    rows: list[tuple[str | None, ...]] = [tuple(first)]
    for position, (column, value) in enumerate(
        [(2, None), (2, " "), (3, "yesterday"), (6, "free"), (6, "nan"), (6, "1e30"), (3, "1970-01-01"), (3, "2999-01-01")]
    ):  # fmt: skip
        row: list[str | None] = [f"D{position}", *first[1:]]
        row[column] = value
        rows.append(tuple(row))
    return rows


def _replace(
    connection: duckdb.DuckDBPyConnection, table: str, rows: list[tuple[object, ...]], columns: list[str]
) -> None:
    batch = pa.table({name: [row[i] for row in rows] for i, name in enumerate(columns)})
    connection.register("batch", batch)
    connection.execute(f"create or replace table shop.{table} as select * from batch")
    connection.unregister("batch")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=210)
    arguments = parser.parse_args()
    make_shop(arguments.folder, arguments.days)
