"""Training runs: seeded, resumable, stopped in time, and blind to what comes after the cutoff."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_model
import tensorflow as tf

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.evaluation import evaluate, evaluate_scores, persistence
from purchasing_power.training import EpochReport, SequenceDataset, TrainedModel, TrainingConfig, train
from purchasing_power.training.losses import level_loss, multi_target_loss

CONFIG = TrainingConfig(
    batch_size=32, epochs=4, patience=4, hidden_size=16, head_sizes=(16,), members=1, weight_average=0.9
)
CUTOFF = small_model.ANCHORS[8] + dt.timedelta(days=56)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> SequenceDataset:
    return small_model.dataset(tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="module")
def reports() -> list[EpochReport]:
    return []


@pytest.fixture(scope="module")
def model(
    dataset: SequenceDataset, reports: list[EpochReport], tmp_path_factory: pytest.TempPathFactory
) -> TrainedModel:
    work_dir = tmp_path_factory.mktemp("work")
    trained = train(dataset, CONFIG, cutoff=CUTOFF, work_dir=work_dir, progress=reports.append)
    assert not list(work_dir.iterdir())
    return trained


def weights(model: TrainedModel) -> list[np.ndarray]:
    return [*model.network.model.get_weights(), *model.network.outputs.get_weights()]


def assert_same(one: TrainedModel, other: TrainedModel) -> None:
    for left, right in zip(weights(one), weights(other), strict=True):
        np.testing.assert_array_equal(left, right)


def test_it_learns(model: TrainedModel, reports: list[EpochReport]) -> None:
    assert [report.epoch for report in reports] == [1, 2, 3, 4]
    assert {report.epochs for report in reports} == {4}
    assert reports[-1].loss < reports[0].loss
    assert reports[-1].best_validation_loss == min(report.validation_loss for report in reports)
    assert tuple(reports) == model.history


def test_the_same_seed_gives_the_same_model(
    model: TrainedModel, dataset: SequenceDataset, tmp_path: Path
) -> None:
    again = train(dataset, CONFIG, cutoff=CUTOFF, work_dir=tmp_path)
    assert_same(model, again)
    now = dt.datetime(2024, 7, 1, tzinfo=dt.UTC)
    one, other = (item.export(model_version="m", trained_at=now, metrics={}) for item in (model, again))
    assert one.sha256 == other.sha256
    assert (one.encoder, one.head) == (other.encoder, other.head)


def test_another_seed_gives_another_model(
    model: TrainedModel, dataset: SequenceDataset, tmp_path: Path
) -> None:
    other = train(dataset, CONFIG, cutoff=CUTOFF, seed=8, work_dir=tmp_path)
    assert (weights(model)[0] != weights(other)[0]).any()


class InterruptionError(Exception):
    pass


def test_an_interrupted_run_ends_where_a_whole_one_does(
    model: TrainedModel, dataset: SequenceDataset, tmp_path: Path
) -> None:
    after = 2

    def interrupt(report: EpochReport) -> None:
        if report.epoch == after:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        train(dataset, CONFIG, cutoff=CUTOFF, work_dir=tmp_path, progress=interrupt)
    seen: list[EpochReport] = []
    resumed = train(dataset, CONFIG, cutoff=CUTOFF, work_dir=tmp_path, progress=seen.append)
    assert [report.resumed for report in seen] == [True] * after + [False] * (4 - after)
    assert_same(model, resumed)
    assert [report.validation_loss for report in resumed.history] == [
        report.validation_loss for report in model.history
    ]


def test_a_checkpoint_of_another_run_is_not_taken(
    model: TrainedModel, dataset: SequenceDataset, tmp_path: Path
) -> None:
    def interrupt(_: EpochReport) -> None:
        raise InterruptionError

    with pytest.raises(InterruptionError):
        train(dataset, CONFIG, cutoff=CUTOFF, seed=99, work_dir=tmp_path, progress=interrupt)
    assert_same(model, train(dataset, CONFIG, cutoff=CUTOFF, work_dir=tmp_path))


def test_nothing_after_the_cutoff_changes_the_model(model: TrainedModel, tmp_path: Path) -> None:
    def later_is_different(row: dict[str, Any], *, days: int) -> dict[str, Any]:
        changed = {name: np.array(value) if name != "split" else value for name, value in row.items()}
        known = np.array([anchor + dt.timedelta(days=56) <= CUTOFF for anchor in row["anchor_on"]])
        newest = int(row["steps_before"][known][-1]) - days
        changed["steps"] = row["steps"].copy()
        changed["steps"][max(newest, 0) * 3 :] += 5
        for name in ("spend", "past_spend", "orders"):
            changed[name] = np.where(known, row[name], 999).astype(np.asarray(row[name]).dtype)
        changed["context"] = np.where(np.repeat(known, 4), row["context"], np.float32(9))
        return {
            **row,
            **{name: changed[name] for name in ("steps", "spend", "past_spend", "orders", "context")},
        }

    def train_on(folder: Path, days: int) -> TrainedModel:
        records = [later_is_different(row, days=days) for row in small_model.rows()]
        data = small_model.dataset(folder / "data", records)
        return train(data, CONFIG, cutoff=CUTOFF, work_dir=folder / "work")

    assert_same(model, train_on(tmp_path / "after", 0))
    # The check can fail: one step before the newest anchor does change the model.
    leaked = train_on(tmp_path / "before", 1)
    assert (weights(model)[0] != weights(leaked)[0]).any()


def test_training_stops_when_held_back_users_no_longer_gain(dataset: SequenceDataset, tmp_path: Path) -> None:
    config = TrainingConfig(
        batch_size=32, epochs=60, patience=2, learning_rate=0.1, hidden_size=16, head_sizes=(), members=1
    )
    history = train(dataset, config, cutoff=CUTOFF, work_dir=tmp_path).history
    losses = [report.validation_loss for report in history]
    assert len(history) < 60
    assert losses.index(min(losses)) == len(losses) - 3


def test_predicted_and_actual_spend_add_up_on_the_training_labels(
    model: TrainedModel, dataset: SequenceDataset
) -> None:
    predicted = actual = 0.0
    for anchor in small_model.ANCHORS[:9]:
        scores = model.predict_table(dataset, anchor, split="train")
        # An anchor a horizon older weighs half, as in the loss.
        weight = 0.5 ** ((small_model.ANCHORS[8] - anchor).days / 56)
        predicted += weight * sum(scores["expected_spend"].to_pylist())
        actual += weight * dataset.labels(anchor, split="train").spend.sum()
    assert predicted == pytest.approx(actual, rel=1e-4)


def test_amounts_that_held_back_users_do_not_bear_out_are_left_out(
    model: TrainedModel, tmp_path: Path
) -> None:
    # Half of them by the pattern that a network finds, the held-back ones by its opposite.
    records = small_model.rows(200)
    for row in records:
        past = np.log1p(row["past_spend"]) - 4
        sign = -1 if row["split"] == "validation" else 1
        row["spend"] = np.where(row["spend"] > 0, 50 * np.exp(sign * past), 0)
    data = small_model.dataset(tmp_path / "data", records)
    contrary = train(data, CONFIG, cutoff=CUTOFF, work_dir=tmp_path / "work")
    assert float(contrary.network.outputs.amount_slope) == 0
    assert float(model.network.outputs.amount_slope) > 0.5


def test_each_tier_is_predicted_as_often_as_it_occurs(model: TrainedModel, dataset: SequenceDataset) -> None:
    predicted, actual, total = np.zeros(2), np.zeros(2), 0.0
    for anchor in small_model.ANCHORS[:9]:
        weight = 0.5 ** ((small_model.ANCHORS[8] - anchor).days / 56)
        names = model.predict_table(dataset, anchor, split="train")["purchasing_power_tier"].to_pylist()
        tiers = np.array([model.contract.tier_names.index(name) for name in names])
        spend = dataset.labels(anchor, split="train").spend
        predicted += weight * (tiers[:, None] > np.arange(2)).sum(axis=0)
        actual += weight * (spend[:, None] >= np.array(model.tier_cut_points)).sum(axis=0)
        total += weight * len(spend)
    np.testing.assert_allclose(predicted / total, actual / total, atol=0.01)


def test_predictions_line_up_with_labels(model: TrainedModel, dataset: SequenceDataset) -> None:
    anchor = small_model.ANCHORS[11]
    labels = dataset.labels(anchor)
    scores = model.predict_table(dataset, anchor)
    assert scores["user_id"].to_pylist() == labels.user_id.to_pylist()
    found = evaluate_scores(
        scores,
        labels.spend,
        labels.orders,
        tier_names=model.contract.tier_names,
        tier_cut_points=model.tier_cut_points,
    )
    assert found["spearman"] > 0.5
    cut_points = model.tier_cut_points
    again = evaluate(persistence(labels.past_spend, cut_points), labels.spend, labels.orders, cut_points)
    assert found["normalized_gini"] > again["normalized_gini"] - 0.05


def test_too_little_history_is_one_sentence(dataset: SequenceDataset, tmp_path: Path) -> None:
    with pytest.raises(PurchasingPowerError, match="No user of the split 'train' has an anchor"):
        train(dataset, CONFIG, cutoff=small_model.FIRST_ANCHOR, work_dir=tmp_path)


def test_a_diverging_run_is_one_sentence(tmp_path: Path) -> None:
    records = small_model.rows(20)
    for row in records:
        row["context"] = row["context"] * np.float32(1e30)
    data = small_model.dataset(tmp_path / "data", records)
    with pytest.raises(PurchasingPowerError, match="The loss is not finite after epoch 1; lower"):
        train(data, CONFIG, cutoff=CUTOFF, work_dir=tmp_path / "work")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "'epochs' is 0 but must be at least 1"),
        ({"hidden_size": 0}, "'hidden_size' is 0 but must be at least 1"),
        ({"layers": 0}, "'layers' is 0 but must be at least 1"),
        ({"objective": "mae"}, "'objective' is 'mae' but must be one of full, mse"),
        ({"cell": "elman"}, "'cell' is 'elman' but must be one of lstm, gru, rnn"),
        ({"dropout": 1.0}, r"'dropout' is 1.0 but must be within \[0, 1\)"),
        ({"learning_rate": float("nan")}, "'learning_rate' is nan but must be above 0"),
        ({"l2": -1.0}, "'l2' is -1.0 but must not be negative"),
        ({"head_sizes": (0,)}, "every size must be at least 1"),
    ],
)
def test_impossible_configs_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(PurchasingPowerError, match=message):
        TrainingConfig(**values)


@pytest.mark.parametrize(
    ("users", "purchases_per_user", "expected"),
    [
        (100, 2.0, 64),
        (6_251, 2.0, 65),
        (30_000, 2.0, 312),
        (1_000_000, 2.0, 1024),
        (1_000_000, 0.01, 1600),
        (1_000_000, 0.001, 4096),
        (900, 0.001, 900),
    ],
)
def test_a_batch_grows_with_the_shop_and_holds_buyers(
    users: int, purchases_per_user: float, expected: int
) -> None:
    assert TrainingConfig().users_per_batch(users, purchases_per_user) == expected
    assert TrainingConfig(batch_size=7).users_per_batch(users, purchases_per_user) == 7


@pytest.fixture(scope="module")
def classic(dataset: SequenceDataset, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    config = TrainingConfig.preset("classic", batch_size=32, epochs=8, learning_rate=0.01, weight_average=0.9)
    return train(dataset, config, cutoff=CUTOFF, work_dir=tmp_path_factory.mktemp("classic"))


def test_classic_is_the_two_layer_lstm_of_tutorials(classic: TrainedModel) -> None:
    network = classic.network
    assert [[type(layer).__name__ for layer in stack] for stack in network.encoders] == [["LSTM", "LSTM"]]
    assert [layer.units for stack in network.encoders for layer in stack] == [50, 50]
    assert network.state_size == 200
    assert classic.config == TrainingConfig.preset(
        "classic",
        **{
            name: getattr(classic.config, name)
            for name in ("batch_size", "epochs", "learning_rate", "weight_average")
        },
    )


def test_classic_ranks_users_and_exports(classic: TrainedModel, dataset: SequenceDataset) -> None:
    anchor = small_model.ANCHORS[11]
    labels = dataset.labels(anchor)
    found = evaluate_scores(
        classic.predict_table(dataset, anchor),
        labels.spend,
        labels.orders,
        tier_names=classic.contract.tier_names,
        tier_cut_points=classic.tier_cut_points,
    )
    assert found["spearman"] > 0.3
    assert classic.check_parity(dataset, anchor).rows == len(labels.spend)


def test_the_level_is_learnt_from_its_squared_error_alone() -> None:
    network = small_model.network("lstm", 1, "mse")
    random = np.random.default_rng(2)
    inputs = [
        random.normal(size=(6, 9, 3)).astype(np.float32),
        np.full((6, 1), 9, np.int32),
        random.normal(size=(6, 1, 4)).astype(np.float32),
    ]
    spend = tf.constant(random.lognormal(4, 1, (6, 1, 1)).astype(np.float32))
    weights = [weight.value for weight in network.model.trainable_variables]
    with tf.GradientTape(persistent=True) as tape:
        raw, level = network.levels(inputs, training=True)
        usual = tf.reduce_sum(multi_target_loss(network.outputs, raw, spend, tf.ones_like(spend)))
        squared = tf.reduce_sum(level_loss(network.outputs.scale, spend, level))
    expected = (np.log1p(spend.numpy()) - network.outputs.scale.level_mean) / network.outputs.scale.level_std
    assert float(squared) == pytest.approx(((level.numpy() - expected) ** 2).sum(), rel=1e-4)
    names = [weight.path for weight in network.model.trainable_variables]
    by_usual, by_level = (
        {name for name, found in zip(names, tape.gradient(loss, weights), strict=True) if found is not None}
        for loss in (usual, squared)
    )
    assert by_usual == {name for name in names if "reading" in name}
    assert by_level == set(names) - by_usual
    # All of a user's raw outputs are linear in the one level: what is left of them has rank one.
    member = raw.numpy()[:, 0, 0]
    assert np.linalg.matrix_rank(member - member.mean(axis=0), tol=1e-4) == 1
