"""What the package holds about one person: given to them, or erased."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import purchasing_power.publish as published
from purchasing_power.errors import PurchasingPowerError
from purchasing_power.reporting import Reporter
from purchasing_power.warehouse.connection import Connection, connect
from purchasing_power.warehouse.project import PACKAGE, PackageModel, Project
from purchasing_power.warehouse.pseudonyms import KEY_VARIABLE, key_of_environment, pseudonym

REPORT_FILE = "purchasing_power_report.html"
# Views of the shop's own tables; what is in them is the shop's to delete.
_INPUTS = tuple(
    f"purchasing_power__{name}" for name in ("order_lines", "browse_events", "reviews", "customers")
)
_STAGED_REVIEWS = "stg_purchasing_power__reviews"
_USER, _TEXT = "user_id", "text_md5"


def export_user(project: Project, user_id: str) -> dict[str, list[dict[str, Any]]]:
    """Gives every row of a person: what the shop's tables say of them, and what was made of it.

    Args:
        project: the dbt project.
        user_id: the person, as the shop's tables name them.

    Returns:
        Model -> rows, of the public models that have a row of theirs.

    Raises:
        PurchasingPowerError: nothing is known about them, or nothing is built yet.
    """
    models = project.package_models()
    (user_id,) = _as_named(project, [user_id])
    found = {}
    # Relations of files may be named relative to the project.
    with contextlib.chdir(project.project_dir), connect(project, read_only=True) as connection:
        for model in models:
            if model.is_public and _USER in _columns(connection, model):
                rows = connection.fetch(f"select * from {model.relation} where {_USER} = ?", [user_id])
                if rows:
                    found[model.name] = rows
    if not found:
        raise PurchasingPowerError(
            f"No table of the package has a row of the user {user_id!r}: give the id as it stands in the "
            "mapped user_id."
        )
    return found


def forget_users(
    project: Project, user_ids: Sequence[str], reporter: Reporter, *, keep_inputs: bool = False
) -> dict[str, int]:
    """Erases people from every table of the package, and from the files that it wrote.

    In one transaction where the engine has them. Afterwards the bytes are gone too: a DuckDB database is
    written anew, PostgreSQL rewrites the tables, Spark has. What was published is published again, a
    report that may name them is removed, and what training kept on disk.

    Args:
        project: the dbt project.
        user_ids: the people, as the shop's tables name them.
        reporter: where it is told.
        keep_inputs: erase them although the shop's own tables still have rows of theirs, which the next run
            will take for a new user's.

    Returns:
        Model -> rows that were erased.

    Raises:
        PurchasingPowerError: the shop's own tables still have rows of theirs.
    """
    models = project.package_models()
    user_ids = _as_named(project, user_ids)
    folder = published.folder_of(project, None)
    places = ", ".join("?" * len(user_ids))
    theirs = f"{_USER} in ({places})"
    erased: dict[str, int] = {}
    holders: list[str] = []
    with contextlib.chdir(project.project_dir), connect(project) as connection:
        if not keep_inputs:
            _refuse_inputs(connection, models, theirs, user_ids)
        texts = _texts(connection, models, theirs, user_ids)
        with connection.transaction(), reporter.progress("Erasing") as tick:
            for place, model in enumerate(models, start=1):
                if model.is_table:
                    columns = _columns(connection, model)
                    if _USER in columns or _TEXT in columns:
                        holders.append(model.relation)
                    for column, values in ((_USER, user_ids), (_TEXT, texts)):
                        if column in columns and values:
                            count = _erase(connection, model, column, values)
                            erased[model.name] = erased.get(model.name, 0) + count
                tick(place, len(models), model.name, False)
        erased = {name: count for name, count in erased.items() if count}
        # Those without a row of theirs too: what a run took out of one before may still be in its file.
        connection.purge(holders)
    _remove_files(project, reporter)
    if folder is not None and (folder / published.CURRENT).exists():
        published.run_publish(project, folder, reporter)
        published.remove_earlier(folder)
    return erased


def _as_named(project: Project, user_ids: Sequence[str]) -> list[str]:
    """Gives ids as the package's tables have them: pseudonyms, where it makes them."""
    if not project.var("purchasing_power__pseudonymise", False):
        return list(user_ids)
    key = key_of_environment()
    if key is None:
        raise PurchasingPowerError(
            "Ids are pseudonyms here (purchasing_power__pseudonymise), and there is no key to make them: "
            f"set the environment variable {KEY_VARIABLE}."
        )
    return [pseudonym(user_id, key) for user_id in user_ids]


def _erase(connection: Connection, model: PackageModel, column: str, values: Sequence[str]) -> int:
    condition = f"{column} in ({', '.join('?' * len(values))})"
    (counted,) = connection.fetch(
        f"select count(*) as found from {model.relation} where {condition}", list(values)
    )
    if counted["found"]:
        connection.delete(model.relation, condition, list(values))
    return int(counted["found"])


def _refuse_inputs(
    connection: Connection, models: Sequence[PackageModel], theirs: str, user_ids: Sequence[str]
) -> None:
    found = []
    for model in models:
        if model.name in _INPUTS and _columns(connection, model):
            (counted,) = connection.fetch(
                f"select count(*) as found from {model.relation} where {theirs}", list(user_ids)
            )
            if counted["found"]:
                found.append(f"{counted['found']:,} in what is mapped as {model.name.partition('__')[2]}")
    if found:
        raise PurchasingPowerError(
            f"The shop's own tables still have rows of theirs ({', '.join(found)}): delete those first, or "
            "the next run takes them for a new user's; or erase what the package made all the same with "
            "--keep-inputs. Nothing was erased."
        )


def _texts(
    connection: Connection, models: Sequence[PackageModel], theirs: str, user_ids: Sequence[str]
) -> list[str]:
    """Gives the digests by which tables know the texts of their reviews."""
    for model in models:
        if model.name == _STAGED_REVIEWS and _columns(connection, model):
            rows = connection.fetch(
                f"select distinct md5(review_text) as digest from {model.relation} "
                f"where review_text is not null and {theirs}",
                list(user_ids),
            )
            return [row["digest"] for row in rows]
    return []


def _columns(connection: Connection, model: PackageModel) -> list[str]:
    """Names a relation's columns; none where it is not built."""
    if not connection.exists(model.relation):
        return []
    with connection.query(f"select * from {model.relation} where 1 = 0") as reader:
        return list(reader.schema.names)


def _remove_files(project: Project, reporter: Reporter) -> None:
    # What training reads from disk is written anew by each training.
    shutil.rmtree(project.project_dir / "target" / PACKAGE / "training", ignore_errors=True)
    report: Path = project.project_dir / REPORT_FILE
    if report.exists():
        report.unlink()
        reporter.say(
            f"{report.name} may have named them and is gone: `purchasing-power report` writes it again."
        )
