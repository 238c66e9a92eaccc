"""A backtest measures every method on the same users, shows one table, and stores every figure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import pytest
import small_model
from built_project import build_tables
from test_peers import CONTRACT, CUT, make_task

from purchasing_power import backtest
from purchasing_power.fitting import Prepared
from purchasing_power.peers import PEERS, registry
from purchasing_power.reporting import Silent
from purchasing_power.training import TrainingConfig
from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.features import FeatureSettings
from purchasing_power.warehouse.registry import open_registry


class Notes(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.methods: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        self.methods += [row[0] for row in rows]


@pytest.mark.parametrize("peers", [True, False])
def test_all_methods_stand_in_one_table(peers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task(tmp_path / "shop", small_model.rows(users=200))
    with connect(task.project) as connection:
        build_tables(connection)
    settings = FeatureSettings(CONTRACT, CUT + dt.timedelta(days=CONTRACT.horizon_days))
    monkeypatch.setattr(
        backtest, "prepare", lambda project, reporter: Prepared(settings, task.dataset, tmp_path / "work")
    )
    # One that can run everywhere, and one whose package is not there.
    trees, _, missing, ziln, _ = PEERS
    monkeypatch.setattr(
        registry,
        "PEERS",
        (ziln, registry.Peer(missing.name, missing.title, "no_such", "bench", trees.predict)),
    )
    notes = Notes()
    config = TrainingConfig(epochs=1, members=1, hidden_size=16)
    outcome = backtest.run_backtest(task.project, config, notes, peers=peers)
    expected = {"model", "persistence", "majority"} | ({"ziln"} if peers else set())
    assert set(notes.methods) == expected
    assert {row.method for row in outcome.measurements} == expected
    left_out = [line for line in notes.lines if line.startswith("left out")]
    assert left_out == (
        ["left out: BG/NBD x Gamma-Gamma needs no_such; install purchasing_power[bench]"] if peers else []
    )
    with open_registry(task.project) as found:
        stored = found.metrics(f"backtest-{CUT:%Y%m%d}")
    assert {(row.method, row.metric) for row in stored} == {
        (row.method, row.metric) for row in outcome.measurements
    }
    assert {"top_fifth_auc", "tier_macro_f1", "buyers_coverage_nominal"} <= {row.metric for row in stored}
