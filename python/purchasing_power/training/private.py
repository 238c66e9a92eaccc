"""Training whose result hardly depends on any one user: differentially private gradient descent.

Abadi et al. 2016, "Deep learning with differential privacy": each user's gradient is cut to a length, and
noise is added to their sum. A user is one example, with everything known of them, so the promise is for whole
users. What it costs in epsilon is counted by Google's dp-accounting.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.training.config import TrainingConfig
from purchasing_power.training.dataset import AnchorBatch, AnchorSelection, AnchorSequence


@dataclass(frozen=True)
class PrivacyBudget:
    """What a private training run promises, and what that asks of it.

    Attributes:
        epsilon: Whether or not a user is trained on changes no result's log-probability by more,
        delta: but with this probability.
        noise_multiplier: Standard deviation of the noise, in lengths of a user's gradient.
        sampling_rate: Probability with which each user is in a batch.
        batches_per_epoch: Batches of an epoch.
        clip_norm: Longest gradient of a user.
        users_per_batch: Users of a batch, on average.
    """

    epsilon: float
    delta: float
    noise_multiplier: float
    sampling_rate: float
    batches_per_epoch: int
    clip_norm: float
    users_per_batch: float

    @classmethod
    def plan(cls, config: TrainingConfig, users: int) -> PrivacyBudget:
        """Finds the least noise that keeps to what a config allows, in all of its epochs.

        Args:
            config: Of a private training.
            users: Training users.

        Raises:
            PurchasingPowerError: The extra `private` is not installed.
        """
        try:
            import dp_accounting
            from dp_accounting import pld
        except ImportError as error:
            raise PurchasingPowerError(
                "Private training counts its epsilon with dp-accounting, which is not installed: run "
                "`pip install 'purchasing-power[private]'`."
            ) from error

        delta = config.private_delta or 0.1 / users
        # Large batches, because the noise of a batch is the same however many share it.
        batch_size = min(users, config.batch_size or min(max(users // 16, 256), 4096))
        rate = batch_size / users
        batches = -(-min(users, config.users_per_epoch or users) // batch_size)

        def all_steps(noise_multiplier: float) -> dp_accounting.DpEvent:
            step = dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise_multiplier))
            return dp_accounting.SelfComposedDpEvent(step, config.epochs * batches)

        noise = dp_accounting.calibrate_dp_mechanism(
            pld.PLDAccountant, all_steps, config.private_epsilon, delta
        )
        return cls(
            config.private_epsilon, delta, float(noise), rate, batches, config.clip_norm, float(batch_size)
        )


class PoissonSequence(AnchorSequence):
    """Batches that each user joins by chance, independent of everybody else, as the accounting assumes.

    The chance is the machine's, not the seed's: whoever knew the draws could subtract them.
    """

    def __init__(self, selection: AnchorSelection, budget: PrivacyBudget, *, half_life_days: float) -> None:
        """Prepares the batches.

        Args:
            selection: The users and anchors.
            budget: What was promised.
            half_life_days: An anchor this many days before the newest one weighs half as much; 0 weighs all
                alike.
        """
        super().__init__(selection, batch_size=1, half_life_days=half_life_days)
        self._budget = budget
        self._random = np.random.default_rng(secrets.randbits(128))

    def __len__(self) -> int:
        """Gives the number of batches of an epoch."""
        return self._budget.batches_per_epoch

    def __getitem__(self, index: int) -> AnchorBatch:
        """Draws one batch."""
        rows = np.flatnonzero(self._random.random(len(self._rows)) < self._budget.sampling_rate)
        if len(rows):
            return self._batch_of(rows)
        # Nobody was drawn, which is as secret as who was: the noise is still added.
        nobody = self._batch_of(np.zeros(1, np.int64))
        return AnchorBatch(**{**vars(nobody), "weight": np.zeros_like(nobody.weight)})


class GradientNoise:
    """Gives the mean of users' gradients, each cut to a length, with noise."""

    def __init__(self, budget: PrivacyBudget) -> None:
        """Prepares the source of noise, which no seed repeats."""
        self._budget = budget
        self._random = tf.random.Generator.from_seed(secrets.randbits(62))

    def gradient(
        self, loss_of: Callable[[AnchorBatch], Any], batch: AnchorBatch, weights: list[Any]
    ) -> tuple[list[Any], Any]:
        """Gives the noisy mean gradient: the divisor is the same for all batches.

        Args:
            loss_of: Gives the loss of a batch of one user.
            batch: The users.
            weights: What the gradient is of.

        Returns:
            A gradient for each of the weights, and the sum of the users' losses, without noise.
        """
        budget = self._budget
        deviation = budget.noise_multiplier * budget.clip_norm

        def of_user(user: tuple[Any, ...]) -> tuple[Any, ...]:
            with tf.GradientTape() as tape:
                loss = loss_of(AnchorBatch(*(value[None] for value in user)))
            gradient = tape.gradient(loss, [weight.value for weight in weights])
            # By hand: the operator of TensorFlow's own clipping is not vectorised over users.
            length = tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(part)) for part in gradient]))
            shorter = budget.clip_norm / tf.maximum(length, budget.clip_norm)
            return (*(shorter * part for part in gradient), loss)

        *gradients, losses = tf.vectorized_map(of_user, tuple(vars(batch).values()))
        noisy = [
            (tf.reduce_sum(each, axis=0) + self._random.normal(weight.shape, stddev=deviation))
            / budget.users_per_batch
            for each, weight in zip(gradients, weights, strict=True)
        ]
        return noisy, tf.reduce_sum(losses)
