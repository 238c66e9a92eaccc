"""What every peer is given, and the only doors through which it sees the data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.training.dataset import AnchorSample, SequenceDataset
from purchasing_power.training.labels import tier_cut_points
from purchasing_power.warehouse.project import Project

# More rows make the trees slower and hardly any better.
_MOST_EXAMPLES = 600_000


@dataclass(frozen=True)
class PeerTask:
    """The users to predict, and what may be learnt from.

    Attributes:
        project: the dbt project, for methods that read purchases themselves.
        dataset: the sequences.
        cut: the anchor to predict; nothing that a user did from it on may be looked at.
        work_dir: folder for what a method writes while it trains.
        seed: seeds whatever is drawn.
    """

    project: Project
    dataset: SequenceDataset
    cut: date
    work_dir: Path
    seed: int = 0

    @cached_property
    def tier_cut_points(self) -> tuple[float, ...]:
        """Money at which each tier but the lowest begins: those of our model, from the same labels."""
        labels = self.dataset.selection(split="train", cutoff=self.cut).label_sample()
        return tier_cut_points(labels, len(self.dataset.contract.tier_names))

    def examples(self, split: str | None = None) -> AnchorSample:
        """Gives the anchors whose label windows end by the cut, or a sample of them where there are many.

        The weight of an anchor halves with each horizon of age, as in our model.

        Args:
            split: 'train' or 'validation'; None takes all users.

        Raises:
            PurchasingPowerError: There is none.
        """
        chosen = self.dataset.selection(split=split, cutoff=self.cut)
        found = chosen.sample(
            _MOST_EXAMPLES, half_life_days=self.dataset.contract.horizon_days, seed=self.seed
        )
        if not len(found.spend):
            raise PurchasingPowerError(
                f"no anchor's {self.dataset.contract.horizon_days} days end by {self.cut}, so bring more "
                "history"
            )
        return found

    def context(self) -> npt.NDArray[np.float32]:
        """Gives [n, K] the context of all users at the cut, in the order of `dataset.labels`."""
        chosen = self.dataset.selection(anchor_on=self.cut)
        return chosen.newest_context(users=len(chosen.users))

    def user_ids(self) -> pa.Array:
        """Gives [n] the users at the cut, in the same order."""
        return self.dataset.user_ids(self.dataset.selection(anchor_on=self.cut).users)
