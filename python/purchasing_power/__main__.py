"""Runs the command line with `python -m purchasing_power`."""

from purchasing_power.cli import main

main()
