"""The command line's frame: which commands there are, and how an error looks."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from purchasing_power import __version__
from purchasing_power.cli import commands, models
from purchasing_power.cli.output import make_console
from purchasing_power.errors import PurchasingPowerError

app = typer.Typer(
    name="purchasing-power",
    help="Predict every user's purchasing power inside the warehouse: who will buy, how much, and why.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    # A traceback is for bugs, and then the plain one tells most.
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"purchasing-power {__version__}")
        raise typer.Exit


@app.callback()
def _frame(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Predict every user's purchasing power inside the warehouse: who will buy, how much, and why."""


app.command("init")(commands.init)
app.command("check")(commands.check)
app.command("prepare")(commands.prepare)
app.command("run")(commands.run)
app.command("score")(commands.score)
app.command("backtest")(commands.backtest)
app.command("train")(commands.train)
app.command("tune")(commands.tune)
app.command("report")(commands.report)
app.command("export")(commands.export)
app.command("forget")(commands.forget)
app.command("publish")(commands.publish)
app.add_typer(models.app, name="models")
app.command("demo")(commands.demo)
app.command("simulate")(commands.simulate)


def main() -> None:
    """Runs the command line; a user's mistake becomes one sentence and exit code 1."""
    try:
        app()
    except PurchasingPowerError as error:
        _print_error(make_console(stderr=True), str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        _print_error(
            make_console(stderr=True),
            "Interrupted. What was complete stays; the same command does the rest, and training goes on.",
        )
        sys.exit(130)


def _print_error(console: Console, text: str) -> None:
    console.print("Error:", style="bold red", end=" ")
    console.print(text, markup=False, soft_wrap=True)
