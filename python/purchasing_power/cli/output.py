"""What the commands print: tables or JSON, bars on a terminal, plain lines elsewhere."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from purchasing_power.reporting import Reporter, Tick

# Wide enough that a line in a log file or a pipe is not folded.
_PLAIN_WIDTH = 140

# Numbers stand out from words.
_NUMBER_STYLE = "bright_cyan"


def make_console(*, stderr: bool = False) -> Console:
    """Gives a console; one that is not a terminal gets neither colours nor folding at 80 columns."""
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_PLAIN_WIDTH)


class ConsoleReporter(Reporter):
    """Tells what goes on, in a console."""

    def __init__(self, console: Console) -> None:
        """Takes the console to print on."""
        self._console = console

    def say(self, text: str) -> None:
        """Prints a line."""
        self._console.print(text, markup=False, soft_wrap=True)

    def heading(self, text: str) -> None:
        """Prints a heading."""
        self._console.print()
        self._console.print(text, style="bold", markup=False)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        """Prints a table; columns that hold numbers are right, but for the first."""
        table = Table(title=title or None, title_justify="left", title_style="", box=None, pad_edge=False)
        for position, column in enumerate(columns):
            numeric = position > 0 and any(_is_number(row[position]) for row in rows)
            table.add_column(
                column, justify="right" if numeric else "left", style=_NUMBER_STYLE if numeric else None
            )
        for row in rows:
            table.add_row(*row)
        self._console.print(table)

    @contextmanager
    def progress(self, label: str) -> Iterator[Tick]:
        """Draws a bar on a terminal; elsewhere prints only what a tick calls notable."""
        if not self._console.is_terminal:
            yield lambda done, total, detail, notable: self.say(f"  {label}: {detail}") if notable else None
            return
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[detail]}"),
        )
        with Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(label, total=None, detail="")

            def tick(done: int, total: int, detail: str, notable: bool) -> None:
                bar.update(task, completed=done, total=total, detail=detail[:60])

            yield tick


def print_json(value: Any) -> None:
    """Prints a value as JSON on standard output, dates and times in ISO form."""
    print(to_json(value))


def to_json(value: Any) -> str:
    """Writes a value as JSON, dates and times in ISO form."""
    return json.dumps(value, indent=2, default=str, ensure_ascii=False)


def records(rows: Sequence[Mapping[str, Any]], show: Mapping[str, Callable[[Any], str]]) -> list[list[str]]:
    """Formats rows for a table, a column after the other."""
    return [[form(row[name]) for name, form in show.items()] for row in rows]


def _is_number(text: str) -> bool:
    return text.lstrip("-$€£+").replace(",", "").replace(".", "").rstrip("% s").isdigit()
