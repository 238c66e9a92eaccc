"""Writes the public tables as Parquet, for readers that must neither wait for a run nor make it wait."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.reporting import Reporter
from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import require

FOLDER_VAR = "purchasing_power__publish_to"
# The name that readers use; it points to the newest complete version.
CURRENT = "current"
# A DuckDB file of views on the others.
CATALOGUE = "purchasing_power.duckdb"
_VERSIONS = "versions"
_PARTIAL = ".partial"
# Who has opened the version before may still read it.
_KEPT = 2
# How long another publishing into the same folder is waited for.
_OTHERS_SECONDS = 600

PUBLISHED = tuple(
    f"purchasing_power__{name}"
    for name in (
        "scores",
        "score_explanations",
        "feature_importance",
        "matured_scores",
        "user_segments",
        "segments",
        "segment_moves",
        "ad_audiences",
        "ad_audience_sizes",
        "price_band_recommendations",
        "price_band_products",
        "price_band_evaluation",
        "risk_watchlist",
        "model_metrics",
        "model_curves",
    )
)


def folder_of(project: Project, to: Path | None) -> Path | None:
    """Gives the folder to publish to: what the command names, else what the var does, else None.

    Raises:
        PurchasingPowerError: the var is no path.
    """
    if to is not None:
        return to
    named = project.var(FOLDER_VAR, None)
    if named is None:
        return None
    if not isinstance(named, str) or not named.strip():
        raise PurchasingPowerError(f"{FOLDER_VAR} is {named!r}: write the path of a folder, or null.")
    return project.project_dir / named


def run_publish(project: Project, folder: Path, reporter: Reporter) -> dict[str, int]:
    """Writes all public tables into a version of their own, then lets `current` point to it, at once.

    Whoever reads by way of `current` sees the tables of one run, complete, whatever happens here.

    Args:
        project: the dbt project, scored and with its marts built.
        folder: where to; made where it is not there.
        reporter: where it is told.

    Returns:
        Table -> rows.

    Raises:
        PurchasingPowerError: a table is not built, or the folder cannot be written.
    """
    with _alone(folder):
        rows = _publish(project, folder, reporter)
    reporter.say(f"Published {len(rows)} tables, {sum(rows.values()):,} rows, to {folder / CURRENT}")
    return rows


def _publish(project: Project, folder: Path, reporter: Reporter) -> dict[str, int]:
    versions = folder / _VERSIONS
    target = versions / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    partial = target.with_suffix(_PARTIAL)
    rows: dict[str, int] = {}
    try:
        partial.mkdir(parents=True)
        project.relation_names()
        with connect(project, read_only=True) as connection, reporter.progress("publishing") as tick:
            for place, model in enumerate(PUBLISHED, start=1):
                relation = require(connection, project, model, "purchasing-power run")
                with (
                    connection.query(f"select * from {relation}") as reader,
                    pq.ParquetWriter(
                        partial / f"{model}.parquet", reader.schema, compression="zstd"
                    ) as writer,
                ):
                    rows[model] = 0
                    for batch in reader:
                        writer.write_batch(batch)
                        rows[model] += batch.num_rows
                tick(place, len(PUBLISHED), model, False)
        partial.rename(target)
        _write_catalogue(target.resolve())
        _point(folder / CURRENT, target)
    except (OSError, duckdb.Error) as error:
        shutil.rmtree(target, ignore_errors=True)
        raise _unpublished(folder, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _forget_old(versions, folder / CURRENT)
    return rows


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps others from publishing there meanwhile, and takes away what one that was killed has left."""
    try:
        _refuse_foreign(folder)
        folder.mkdir(parents=True, exist_ok=True)
        held = FileLock(folder / ".lock", timeout=_OTHERS_SECONDS).acquire()
    except Timeout as error:
        raise PurchasingPowerError(
            f"Somebody else has been publishing to {folder} for {_OTHERS_SECONDS // 60} minutes: end that, "
            "or wait for it, and run the same command again."
        ) from error
    except OSError as error:
        raise _unpublished(folder, error) from error
    with held:
        for left in [*folder.glob(f".{CURRENT}.*"), *folder.glob(f"{_VERSIONS}/*{_PARTIAL}")]:
            if left.is_symlink():
                left.unlink()
            else:
                shutil.rmtree(left, ignore_errors=True)
        yield


def _unpublished(folder: Path, error: Exception) -> PurchasingPowerError:
    reason = getattr(error, "strerror", None) or error
    return PurchasingPowerError(
        f"The tables cannot be published to {folder}: {reason}; what was published before stays."
    )


def remove_earlier(folder: Path) -> None:
    """Removes every version but the newest, also from under those who still read it."""
    for path in (folder / _VERSIONS).iterdir():
        if path.resolve() != (folder / CURRENT).resolve():
            shutil.rmtree(path, ignore_errors=True)


def _write_catalogue(version: Path) -> None:
    """Makes a DuckDB file of views on the files, for tools that speak SQL and look for tables.

    Views name the files of their own version, by whole paths: DuckDB looks for others where the reader works.
    """
    with duckdb.connect(str(version / CATALOGUE)) as catalogue:
        for model in PUBLISHED:
            path = str(version / f"{model}.parquet").replace("'", "''")
            catalogue.execute(f"create view {model} as from read_parquet('{path}')")


def _refuse_foreign(folder: Path) -> None:
    current = folder / CURRENT
    if current.exists() and not current.is_symlink():
        raise PurchasingPowerError(
            f"{current} is there and was not published by this command: name another folder with --to."
        )


def _point(link: Path, target: Path) -> None:
    """Exchanges a link for another in one step."""
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target.relative_to(link.parent), target_is_directory=True)
    fresh.replace(link)


def _forget_old(versions: Path, current: Path) -> None:
    complete = sorted(path for path in versions.iterdir() if path.is_dir())
    for path in complete[:-_KEPT]:
        if path.resolve() != current.resolve():
            shutil.rmtree(path, ignore_errors=True)
