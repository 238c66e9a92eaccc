"""Hours of trouble, and what became of it, into docs/reliability.md.

python tests/soak/soak.py [--only cases kills faults alarms generated] [--kills 8] [--quiet 10] [--seeds 3] [--minutes 60]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias
from xml.etree import ElementTree

_TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(_TESTS / "python"))

import alarms  # noqa: E402
import faults  # noqa: E402
import generated  # noqa: E402
import kills  # noqa: E402
from document import write_table  # noqa: E402

# What a file's tests try; the longest first, as two run side by side.
_CASES = {
    "python/test_dbt_spark.py": "Spark: daily runs, a worker killed, people erased",
    "python/test_dbt_postgres.py": "PostgreSQL: daily runs, roles, faults, people erased",
    "soak/test_odd_shops.py": "shops of odd shapes, up to a million users",
    "python/test_dbt_bad_input.py": "mappings, vars, models that do not fit",
    "python/test_dbt_messy_shop.py": "shops that do what others do not",
    "python/test_dbt_bad_rows.py": "rows, from raw tables to alarms",
    "python/test_dbt_personal.py": "people erased, exported, and named by pseudonyms",
    "python/test_model_attacks.py": "damaged, foreign and hostile model files",
}

# By the file's name in JUnit files, and the test's.
_Cases: TypeAlias = dict[tuple[str | None, str | None], ElementTree.Element]


def run_cases(reports: Sequence[Path]) -> None:
    """Counts the cases of the test suite, and how many passed.

    Args:
        reports: JUnit files of runs that were made before, of which the last counts; the files of tests that
            none of them names are run.
    """
    cases: _Cases = {}
    for path in reports:
        cases |= _cases_of(path)
    made = {module for module, _ in cases}
    files = [str(_TESTS / name) for name in _CASES if _module(name) not in made]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            *(sys.executable, "-m", "pytest", "--quiet", "--durations=40", f"--junit-xml={report}"),
            *("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder", *files),
        ]
        if files:
            subprocess.run(command, check=False, env={**os.environ, "TWIN_SHOP_ALL_DAYS": "1"})
            cases |= _cases_of(report)
    rows = []
    for name, what in _CASES.items():
        found = [
            case
            for (module, _), case in cases.items()
            if module == _module(name) and case.find("skipped") is None
        ]
        wrong = [case for case in found if case.find("failure") is not None or case.find("error") is not None]
        rows.append((f"`{Path(name).name}`", what, len(found), len(found) - len(wrong)))
    rows.append(("all", "", sum(row[2] for row in rows), sum(row[3] for row in rows)))
    write_table("cases", ("test file", "what it tries", "cases", "passed"), rows)


def _cases_of(report: Path) -> _Cases:
    return {
        (case.get("classname"), case.get("name")): case for case in ElementTree.parse(report).iter("testcase")
    }


def _module(name: str) -> str:
    """Gives what JUnit files call a file of tests."""
    return f"tests.{name.removesuffix('.py').replace('/', '.')}"


def main() -> None:
    """Runs the parts that were asked for."""
    parts = ("cases", "kills", "faults", "alarms", "generated")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument(
        "--reports",
        nargs="+",
        type=Path,
        default=(),
        help="JUnit files of tests that ran, which are not run again (make test leaves two in .pytest_cache)",
    )
    parser.add_argument("--kills", type=int, default=8, help="kills of each command")
    parser.add_argument("--seed", type=int, default=1, help="seed of the moments")
    parser.add_argument("--faults", type=int, default=3, help="times that each fault is injected")
    parser.add_argument("--quiet", type=int, default=10, help="quiet shops")
    parser.add_argument("--seeds", type=int, default=3, help="shops with each planted shift")
    parser.add_argument("--minutes", type=float, default=60, help="how long input is generated")
    given = parser.parse_args()
    if "cases" in given.only:
        run_cases(given.reports)
    if "kills" in given.only:
        kills.run(given.kills, given.seed)
    if "faults" in given.only:
        faults.run(given.faults, given.seed)
    if "alarms" in given.only:
        alarms.run(given.quiet, given.seeds)
    if "generated" in given.only:
        generated.run(given.minutes)


if __name__ == "__main__":
    main()
