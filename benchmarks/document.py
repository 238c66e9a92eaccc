"""Puts measured tables into docs/benchmarks.md, each between two markers of its name."""

from __future__ import annotations

from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def write_table(name: str, text: str) -> None:
    """Puts the text between the markers of that name, at once or not at all."""
    before, _, after = _parts(name)
    temporary = DOCUMENT.with_suffix(".tmp")
    temporary.write_text(f"{before}\n{text}\n{after}", encoding="utf-8")
    temporary.replace(DOCUMENT)


def read_table(name: str) -> str:
    """Gives the text between the markers of that name."""
    return _parts(name)[1].strip()


def _parts(name: str) -> tuple[str, str, str]:
    """Gives the page up to the first marker, what stands between the two, and the page from the second on."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    page = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = page.partition(begin)
    between, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{DOCUMENT} has no place for the table: put the lines {begin} and {end} into it.")
    return before + begin, between, end + after
