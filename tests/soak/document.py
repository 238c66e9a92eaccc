"""Puts tables into docs/reliability.md, each between two markers of its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"


def write_table(name: str, head: Sequence[str], rows: Sequence[Sequence[object]], note: str = "") -> None:
    """Puts a table, and a line below it, between the markers of that name."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    text = "\n".join([*lines, *(["", note] if note else [])])
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    page = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{DOCUMENT} has no place for the table: put the lines {begin} and {end} into it.")
    temporary = DOCUMENT.with_suffix(".tmp")
    temporary.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
    temporary.replace(DOCUMENT)
    print(text, flush=True)
