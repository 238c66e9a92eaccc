"""What a training run tells of each epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class EpochReport:
    """What one epoch came to.

    Attributes:
        epoch: Number of the epoch, from 1.
        epochs: Epochs at most.
        loss: Mean loss of an anchor over the epoch, regularisation included.
        validation_loss: Mean loss of an anchor of the held-back users.
        best_validation_loss: The lowest so far.
        resumed: Whether the epoch was read from the checkpoint of an interrupted run.
    """

    epoch: int
    epochs: int
    loss: float
    validation_loss: float
    best_validation_loss: float
    resumed: bool


Progress = Callable[[EpochReport], None]
