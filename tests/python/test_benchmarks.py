"""What benchmarks write: the best in bold, in how many cells ours leads, what an event in real time costs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import sys
from pathlib import Path

import numpy as np
import pytest
from test_bootstrap import CUTS, make_users
from test_online_scorer import after, bought, scorer

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


def test_events_in_real_time_are_measured_and_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import online

    service = scorer()
    events = [bought(after(day), user_id=user_id) for day in range(5) for user_id in ("known", "new")]
    replayed = online.replay(service, {"known": service.newcomer("known")}, events)
    assert set(replayed.memories) == {"known", "new"}
    assert len(replayed.update_ms) == len(replayed.memory_bytes) == 10
    assert (replayed.update_ms <= replayed.stored_ms).all()

    score = service.score(replayed.memories["new"], dt.date(2024, 3, 9))
    batch = dataclasses.asdict(score)
    assert online.largest_difference(score, batch) == 0
    assert online.largest_difference(score, {**batch, "purchasing_power_tier": "another"}) == 1
    # A low quantile is compared with what matters, the expected spend; a probability with itself.
    one = dataclasses.replace(score, expected_spend=10.0, spend_p10=1.0)
    other = {**dataclasses.asdict(one), "spend_p10": 1.1}
    assert online.largest_difference(one, other) == pytest.approx(0.01)
    halved = {**batch, "purchase_probability": score.purchase_probability / 2}
    assert online.largest_difference(score, halved) == pytest.approx(1)

    text = online.report(replayed, np.array([1e-7, 2e-5]), recomputed=3)
    assert "10 events onto the memories of 2 users" in text
    assert "2.0e-05 at most, 1 of them by more than 1e-05; 3 users have another past" in text
