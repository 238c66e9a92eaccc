"""Every choice of a training run that a user may make."""

from __future__ import annotations

import math
from dataclasses import dataclass

from purchasing_power.errors import PurchasingPowerError

_CHOICES = {"cell": ("lstm", "gru", "rnn")}


@dataclass(frozen=True)
class TrainingConfig:
    """Hyperparameters; the defaults were chosen on Complete Journey windows before the reported one.

    Attributes:
        batch_size: Users of one batch; 0 takes a 32nd of the training users, within 64 and 1,024, and up to
            4,096 where fewer would hold less than 16 purchases.
        epochs: Passes over the training users at most.
        patience: Epochs without a better validation loss before training stops.
        learning_rate: Peak learning rate; it falls to 0 along a cosine over all epochs.
        cell: What reads the steps: lstm, gru (fewer weights) or rnn (the plainest; forgets soonest).
        layers: Cells on top of each other in a member; the head reads the last one.
        hidden_size: Size of each cell's vectors; multiples of 16 run fastest in onnxruntime.
        head_sizes: Sizes of each head's hidden layers.
        members: Independently initialised members whose outputs are averaged.
        dropout: Share of a head's inputs and hidden values that training drops.
        l2: Weight of the squared kernels in the loss.
        weight_average: Decay of the running average of the weights that is kept; 0 keeps the last weights.
        half_life_horizons: An anchor this many horizons before the newest one weighs half as much, because
            what users do next resembles what they did lately; 0 weighs all anchors alike.
        clip_norm: Longest gradient.
        outlier_share: Share of the training users that the isolation forest flags as outliers.
        seed: Seeds initial weights, dropout and the order of batches.
    """

    batch_size: int = 0
    epochs: int = 20
    patience: int = 6
    learning_rate: float = 2e-3
    cell: str = "lstm"
    layers: int = 1
    hidden_size: int = 32
    head_sizes: tuple[int, ...] = (64, 32)
    members: int = 3
    dropout: float = 0.1
    l2: float = 1e-4
    weight_average: float = 0.98
    half_life_horizons: float = 1.0
    clip_norm: float = 1.0
    outlier_share: float = 0.01
    seed: int = 7

    def users_per_batch(self, training_users: int, purchases_per_user: float) -> int:
        """Gives the batch size, chosen by the shop where it is 0.

        Args:
            training_users: Users that are trained on.
            purchases_per_user: Labels of theirs in which there is an order, a user.
        """
        usual = min(max(training_users // 32, 64), 1024)
        return self.batch_size or max(usual, min(math.ceil(16 / purchases_per_user), training_users, 4096))

    def __post_init__(self) -> None:
        """Refuses values that no training can use."""
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise PurchasingPowerError(
                    f"'{name}' is '{getattr(self, name)}' but must be one of {', '.join(choices)}."
                )
        for name in ("epochs", "patience", "layers", "hidden_size", "members"):
            if getattr(self, name) < 1:
                raise PurchasingPowerError(f"'{name}' is {getattr(self, name)} but must be at least 1.")
        for name in ("learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise PurchasingPowerError(f"'{name}' is {getattr(self, name)} but must be above 0.")
        for name in ("dropout", "weight_average"):
            if not 0 <= getattr(self, name) < 1:
                raise PurchasingPowerError(f"'{name}' is {getattr(self, name)} but must be within [0, 1).")
        for name in ("batch_size", "l2", "half_life_horizons", "seed"):
            if not getattr(self, name) >= 0:
                raise PurchasingPowerError(f"'{name}' is {getattr(self, name)} but must not be negative.")
        if not 0 <= self.outlier_share <= 0.5:
            raise PurchasingPowerError(
                f"'outlier_share' is {self.outlier_share} but must be within [0, 0.5]."
            )
        if any(size < 1 for size in self.head_sizes):
            raise PurchasingPowerError(
                f"'head_sizes' is {self.head_sizes} but every size must be at least 1."
            )
