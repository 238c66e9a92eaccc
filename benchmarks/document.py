"""Puts measured tables into docs/benchmarks.md, each between two markers of its name."""

from __future__ import annotations

from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def write_table(name: str, text: str) -> None:
    """Puts the text between the markers of that name, at once or not at all."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    page = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{DOCUMENT} has no place for the table: put the lines {begin} and {end} into it.")
    temporary = DOCUMENT.with_suffix(".tmp")
    temporary.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
    temporary.replace(DOCUMENT)
