from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from built_project import BuiltProject

from purchasing_power.demo.run import run_demo
from purchasing_power.demo.source import TABLES, Source
from purchasing_power.demo.steps import Steps, hash_of_files
from purchasing_power.errors import PurchasingPowerError
from purchasing_power.reporting import Tick
from purchasing_power.training.config import TrainingConfig
from purchasing_power.warehouse.connection import connect


class Notes:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def heading(self, text: str) -> None:
        self.lines.append(f"# {text}")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        self.lines += [" | ".join(row) for row in [columns, *rows]]

    @contextmanager
    def progress(self, label: str) -> Iterator[Tick]:
        yield lambda done, total, detail, notable: None


def run_twice(project: BuiltProject, first: str, second: str) -> tuple[list[str], list[str]]:
    """Runs two steps with an input each, and says which of them did any work; what they tell goes along."""
    worked: list[str] = []
    notes = Notes()
    steps = Steps(project, notes, total=2)
    steps.run("First", first, lambda: worked.append("First"))
    steps.run("Second", second, lambda: worked.append("Second"))
    return worked, notes.lines


def test_a_second_run_reuses_and_says_so(empty_project: BuiltProject) -> None:
    assert run_twice(empty_project, "a", "b")[0] == ["First", "Second"]
    worked, lines = run_twice(empty_project, "a", "b")
    assert worked == []
    assert lines.count("Reused: nothing that this step reads has changed.") == 2
    assert lines[0] == "# 1/2  First"


def test_a_step_runs_again_when_an_earlier_one_changed(empty_project: BuiltProject) -> None:
    run_twice(empty_project, "a", "b")
    assert run_twice(empty_project, "a", "c")[0] == ["Second"]
    assert run_twice(empty_project, "A", "c")[0] == ["First", "Second"]


def test_a_failed_step_is_not_remembered(empty_project: BuiltProject) -> None:
    def fail() -> None:
        raise PurchasingPowerError("no")

    for _ in range(2):
        with pytest.raises(PurchasingPowerError):
            Steps(empty_project, Notes(), total=1).run("First", "a", fail)
    assert run_twice(empty_project, "a", "b")[0] == ["First", "Second"]


def test_a_deleted_warehouse_starts_from_nothing(empty_project: BuiltProject) -> None:
    run_twice(empty_project, "a", "b")
    (empty_project.project_dir / "warehouse.duckdb").unlink()
    assert run_twice(empty_project, "a", "b")[0] == ["First", "Second"]


def test_the_raw_tables_are_the_packages_own(empty_project: BuiltProject) -> None:
    with connect(empty_project) as connection:
        rows = Source.find().load(connection)
        columns = connection.fetch(
            "select column_name from information_schema.columns "
            "where table_schema = 'raw' and table_name = 'transactions' order by ordinal_position"
        )
    assert set(rows) == set(TABLES)
    assert rows["transactions"] == 1_469_307
    assert [row["column_name"] for row in columns][:3] == ["household_id", "store_id", "basket_id"]


def test_the_hash_follows_content_and_names(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.sql").write_text("select 1")
    (tmp_path / "models" / "notes.txt").write_text("ignored")
    before = hash_of_files([tmp_path / "models"], (".sql",))
    (tmp_path / "models" / "notes.txt").write_text("ignored still")
    assert hash_of_files([tmp_path / "models"], (".sql",)) == before
    (tmp_path / "models" / "a.sql").rename(tmp_path / "models" / "b.sql")
    assert hash_of_files([tmp_path / "models"], (".sql",)) != before


def test_a_folder_without_the_demo_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(PurchasingPowerError, match="make demo"):
        run_demo(tmp_path, lambda project: TrainingConfig(), Notes())
