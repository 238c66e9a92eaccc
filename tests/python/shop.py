"""A real dbt project over a small shop, built the way a user builds it: the one of integration_tests/, copied."""

from __future__ import annotations

import runpy
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import yaml
from commands import DBT, OURS, Outcome, run_command

PACKAGE = Path(__file__).parents[2]
INTEGRATION = PACKAGE / "integration_tests"
PACKAGE_PARTS = ("dbt_project.yml", "models", "macros", "tests")
make_shop = runpy.run_path(str(INTEGRATION / "make_shop.py"))["make_shop"]


@dataclass(frozen=True)
class Shop:
    """One copy of the project, its warehouse included."""

    folder: Path

    @classmethod
    def open(cls, folder: Path, *, days: int = 210) -> Shop:
        """Copies the project, makes the shop's tables and installs the package."""
        shutil.copytree(INTEGRATION / "models", folder / "models")
        for name in ("dbt_project.yml", "profiles.yml", "selectors.yml"):
            shutil.copy(INTEGRATION / name, folder / name)
        shop = cls(folder)
        shop.install(PACKAGE)
        make_shop(folder / "shop", days)
        return shop

    def install(self, package: Path) -> None:
        """Installs a copy of the package, so that a test may change it."""
        target = self.folder / "package"
        shutil.rmtree(target, ignore_errors=True)
        for part in PACKAGE_PARTS:
            source = package / part
            copy = shutil.copytree if source.is_dir() else shutil.copy
            target.mkdir(exist_ok=True)
            copy(source, target / part)
        (self.folder / "packages.yml").write_text("packages:\n  - local: package\n")
        self.dbt("deps", "--quiet")

    def copy(self, folder: Path) -> Shop:
        """Copies the project and its warehouse, so that a test can change them."""
        shutil.copytree(self.folder, folder, symlinks=True)
        # dbt links a local package by its absolute path, which is that of the original.
        link = folder / "dbt_packages" / "purchasing_power"
        link.unlink()
        link.symlink_to(folder / "package")
        return Shop(folder)

    def dbt(self, *arguments: str, variables: dict[str, Any] | None = None) -> Outcome:
        """Runs dbt in the project, with vars beside those of its dbt_project.yml."""
        extra = (
            ["--vars", yaml.safe_dump(variables, default_flow_style=True, width=10_000)] if variables else []
        )
        return run_command(DBT, [*arguments, *extra], self.folder)

    def command(self, *arguments: str) -> Outcome:
        """Runs purchasing-power in the project."""
        return run_command(OURS, arguments, self.folder)

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Runs SQL in the warehouse."""
        with duckdb.connect(str(self.folder / "shop" / "warehouse.duckdb")) as connection:
            return connection.execute(query).fetchall()

    def columns(self, relation: str) -> list[str]:
        """Names the columns of a relation."""
        return [row[0] for row in self.sql(f"describe {relation}")]

    def fingerprint(self) -> dict[str, tuple[Any, ...]]:
        """Gives the rows and an order-free digest of every table of the package that is built."""
        tables = [
            row[0]
            for row in self.sql(
                "select table_name from information_schema.tables"
                " where table_name like '%purchasing_power__%' and table_type = 'BASE TABLE' order by 1"
            )
        ]
        # One query for all, because opening the warehouse for each table takes longer than reading it.
        digests = " union all ".join(
            f"select '{table}', count(*), coalesce(sum(hash(rows)), 0) from {table} as rows"
            for table in tables
        )
        return {table: (rows, digest) for table, rows, digest in self.sql(digests)}

    def inputs(self) -> dict[str, Any]:
        """The mapping in the project's vars."""
        project = yaml.safe_load((self.folder / "dbt_project.yml").read_text())
        return project["vars"]["purchasing_power__inputs"]

    def change_package(self, path: str, old: str, new: str) -> None:
        """Changes the installed package at one place."""
        file = self.folder / "package" / path
        text = file.read_text()
        assert old in text, f"{path} no longer holds {old!r}; the test must be brought up to date"
        file.write_text(text.replace(old, new))


FEATURES = ("build", "--selector", "purchasing_power_features")
SCORING = ("build", "--selector", "purchasing_power_scoring")
MARTS = ("build", "--selector", "purchasing_power_marts")
MONITORING = ("build", "--selector", "purchasing_power_monitoring")
TINY_TRAINING = ("train", "--promote", "--epochs", "2", "--members", "1", "--hidden-size", "16")
