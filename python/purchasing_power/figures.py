"""How measured figures are shown."""

from __future__ import annotations

from purchasing_power.reporting import Reporter
from purchasing_power.warehouse.registry import Measurement

# What the table shows, of all that is measured and stored: name, header, form.
_SHOWN = (
    ("normalized_gini", "norm. Gini", "{:.3f}"),
    ("spearman", "Spearman", "{:.3f}"),
    ("mae_over_mean", "MAE / mean", "{:.3f}"),
    ("bias", "bias", "{:+.3f}"),
    ("buy_auc", "buy AUC", "{:.3f}"),
    ("average_precision", "avg. prec.", "{:.3f}"),
    ("top_fifth_auc", "top-5th AUC", "{:.3f}"),
    ("top_fifth_accuracy", "top-5th acc.", "{:.3f}"),
    ("top_fifth_f1", "top-5th F1", "{:.3f}"),
    ("tier_macro_f1", "tier F1", "{:.3f}"),
    ("coverage_p10_p90", "in p10..p90", "{:.0%}"),
)


def show_measurements(measurements: list[Measurement], reporter: Reporter) -> None:
    """Shows the figures that matter most, a method a row, the best order of users first."""
    by_method: dict[str, dict[str, float]] = {}
    for row in measurements:
        by_method.setdefault(row.method, {})[row.metric] = row.value
    best_first = sorted(by_method.items(), key=lambda entry: -entry[1].get("normalized_gini", 0.0))
    reporter.table(
        ("method", *(header for _, header, _ in _SHOWN)),
        [
            (method, *(form.format(values[name]) if name in values else "-" for name, _, form in _SHOWN))
            for method, values in best_first
        ],
    )
