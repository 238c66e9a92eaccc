"""Keras' `fit` with one padded sequence an anchor, on a built shop, in a process of its own.

The same network, optimiser, loss and anchors as the package's training, in as many batches of as many
anchors; held-back users are measured after every epoch, as the package does. Prints what it took as JSON.

    python benchmarks/training_keras.py PROJECT EPOCHS
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from training_ours import open_dataset, settings_for

from purchasing_power.training import SequenceDataset, TrainingConfig
from purchasing_power.training.dataset import AnchorSequence
from purchasing_power.training.labels import label_scale
from purchasing_power.training.losses import multi_target_loss
from purchasing_power.training.network import build_network
from purchasing_power.warehouse.features import FeatureSettings


@dataclass(frozen=True)
class Anchors:
    """Every anchor of some users, an example each.

    Attributes:
        sequences: the steps [t, C] of each user.
        user: [n] position of each anchor's user.
        steps_before: [n] how many of the user's steps precede it.
        context: [n, K] context.
        labels: [n, 2] spend, and 1 where there was an order.
        weight: [n] how much it counts.
    """

    sequences: list[npt.NDArray[np.float32]]
    user: npt.NDArray[np.int64]
    steps_before: npt.NDArray[np.int32]
    context: npt.NDArray[np.float32]
    labels: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]

    @classmethod
    def of(cls, batches: AnchorSequence) -> Anchors:
        """Takes the anchors out of batches of users."""
        sequences: list[npt.NDArray[np.float32]] = []
        parts: list[tuple[npt.NDArray[Any], ...]] = []
        for batch in map(batches.__getitem__, range(len(batches))):
            real = batch.weight > 0
            users = np.nonzero(real)[0] + len(sequences)
            labels = np.stack([batch.spend[real], batch.bought[real]], axis=1)
            parts.append((users, batch.steps_before[real], batch.context[real], labels, batch.weight[real]))
            sequences += list(batch.steps)
        return cls(sequences, *(np.concatenate(part) for part in zip(*parts, strict=True)))


class PaddedAnchors(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of shuffled anchors, each with its user's steps so far, padded to the longest of all."""

    def __init__(
        self, anchors: Anchors, batch_size: int, longest: int, mean_weight: float, *, shuffle: bool
    ) -> None:
        """Prepares the batches.

        Args:
            anchors: The examples.
            batch_size: Anchors of one batch.
            longest: Steps that all are padded to.
            mean_weight: What weights are divided by, so that a batch's mean is that of our batches.
            shuffle: Whether to draw a new order for each epoch.
        """
        super().__init__()
        self._anchors, self._batch_size, self._longest = anchors, batch_size, longest
        self._weight = anchors.weight / mean_weight
        self._shuffle = shuffle
        self._order = np.arange(len(anchors.user))
        self._random = np.random.default_rng(7)
        self.on_epoch_end()

    def __len__(self) -> int:
        """Gives the number of batches."""
        return -(-len(self._order) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        """Pads one batch."""
        data = self._anchors
        chosen = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        before = data.steps_before[chosen]
        past = [data.sequences[user][:n] for user, n in zip(data.user[chosen], before, strict=True)]
        padded = keras.utils.pad_sequences(past, maxlen=self._longest, dtype="float32", padding="post")
        inputs = (padded, before[:, None], data.context[chosen][:, None])
        return inputs, data.labels[chosen], self._weight[chosen]

    def on_epoch_end(self) -> None:
        """Shuffles."""
        if self._shuffle:
            self._random.shuffle(self._order)


class Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """Takes the time of each epoch, validation included."""

    def __init__(self) -> None:
        """Starts with nothing."""
        super().__init__()
        self.seconds: list[float] = []
        self._last = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts the clock."""
        self._last = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stops the clock for this epoch."""
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now


class RunningAverage(keras.callbacks.Callback):  # type: ignore[misc]
    """Averages the weights after each batch as the package does; the average takes their place at the end.

    Keras' own (`use_ema`) begins with the random first weights and keeps them too long for a short run.
    """

    def __init__(self, decay: float) -> None:
        """Takes the largest decay."""
        super().__init__()
        self._decay, self._done = decay, 0
        self._average: list[npt.NDArray[np.float32]] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts from the first weights."""
        self._average = [weight.numpy().copy() for weight in self.model.trainable_variables]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Takes in the weights after a batch."""
        self._done += 1
        decay = min(self._decay, (1 + self._done) / (10 + self._done))
        for average, weight in zip(self._average, self.model.trainable_variables, strict=True):
            average += (1 - decay) * (weight.numpy() - average)

    def on_train_end(self, logs: Any = None) -> None:
        """Puts the averages in place."""
        for average, weight in zip(self._average, self.model.trainable_variables, strict=True):
            weight.assign(average)


def train_keras(
    settings: FeatureSettings, dataset: SequenceDataset, config: TrainingConfig
) -> dict[str, Any]:
    """Trains with `fit`."""
    training, held_back = (
        dataset.selection(split=split, cutoff=settings.as_of_date) for split in ("train", "validation")
    )
    scale = label_scale(training.label_sample(), len(dataset.contract.tier_names))
    keras.utils.set_random_seed(config.seed)
    network = build_network(
        n_channels=dataset.n_channels,
        n_context=dataset.n_context,
        scale=scale,
        cell=config.cell,
        layers=config.layers,
        hidden_size=config.hidden_size,
        head_sizes=config.head_sizes,
        members=config.members,
        dropout=config.dropout,
        l2=config.l2,
        objective=config.objective,
        seed=config.seed,
    )
    users = config.users_per_batch(len(training.users), scale.buy_rate * float(training.n_anchors.mean()))
    half_life = config.half_life_horizons * dataset.contract.horizon_days
    ours, theirs = (
        AnchorSequence(part, batch_size=users, half_life_days=half_life) for part in (training, held_back)
    )
    examples, held_back_examples = Anchors.of(ours), Anchors.of(theirs)
    # As many batches an epoch as ours has, so as many anchors in each and as many updates.
    batch_size = -(-len(examples.user) // len(ours))
    longest = max(1, int(max(part.steps_before.max() for part in (examples, held_back_examples))))
    mean_weight = float(examples.weight.mean())
    batches = PaddedAnchors(examples, batch_size, longest, mean_weight, shuffle=True)
    validation = PaddedAnchors(held_back_examples, batch_size, longest, mean_weight, shuffle=False)

    def loss(labels: Any, raw: Any) -> Any:
        spend, bought = labels[:, 0, None, None], labels[:, 1, None, None]
        return tf.reduce_mean(multi_target_loss(network.outputs, raw, spend, bought), axis=(1, 2))

    total_steps = config.epochs * len(batches)
    rate = keras.optimizers.schedules.CosineDecay(
        0.1 * config.learning_rate,
        decay_steps=max(1, total_steps * 9 // 10),
        warmup_target=config.learning_rate,
        warmup_steps=max(1, total_steps // 10),
    )
    network.model.compile(
        keras.optimizers.Adam(rate, global_clipnorm=config.clip_norm),
        loss=loss,
        weighted_metrics=[keras.metrics.MeanMetricWrapper(loss, name="anchors")],
    )
    clock = Clock()
    callbacks = [RunningAverage(config.weight_average), clock]
    network.model.fit(
        batches, validation_data=validation, epochs=config.epochs, callbacks=callbacks, verbose=0
    )
    # Under the averaged weights, which the end of `fit` has put in place, as ours are measured.
    measured = network.model.evaluate(validation, verbose=0, return_dict=True)
    return {"seconds": clock.seconds, "validation_loss": measured["anchors"], "longest": longest}


def main() -> None:
    """Trains, and prints what it took."""
    settings, dataset = open_dataset(Path(sys.argv[1]))
    print(json.dumps(train_keras(settings, dataset, settings_for(int(sys.argv[2])))))


if __name__ == "__main__":
    main()
