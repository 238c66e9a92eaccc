"""What the accuracy benchmark writes: the best in bold, and in how many cells ours leads."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from test_bootstrap import CUTS, make_users

from purchasing_power.evaluation import bootstrap_figures, evaluate

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> str:
    pytest.importorskip("lifetimes")
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import accuracy

    spend, predictions = make_users(600)
    runs = {f"run {seed}": make_users(600)[1]["far"] for seed in range(2)}
    methods = {**runs, "near": predictions["near"], "again": predictions["ranked by money"]}
    figures = {name: evaluate(each, spend, spend > 0, CUTS) for name, each in methods.items()}
    found = accuracy.Measured(
        title="A shop",
        about="600 users",
        figures={"ours": figures["run 0"], "near": figures["near"], "again": figures["again"]},
        runs=[figures["run 0"], figures["run 1"]],
        bootstrap=bootstrap_figures(methods, spend, spend > 0, CUTS).with_median("ours", list(runs)),
        seconds={"ours": 12.4},
        notes=["A note."],
    )
    return str(accuracy.write(found, {"spearman": 1.0}))


def test_the_best_of_a_row_is_bold(table: str) -> None:
    rows = {line.split(" | ")[0].removeprefix("| "): line.split(" | ") for line in table.splitlines()}
    assert rows["metric"][1:5] == ["ours", "near", "again", "truth"]
    ours, near, again, truth = rows["spearman"][1:5]
    assert near.startswith("**") and not ours.startswith("**")
    # What nothing can beat does not take the bold from the best method.
    assert truth == "1.000"
    assert " to " in ours and " to " not in again
    assert rows["coverage_p10_p90"][3] == "-"
    assert rows["seconds"][1:3] == ["12", "-"]


def test_cells_count_where_ours_leads(table: str) -> None:
    (line,) = [line for line in table.splitlines() if line.startswith("Cell by cell")]
    # The other method is nearer to the truth in every respect, and on 600 users that is no luck.
    assert "ahead of the best other method in 0 of 10 main metrics" in line
    assert "spearman (near)" in line and "normalized_gini (near)" in line
    assert table.endswith("A note.")
