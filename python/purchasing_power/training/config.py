"""Every choice of a training run that a user may make."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from purchasing_power.errors import PurchasingPowerError

TRAINING_VAR = "purchasing_power__training"

_CHOICES = {"cell": ("lstm", "gru", "rnn"), "objective": ("full", "mse")}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    # The two-layer LSTM(50) of many tutorials, to compare with. What else a run adds beside one network is
    # turned off here. At the default rate, what is read from its one number is not learnt within 20 epochs.
    "classic": {
        "learning_rate": 5e-3,
        "cell": "lstm",
        "layers": 2,
        "objective": "mse",
        "hidden_size": 50,
        "members": 1,
        "trees": 0,
    },
    # Differential privacy for each user. The noise grows with the square root of the weights, so one member.
    "private": {
        "private_epsilon": 3.0,
        "members": 1,
        "trees": 0,
        "dropout": 0.0,
        "l2": 0.0,
    },
}


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# By a field's type: what the var may hold, and what it is called.
_KINDS: Mapping[type, tuple[Callable[[Any], bool], str]] = {
    int: (_is_whole, "a whole number"),
    float: (lambda value: _is_whole(value) or isinstance(value, float), "a number such as 0.001"),
    str: (lambda value: isinstance(value, str), "a name"),
    tuple: (lambda value: isinstance(value, list) and all(map(_is_whole, value)), "a list of whole numbers"),
}


@dataclass(frozen=True)
class TrainingConfig:
    """Hyperparameters; the defaults were chosen on Complete Journey windows before the reported one.

    Attributes:
        batch_size: Users of one batch; 0 takes a 96th of the training users, within 64 and 1,024, and up to
            4,096 where fewer would hold less than 16 purchases.
        users_per_epoch: Training users of one epoch at most, others in the next, so that a shop of millions
            stops as soon as nothing is gained; a quarter of it is how many held-back users tell. 0 takes all.
        epochs: Epochs at most.
        patience: Epochs without a better validation loss before training stops.
        learning_rate: Peak learning rate; it falls to 0 along a cosine over all epochs.
        cell: What reads the steps: lstm, gru (fewer weights) or rnn (the plainest; forgets soonest).
        layers: Cells on top of each other in a member; the head reads the last one.
        objective: full, or mse: one number a user, learnt by squared error, that all else is read from.
        hidden_size: Size of each cell's vectors; multiples of 16 run fastest in onnxruntime.
        head_sizes: Sizes of each head's hidden layers.
        members: Independently initialised members whose outputs are averaged.
        dropout: Share of a head's inputs and hidden values that training drops.
        l2: Weight of the squared kernels in the loss.
        weight_average: Decay of the running average of the weights that is kept; 0 keeps the last weights.
        half_life_horizons: An anchor this many horizons before the newest one weighs half as much, because
            what users do next resembles what they did lately; 0 weighs all anchors alike.
        clip_norm: Longest gradient; of one user, where training is private.
        private_epsilon: Differential privacy for each training user, by noise; 0 trains without it
            (docs/privacy.md).
        private_delta: Probability that it does not hold; 0 takes a tenth of one over the training users.
        trees: Boosted trees beside the network, a target; fewer learn more each, and 0 leaves them out.
        outlier_share: Share of the training users that the isolation forest flags as outliers.
        seed: Seeds initial weights, dropout and the order of batches.
    """

    batch_size: int = 0
    users_per_epoch: int = 131_072
    epochs: int = 20
    patience: int = 6
    learning_rate: float = 2e-3
    cell: str = "lstm"
    layers: int = 1
    objective: str = "full"
    hidden_size: int = 32
    head_sizes: tuple[int, ...] = (64, 32)
    members: int = 3
    dropout: float = 0.1
    l2: float = 1e-5
    weight_average: float = 0.98
    half_life_horizons: float = 1.0
    clip_norm: float = 1.0
    private_epsilon: float = 0.0
    private_delta: float = 0.0
    trees: int = 300
    outlier_share: float = 0.01
    seed: int = 7

    @classmethod
    def preset(cls, name: str, **overrides: Any) -> TrainingConfig:
        """Gives named settings, with what `overrides` changes of them.

        Raises:
            PurchasingPowerError: There is no preset of that name, or a value is impossible.
        """
        if name not in PRESETS:
            raise PurchasingPowerError(
                f"The preset '{name}' does not exist; use one of {', '.join(PRESETS)}."
            )
        return cls(**{**PRESETS[name], **overrides})

    @classmethod
    def from_var(cls, values: Any, **overrides: Any) -> TrainingConfig:
        """Gives the settings that the dbt var holds, with what `overrides` changes of them.

        Args:
            values: The value of the var purchasing_power__training: field -> value.
            overrides: Fields with values of their own types.

        Raises:
            PurchasingPowerError: The var is no mapping, a field is unknown, or a value is of another type or
                impossible.
        """
        if not isinstance(values, Mapping):
            raise PurchasingPowerError(
                f"{TRAINING_VAR} is {json.dumps(values, default=str)}: write field: value, a field a line."
            )
        kinds: dict[str, Any] = {item.name: type(item.default) for item in fields(cls)}
        given = {}
        for name, value in values.items():
            if name not in kinds:
                raise PurchasingPowerError(
                    f"{TRAINING_VAR}.{name} does not exist: write one of {', '.join(kinds)}."
                )
            is_kind, in_words = _KINDS[kinds[name]]
            if not is_kind(value):
                raise PurchasingPowerError(
                    f"{TRAINING_VAR}.{name} is {json.dumps(value, default=str)}: write {in_words}."
                )
            given[name] = kinds[name](value)
        try:
            cls(**given)
        except PurchasingPowerError as error:
            raise PurchasingPowerError(f"{TRAINING_VAR}: {error}") from error
        return cls(**{**given, **overrides})

    def users_per_batch(self, training_users: int, purchases_per_user: float) -> int:
        """Gives the batch size, chosen by the shop where it is 0.

        Args:
            training_users: Users that are trained on.
            purchases_per_user: Labels of theirs in which there is an order, a user.
        """
        usual = min(max(training_users // 96, 64), 1024)
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
        for name in (
            *("batch_size", "users_per_epoch", "l2", "half_life_horizons", "trees", "seed"),
            *("private_epsilon", "private_delta"),
        ):
            if not getattr(self, name) >= 0:
                raise PurchasingPowerError(f"'{name}' is {getattr(self, name)} but must not be negative.")
        outside = [name for name in ("trees", "dropout", "l2") if getattr(self, name)]
        if self.private_epsilon and outside:
            raise PurchasingPowerError(
                f"'private_epsilon' is {self.private_epsilon}, and it counts noisy steps alone: use "
                f"`--preset private`, or set {' and '.join(outside)} to 0."
            )
        if not self.private_delta < 1:
            raise PurchasingPowerError(f"'private_delta' is {self.private_delta} but must be below 1.")
        if not 0 <= self.outlier_share <= 0.5:
            raise PurchasingPowerError(
                f"'outlier_share' is {self.outlier_share} but must be within [0, 0.5]."
            )
        if any(size < 1 for size in self.head_sizes):
            raise PurchasingPowerError(
                f"'head_sizes' is {self.head_sizes} but every size must be at least 1."
            )
