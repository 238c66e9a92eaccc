"""Writes a shop's tables to a folder that appears when it is complete."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.simulator.tables import TABLES, Rows, Words, schema_of, to_arrow

VARS_FILE = "purchasing_power_vars.yml"
FILES = (*(f"{table}.parquet" for table in TABLES), VARS_FILE)


class ShopWriter:
    """One open Parquet file a table; each call adds a row group, so nothing is kept."""

    def __init__(self, folder: Path) -> None:
        """Opens the files in a folder that exists."""
        self.rows = dict.fromkeys(TABLES, 0)
        self._files = {
            table: pq.ParquetWriter(folder / f"{table}.parquet", schema_of(table), compression="zstd")
            for table in TABLES
        }

    def write(self, rows: Rows, words: Words) -> None:
        """Appends rows to their table."""
        if len(rows):
            self._files[rows.table].write_table(to_arrow(rows, words), row_group_size=len(rows))
            self.rows[rows.table] += len(rows)

    def close(self) -> None:
        """Finishes the files."""
        for file in self._files.values():
            file.close()


def refuse_taken_folder(out: Path, *, overwrite: bool) -> None:
    """Makes sure that writing to a folder destroys nothing that the user did not mean.

    Raises:
        PurchasingPowerError: it is a file, holds files without `overwrite`, or holds files of somebody else.
    """
    if out.exists() and not out.is_dir():
        raise PurchasingPowerError(f"{out} is a file: name a folder with --out.")
    there = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    if there and not overwrite:
        raise PurchasingPowerError(
            f"{out} holds {len(there)} files already: name another folder, or add --overwrite."
        )
    foreign = [name for name in there if name not in FILES]
    if foreign:
        raise PurchasingPowerError(
            f"{out} holds {foreign[0]}, which no simulated shop consists of, so it is not overwritten: name "
            "another folder."
        )


@contextmanager
def complete_or_nothing(out: Path) -> Iterator[Path]:
    """Gives a folder beside `out` to write to, which takes its place when the block ends without an error.

    Raises:
        PurchasingPowerError: the folder cannot be written.
    """
    target = out.resolve()
    partial, retired = (target.with_name(f".{target.name}.{state}") for state in ("partial", "retired"))
    try:
        # What a killed run left.
        for leftover in (partial, retired):
            shutil.rmtree(leftover, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        if target.exists():
            target.rename(retired)
        partial.rename(target)
    except OSError as error:
        raise PurchasingPowerError(
            f"The shop cannot be written to {out}: {error.strerror or error}."
        ) from error
    finally:
        for leftover in (partial, retired):
            shutil.rmtree(leftover, ignore_errors=True)
