"""Peers order users by what they will spend, and see nothing after the cut."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
import small_model
from built_project import BuiltProject
from pytest import MonkeyPatch

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.evaluation import Prediction
from purchasing_power.evaluation.metrics import spearman
from purchasing_power.peers import PEERS, Peer, PeerTask, registry, run_peers
from purchasing_power.peers.flat import flat_columns
from purchasing_power.reporting import Silent
from purchasing_power.training import TrainingConfig
from purchasing_power.training.dataset import SequenceDataset

CONTRACT = replace(
    small_model.CONTRACT, context=("spend_56d", "days_since_last_order", "orders_of_others", "sessions_7d")
)
# The last but three of twelve anchors, each a week after the one before: labels end by it from four on.
CUT = small_model.ANCHORS[-3]
START = dt.date(2024, 1, 1)


class Notes(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def make_task(folder: Path, rows: Sequence[dict[str, Any]], **changes: Any) -> PeerTask:
    """A project whose steps are those of the sequences, day by day."""
    folder.mkdir()
    dataset = SequenceDataset.write(small_model.batches(list(rows)), folder / "sequences", CONTRACT)
    users, days, spend = [], [], []
    for row in rows:
        values = row["steps"].reshape(-1, 3)
        users += [row["user_id"]] * (len(values) + 1)
        # The first step is a visit without a purchase.
        days.append(np.append(-9, row["first_day"] + np.cumsum(np.expm1(values[:, 1] + 1))))
        # Some leave for good, which BG/NBD needs to have seen to say how likely that is.
        leaves = 60 if len(days) % 4 == 0 else np.inf
        spend.append(np.where(days[-1] < leaves, np.append(0.0, np.expm1(values[:, 0] + 3)), 0.0))
    steps = pa.table(
        {
            "user_id": users,
            "step_on": np.datetime64(START) + np.round(np.concatenate(days)).astype("timedelta64[D]"),
            "spend": np.concatenate(spend),
        }
    )
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.register("steps", steps)
        connection.execute(
            "create table purchasing_power__user_steps as "
            "select user_id, step_on, cast(spend as decimal(38, 4)) as spend from steps"
        )
    return PeerTask(
        **{
            "project": BuiltProject(folder, folder),
            "dataset": dataset,
            "cut": CUT,
            "work_dir": folder,
            **changes,
        }
    )


def later_changed(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same users, with other labels at all anchors whose windows end after the cut."""
    changed = copy.deepcopy(list(rows))
    for row in changed:
        late = np.array([anchor + dt.timedelta(days=56) > CUT for anchor in row["anchor_on"]])
        row["spend"] = np.where(late, 777.0, row["spend"])
        row["orders"] = np.where(late, 9, row["orders"]).astype(np.int32)
    return changed


def values_of(prediction: Prediction) -> dict[str, np.ndarray]:
    found = {field.name: getattr(prediction, field.name) for field in fields(prediction)}
    return {name: value for name, value in found.items() if value is not None}


@pytest.fixture(scope="module", autouse=True)
def fewer_trees() -> Iterator[None]:
    trees = pytest.importorskip("purchasing_power.peers.trees")
    with MonkeyPatch.context() as patch:
        patch.setattr(trees, "_ROUNDS", 60)
        yield


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return small_model.rows(users=400)


@pytest.fixture(scope="module")
def task(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> PeerTask:
    return make_task(tmp_path_factory.mktemp("peers") / "shop", rows)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_peers_predict_in_the_order_of_labels(peer: Peer, task: PeerTask) -> None:
    pytest.importorskip(peer.package)
    prediction = peer.predict(task)
    labels = task.dataset.labels(CUT)
    found = values_of(prediction)
    assert {len(value) for value in found.values()} == {len(labels.spend)}
    assert all(np.isfinite(value).all() for value in found.values())
    assert ((found["purchase_probability"] >= 0) & (found["purchase_probability"] <= 1)).all()
    assert (found["spend_p10"] <= found["spend_p50"]).all()
    assert (found["spend_p50"] <= found["spend_p90"]).all()
    assert (found["spend_p10"] >= 0).all()
    assert set(found["tier"]) <= {0, 1, 2}
    # Users keep spending what they are used to, so any other order of users would not do.
    assert spearman(labels.spend, prediction.expected_spend) > 0.5
    assert spearman(labels.spend, prediction.spend_p50) > 0.4
    assert 0.5 < prediction.expected_spend.sum() / labels.spend.sum() < 2


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_what_happens_after_the_cut_changes_nothing(
    peer: Peer, task: PeerTask, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    pytest.importorskip(peer.package)
    other = make_task(tmp_path / "shop", later_changed(rows))
    with duckdb.connect(str(tmp_path / "shop" / "warehouse.duckdb")) as connection:
        connection.execute(
            "update purchasing_power__user_steps set spend = 10 * spend + 5 where step_on >= ?", [CUT]
        )
    before, after = values_of(peer.predict(task)), values_of(peer.predict(other))
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-6, err_msg=name)


def test_what_happened_before_the_cut_does(
    task: PeerTask, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    other = make_task(tmp_path / "shop", [{**row, "spend": row["spend"][::-1]} for row in rows])
    assert not np.allclose(other.examples().spend, task.examples().spend)
    assert other.examples().spend.sum() != pytest.approx(task.examples().spend.sum())


def test_tiers_begin_where_our_models_do(task: PeerTask, tmp_path: Path) -> None:
    from purchasing_power.training import train

    model = train(
        task.dataset, TrainingConfig(epochs=1, members=1, hidden_size=16), cutoff=CUT, work_dir=tmp_path
    )
    assert task.tier_cut_points == model.tier_cut_points


def test_examples_end_by_the_cut_and_weigh_less_with_age(task: PeerTask) -> None:
    examples = task.examples()
    chosen = task.dataset.selection(cutoff=CUT)
    assert len(examples.spend) == chosen.n_anchors.sum() < task.dataset.selection().n_anchors.sum()
    # One horizon of 56 days earlier would be half; a week earlier is an eighth of a halving.
    assert sorted(set(examples.weight))[-2:] == pytest.approx([2 ** (-1 / 8), 1])


def test_bg_nbd_gives_those_who_never_bought_nothing(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    pytest.importorskip("lifetimes")
    from purchasing_power.peers import customer_base

    task = make_task(tmp_path / "shop", rows)
    never = task.user_ids().to_pylist()[5]
    with duckdb.connect(str(tmp_path / "shop" / "warehouse.duckdb")) as connection:
        connection.execute("update purchasing_power__user_steps set spend = 0 where user_id = ?", [never])
    prediction = customer_base.predict(task)
    for name, value in values_of(prediction).items():
        assert value[5] == 0, name
    assert (prediction.expected_spend > 0).sum() > 0.9 * len(prediction.expected_spend)


def test_bg_nbd_futures_have_the_formulas_mean(task: PeerTask, monkeypatch: MonkeyPatch) -> None:
    pytest.importorskip("lifetimes")
    from purchasing_power.peers import customer_base

    means: list[np.ndarray] = []
    shares: list[np.ndarray] = []
    drawn = np.quantile

    def spy(values: np.ndarray, *rest: Any, **named: Any) -> Any:
        means.append(values.mean(axis=0))
        shares.append((values > 0).mean(axis=0))
        return drawn(values, *rest, **named)

    monkeypatch.setattr(customer_base.np, "quantile", spy)
    prediction = customer_base.predict(task)
    # Purchases come by user id, predictions in the dataset's order.
    bought = prediction.purchase_probability > 0
    order = np.argsort(np.argsort(np.array(task.user_ids().to_pylist())[bought]))
    mean, share = means[-1][order], shares[-1][order]
    assert mean.sum() == pytest.approx(prediction.expected_spend.sum(), rel=0.1)
    # 200 draws a user: five standard errors of a share.
    assert share == pytest.approx(prediction.purchase_probability[bought], abs=5 * 0.5 / np.sqrt(200))
    assert share.mean() == pytest.approx(prediction.purchase_probability[bought].mean(), abs=0.01)


def test_flat_columns_tell_recency_frequency_spend_and_tenure() -> None:
    names = (
        "spend_7d",
        "sessions_7d",
        "orders_7d",
        "discount_7d",
        "days_since_last_order",
        "tenure_days",
        "overdue",
    )
    assert flat_columns(replace(CONTRACT, context=names)).tolist() == [0, 2, 4, 5]
    with pytest.raises(PurchasingPowerError, match="holds no recency"):
        flat_columns(replace(CONTRACT, context=("sessions_7d",)))


def test_what_cannot_run_is_said_and_left_out(task: PeerTask, monkeypatch: MonkeyPatch) -> None:
    def refuse(task: PeerTask) -> Prediction:
        raise PurchasingPowerError("nobody bought on two days before the cut")

    def predict(task: PeerTask) -> Prediction:
        zeros = np.zeros(3)
        return Prediction(zeros, zeros, zeros, np.zeros(3, np.int64))

    peers = (
        Peer("missing", "BG/NBD x Gamma-Gamma", "no_such_package", "bench", refuse),
        Peer("refusing", "BG/NBD again", "numpy", "bench", refuse),
        Peer("running", "nothing for all", "numpy", "train", predict),
    )
    monkeypatch.setattr(registry, "PEERS", peers)
    notes = Notes()
    runs = run_peers(task, notes)
    assert [run.peer.name for run in runs] == ["running"]
    assert notes.lines == [
        "left out: BG/NBD x Gamma-Gamma needs no_such_package; install purchasing_power[bench]",
        "left out: BG/NBD again: nobody bought on two days before the cut",
        "nothing for all (running): 0 s",
    ]
