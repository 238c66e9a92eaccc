"""How long work tells of itself, without knowing where it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

# done, total, what is going on, and whether it is worth a line where no bar can be drawn.
Tick = Callable[[int, int, str, bool], None]


class Reporter(Protocol):
    """Where orchestration tells what it does; the command line draws it, tests collect it."""

    def say(self, text: str) -> None:
        """Tells one line."""
        ...

    def heading(self, text: str) -> None:
        """Starts a part."""
        ...

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        """Shows a table of ready-made texts."""
        ...

    @contextmanager
    def progress(self, label: str) -> Iterator[Tick]:
        """Shows how far a piece of work is, as long as the block runs."""
        ...


class Silent:
    """A reporter that keeps everything to itself."""

    def say(self, text: str) -> None:
        """Drops a line."""

    def heading(self, text: str) -> None:
        """Drops a heading."""

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        """Drops a table."""

    @contextmanager
    def progress(self, label: str) -> Iterator[Tick]:
        """Drops progress."""
        yield lambda done, total, text, notable: None
