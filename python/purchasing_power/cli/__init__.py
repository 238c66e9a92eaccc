"""The command line: it parses and calls, and prints a user's mistake as one sentence."""

from purchasing_power.cli.app import main

__all__ = ["main"]
