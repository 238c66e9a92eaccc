"""A trained model: predicts through the graphs that the warehouse will run, and exports them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring.columns import list_column
from purchasing_power.scoring.encoder import encode
from purchasing_power.scoring.head import HEAD_OUTPUT_SCHEMA, score
from purchasing_power.scoring.metadata import FeatureContract, ModelMetadata
from purchasing_power.scoring.model import ScoringModel
from purchasing_power.training.boosting import BoostedTrees
from purchasing_power.training.config import TrainingConfig
from purchasing_power.training.dataset import SequenceDataset
from purchasing_power.training.export import (
    ExportedModel,
    Graphs,
    ParityBatch,
    ParityReport,
    check_parity,
    convert,
)
from purchasing_power.training.forest import Forest
from purchasing_power.training.network import Network
from purchasing_power.training.private import PrivacyBudget
from purchasing_power.training.progress import EpochReport

_UNREGISTERED = "unregistered"


class TrainedModel:
    """What `train` returns.

    Attributes:
        network: The Keras network with the best weights.
        trees: The boosted trees that its outputs are averaged with; None where there are none.
        forest: The isolation forest over context.
        contract: The feature contract it was trained on.
        cutoff: No label window used in training ends after it.
        config: Hyperparameters.
        history: One report an epoch.
        budget: What it promises of its training users' privacy; None if nothing.
        tier_cut_points: Money over the horizon at which each tier but the lowest begins.
    """

    def __init__(
        self,
        network: Network,
        trees: BoostedTrees | None,
        forest: Forest,
        contract: FeatureContract,
        cutoff: dt.date,
        config: TrainingConfig,
        history: Sequence[EpochReport],
        budget: PrivacyBudget | None = None,
    ) -> None:
        """Takes over what training made; `train` is the one to call."""
        self.network = network
        self.trees = trees
        self.forest = forest
        self.contract = contract
        self.cutoff = cutoff
        self.config = config
        self.history = tuple(history)
        self.budget = budget
        self.tier_cut_points = network.outputs.scale.tier_cut_points

    def predict(
        self, dataset: SequenceDataset, anchor_on: dt.date, *, split: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Scores users at an anchor through onnxruntime, with the code that the warehouse runs.

        Args:
            dataset: The sequences; only steps before the anchor are read.
            anchor_on: The anchor.
            split: 'train' or 'validation'; None takes all users.

        Yields:
            Batches as the scoring core's head gives them, users in the order of `dataset.labels`.
        """
        for batch, context in dataset.records(anchor_on, split=split):
            (states,) = encode([batch], self._scoring)
            yield from score([states.append_column("context", context)], self._scoring)

    def predict_table(
        self, dataset: SequenceDataset, anchor_on: dt.date, *, split: str | None = None
    ) -> pa.Table:
        """Gives all of `predict` as one table."""
        return pa.Table.from_batches(self.predict(dataset, anchor_on, split=split), HEAD_OUTPUT_SCHEMA)

    def export(
        self, *, model_version: str, trained_at: dt.datetime, metrics: Mapping[str, float]
    ) -> ExportedModel:
        """Gives the two ONNX files with their metadata.

        Args:
            model_version: Name in the registry.
            trained_at: When it was trained, with a time zone.
            metrics: What was measured, metric -> value.
        """
        return self._graphs.stamp(self._metadata(model_version, trained_at, metrics))

    def check_parity(self, dataset: SequenceDataset, anchor_on: dt.date, *, users: int = 512) -> ParityReport:
        """Compares onnxruntime with what was trained on about `users` users of an anchor, of all lengths.

        Raises:
            PurchasingPowerError: They differ by more than 1e-5.
        """
        return check_parity(
            self.network,
            self.trees,
            self.forest,
            self._scoring,
            self._parity_batches(dataset, anchor_on, users),
        )

    def _parity_batches(
        self, dataset: SequenceDataset, anchor_on: dt.date, users: int
    ) -> Iterator[ParityBatch]:
        total = len(dataset.selection(anchor_on=anchor_on).users)
        blocks = max(1, -(-total // 64))
        # Whole blocks of neighbours, spread over all lengths, because neighbours are equally long or nearly
        # so.
        keep = set(np.linspace(0, blocks - 1, max(1, min(blocks, users // 64))).astype(int).tolist())
        for index, (batch, context) in enumerate(dataset.records(anchor_on, rows=64)):
            if index not in keep:
                continue
            rows = list_column(batch, "steps", nullable=False)
            contexts = list_column(pa.record_batch({"context": context}), "context", nullable=False).matrix(
                dataset.n_context
            )
            for length in np.unique(rows.lengths):
                same = np.flatnonzero(rows.lengths == length)
                values = rows.values[rows.starts[same, None] + np.arange(length)]
                yield ParityBatch(
                    steps=values.reshape(len(same), -1, dataset.n_channels).astype(np.float32),
                    state=np.zeros((len(same), self.network.state_size), np.float32),
                    context=contexts[same],
                )

    @cached_property
    def _graphs(self) -> Graphs:
        return convert(self.network, self.trees, self.forest)

    @cached_property
    def _scoring(self) -> ScoringModel:
        provisional = self._metadata(_UNREGISTERED, dt.datetime.fromtimestamp(0, dt.UTC), {})
        exported = self._graphs.stamp(provisional)
        return ScoringModel.from_bytes(exported.encoder, exported.head, exported.sha256)

    def _metadata(
        self, model_version: str, trained_at: dt.datetime, metrics: Mapping[str, float]
    ) -> ModelMetadata:
        if trained_at.tzinfo is None:
            raise PurchasingPowerError("'trained_at' has no time zone; pass it in UTC.")
        return ModelMetadata.from_contract(
            self.contract,
            model_version=model_version,
            state_size=self.network.state_size,
            tier_cut_points=self.tier_cut_points,
            train_cutoff=self.cutoff.isoformat(),
            trained_at=trained_at.astimezone(dt.UTC).isoformat(),
            metrics=dict(metrics),
        )
