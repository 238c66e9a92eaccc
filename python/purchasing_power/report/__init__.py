"""The report: one HTML file that opens anywhere, drawn from the warehouse alone."""

from purchasing_power.report.texts import LANGUAGES
from purchasing_power.report.writing import write_report

__all__ = ["LANGUAGES", "write_report"]
