"""Private training: what one user can change is bounded, noise is what was planned, and the plan keeps its promise."""

from __future__ import annotations

import builtins
import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import dp_accounting
import keras
import numpy as np
import pytest
import small_model
import tensorflow as tf
from dp_accounting import rdp

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.training import SequenceDataset, TrainingConfig, train
from purchasing_power.training.dataset import AnchorBatch
from purchasing_power.training.private import GradientNoise, PoissonSequence, PrivacyBudget

CONFIG = TrainingConfig.preset(
    "private", private_epsilon=4.0, batch_size=64, epochs=3, hidden_size=8, head_sizes=(8,)
)
CUTOFF = small_model.ANCHORS[8] + dt.timedelta(days=56)
CLIP = 0.5


def budget(**changes: Any) -> PrivacyBudget:
    plan = PrivacyBudget(
        epsilon=1.0,
        delta=1e-5,
        noise_multiplier=0.0,
        sampling_rate=0.25,
        batches_per_epoch=4,
        clip_norm=CLIP,
        users_per_batch=8.0,
    )
    return dataclasses.replace(plan, **changes)


def linear(users: int) -> tuple[AnchorBatch, list[keras.Variable]]:
    """A batch whose users' gradients are their contexts, times their spend."""
    random = np.random.default_rng(3)
    batch = AnchorBatch(
        steps=np.zeros((users, 1, 1), np.float32),
        steps_before=np.zeros((users, 1), np.int32),
        context=random.normal(size=(users, 1, 5)).astype(np.float32),
        spend=random.gamma(0.5, 1.0, (users, 1)).astype(np.float32),
        bought=np.ones((users, 1), np.float32),
        weight=np.ones((users, 1), np.float32),
    )
    return batch, [keras.Variable(np.zeros(5, np.float32))]


def gradient(plan: PrivacyBudget, batch: AnchorBatch, weights: list[Any]) -> np.ndarray:
    def loss_of(user: AnchorBatch) -> Any:
        return tf.reduce_sum(user.context * weights[0].value * user.spend[..., None])

    (found,), _ = GradientNoise(plan).gradient(loss_of, batch, weights)
    return found.numpy()


def test_each_users_gradient_is_cut_by_itself() -> None:
    batch, weights = linear(users=20)
    each = batch.context[:, 0] * batch.spend
    lengths = np.linalg.norm(each, axis=1, keepdims=True)
    assert (lengths > CLIP).any() and (lengths < CLIP).any()
    expected = (each * np.minimum(1, CLIP / lengths)).sum(0) / 8
    np.testing.assert_allclose(gradient(budget(), batch, weights), expected, rtol=1e-5)


def test_no_user_moves_the_sum_by_more_than_the_length() -> None:
    batch, weights = linear(users=20)
    whole = gradient(budget(), batch, weights)
    for user in range(20):
        loud = batch.spend.copy()
        loud[user] = 1e6
        without = batch.weight.copy()
        without[user] = 0
        for changed in (
            dataclasses.replace(batch, spend=loud),
            AnchorBatch(*(np.delete(value, user, axis=0) for value in vars(batch).values())),
        ):
            moved = np.linalg.norm(gradient(budget(), changed, weights) - whole) * 8
            assert moved <= 2 * CLIP + 1e-5
    alone = AnchorBatch(*(value[:1] for value in vars(dataclasses.replace(batch, spend=loud * 1e6)).values()))
    assert np.linalg.norm(gradient(budget(), alone, weights)) * 8 <= CLIP + 1e-5


def test_noise_is_as_wide_as_planned_and_no_seed_repeats_it() -> None:
    batch, weights = linear(users=4)
    plan = budget(noise_multiplier=3.0)
    quiet = gradient(budget(), batch, weights)
    noise = np.array([gradient(plan, batch, weights) - quiet for _ in range(200)])
    assert noise.std() == pytest.approx(3.0 * CLIP / 8, rel=0.1)
    assert len(np.unique(noise)) == noise.size


@pytest.mark.parametrize(("epsilon", "users"), [(1.0, 2_000), (8.0, 2_000), (3.0, 100_000)])
def test_the_plan_keeps_its_promise_by_another_accountant(epsilon: float, users: int) -> None:
    """By Rényi divergences, which bound the same loss from above and by another way."""
    config = TrainingConfig.preset("private", private_epsilon=epsilon)
    plan = PrivacyBudget.plan(config, users)
    accountant = rdp.RdpAccountant()
    step = dp_accounting.PoissonSampledDpEvent(
        plan.sampling_rate, dp_accounting.GaussianDpEvent(plan.noise_multiplier)
    )
    accountant.compose(step, config.epochs * plan.batches_per_epoch)
    assert epsilon <= accountant.get_epsilon(plan.delta) <= 1.35 * epsilon
    assert plan.delta == 0.1 / users


def test_users_join_batches_by_chance(dataset: SequenceDataset) -> None:
    chosen = dataset.selection(split="train", cutoff=CUTOFF)
    batches = PoissonSequence(chosen, budget(), half_life_days=0.0)
    sizes = [len(batches[0].weight) for _ in range(300)]
    users = len(chosen.users)
    assert np.mean(sizes) == pytest.approx(users / 4, rel=0.1)
    assert np.std(sizes) == pytest.approx(np.sqrt(users * 0.25 * 0.75), rel=0.2)
    nobody = PoissonSequence(chosen, budget(sampling_rate=0.0), half_life_days=0.0)[0]
    assert nobody.weight.sum() == 0


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> SequenceDataset:
    return small_model.dataset(tmp_path_factory.mktemp("dataset"))


def test_it_trains_exports_and_says_what_it_promises(dataset: SequenceDataset, tmp_path: Path) -> None:
    model = train(dataset, CONFIG, cutoff=CUTOFF, work_dir=tmp_path)
    assert model.budget is not None
    assert model.budget.epsilon == 4.0
    assert model.budget.noise_multiplier > 0.3
    assert model.trees is None
    assert np.isfinite([report.validation_loss for report in model.history]).all()
    assert model.check_parity(dataset, small_model.ANCHORS[8]).rows > 0
    again = train(dataset, CONFIG, cutoff=CUTOFF, work_dir=tmp_path)
    one, other = (item.network.model.get_weights()[0] for item in (model, again))
    assert (one != other).any()


def test_what_learns_beside_the_noise_is_refused() -> None:
    for field, value in (("trees", 10), ("dropout", 0.1), ("l2", 1e-5)):
        with pytest.raises(PurchasingPowerError, match="use `--preset private`"):
            TrainingConfig.preset("private", **{field: value})


def test_without_the_library_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def missing(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("dp_accounting"):
            raise ImportError(name)
        return found(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(PurchasingPowerError, match=r"pip install 'purchasing-power\[private\]'"):
        PrivacyBudget.plan(CONFIG, 1_000)
