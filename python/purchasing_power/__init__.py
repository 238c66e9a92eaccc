"""Predict every user's purchasing power inside the warehouse."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("purchasing_power")
except PackageNotFoundError:
    # A checkout on sys.path that was never installed still has to say what it is.
    __version__ = "0.0.0"
