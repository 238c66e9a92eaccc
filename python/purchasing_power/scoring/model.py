"""The two exported graphs as one checked model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring.graph import FloatArray, OnnxGraph
from purchasing_power.scoring.metadata import ModelMetadata

_ENCODER_INPUTS = ("steps", "state")
_ENCODER_OUTPUTS = ("next_state",)
_HEAD_INPUTS = ("state", "context")
_HEAD_OUTPUTS = (
    "purchase_probability",
    "expected_spend",
    "spend_p10",
    "spend_p50",
    "spend_p90",
    "tier_probabilities",
    "tier",
    "anomaly_score",
    "is_outlier",
)


def model_sha256(encoder: bytes, head: bytes) -> str:
    """Gives the registry's fingerprint: the hex SHA-256 of the encoder's bytes followed by the head's."""
    digest = hashlib.sha256(encoder)
    digest.update(head)
    return digest.hexdigest()


class OnnxModel(OnnxGraph):
    """An encoder or a head, and what it says of itself."""

    def __init__(
        self, graph: str, content: bytes, inputs: tuple[str, ...], outputs: tuple[str, ...], threads: int
    ) -> None:
        """Opens the graph and reads its metadata; see `OnnxGraph` for the arguments.

        Raises:
            PurchasingPowerError: The bytes are no ONNX model, the names differ, or the metadata is not of
                this version.
        """
        super().__init__(graph, content, inputs, outputs, threads=threads, command="train")
        self.metadata = ModelMetadata.from_properties(self.properties, graph)


@dataclass(frozen=True)
class HeadOutput:
    """What the head says of a batch of n users; money in the model's currency over its horizon.

    Attributes:
        purchase_probability: [n] probability of at least one order.
        expected_spend: [n] mean spend.
        spend_p10: [n] 10 % quantile of spend.
        spend_p50: [n] middle of spend: the mean of its quantiles from 30 % to 70 %.
        spend_p90: [n] 90 % quantile of spend.
        tier_probabilities: [n, T] probability of each tier, lowest first.
        tier: [n] index of the predicted tier, 0 = lowest.
        anomaly_score: [n] how unlike the users of the training set, 0 to 1.
        is_outlier: [n] whether that is beyond what training allowed.
    """

    purchase_probability: FloatArray
    expected_spend: FloatArray
    spend_p10: FloatArray
    spend_p50: FloatArray
    spend_p90: FloatArray
    tier_probabilities: FloatArray
    tier: npt.NDArray[np.int64]
    anomaly_score: FloatArray
    is_outlier: npt.NDArray[np.bool_]


class ScoringModel:
    """An encoder and a head that belong together."""

    def __init__(self, encoder: OnnxModel, head: OnnxModel) -> None:
        """Checks that both graphs carry the same metadata and the widths that it promises.

        Raises:
            PurchasingPowerError: The graphs come from two models, or a width contradicts the metadata.
        """
        self._encoder = encoder
        self._head = head
        self.metadata = encoder.metadata
        if encoder.metadata != head.metadata:
            differing = sorted(
                key
                for key, value in encoder.metadata.as_dict().items()
                if head.metadata.as_dict()[key] != value
            )
            raise PurchasingPowerError(
                f"The encoder and the head disagree on {', '.join(differing)}: they were exported from two "
                "different models; register both files of one export."
            )
        promised = {
            ("encoder", "steps"): len(self.metadata.channels),
            ("encoder", "state"): self.metadata.state_size,
            ("head", "state"): self.metadata.state_size,
            ("head", "context"): len(self.metadata.context),
        }
        for (graph, name), width in promised.items():
            found = (encoder if graph == "encoder" else head).input_width(name)
            if found != width:
                raise PurchasingPowerError(
                    f"The {graph} graph takes '{name}' of width {found} but its metadata says {width}; "
                    "export the model again with 'purchasing-power train'."
                )
        if len(self.metadata.tier_cut_points) != len(self.metadata.tier_names) - 1:
            raise PurchasingPowerError(
                f"The model has {len(self.metadata.tier_names)} tier names but "
                f"{len(self.metadata.tier_cut_points)} cut points; export it again with 'purchasing-power "
                "train'."
            )

    @classmethod
    def from_bytes(
        cls, encoder: bytes, head: bytes, sha256: str | None = None, *, threads: int = 2
    ) -> ScoringModel:
        """Opens a model from the registry's bytes.

        Args:
            encoder: The encoder's ONNX file.
            head: The head's ONNX file.
            sha256: The fingerprint that was registered; None skips the check.
            threads: Threads of one operator.

        Raises:
            PurchasingPowerError: The fingerprint differs, a file is broken, or the graphs disagree.
        """
        encoder, head = bytes(encoder), bytes(head)
        if sha256 is not None and model_sha256(encoder, head) != sha256:
            raise PurchasingPowerError(
                f"The model's bytes have sha256 {model_sha256(encoder, head)[:12]}… but {sha256[:12]}… was "
                "registered: the file was changed; register the model again or roll back."
            )
        return cls(
            OnnxModel("encoder", encoder, _ENCODER_INPUTS, _ENCODER_OUTPUTS, threads),
            OnnxModel("head", head, _HEAD_INPUTS, _HEAD_OUTPUTS, threads),
        )

    def check_features(self, *, feature_hash: str, scaling_version: str) -> None:
        """Refuses features that the model was not trained on.

        Raises:
            PurchasingPowerError: The feature hash or the scaling version differs.
        """
        for name, found, expected in (
            ("feature hash", feature_hash, self.metadata.feature_hash),
            ("scaling version", scaling_version, self.metadata.scaling_version),
        ):
            if found != expected:
                raise PurchasingPowerError(
                    f"Model {self.metadata.model_version} was trained on {name} {expected} but the "
                    "warehouse has "
                    f"{found}; run 'purchasing-power train --promote', or build the features it was trained "
                    "on."
                )

    def next_state(self, steps: FloatArray, state: FloatArray) -> FloatArray:
        """Feeds steps onto states.

        Args:
            steps: [n, t, C] standardised channels, t >= 1.
            state: [n, S] states before the first of the steps.

        Returns:
            [n, S] states after the last of the steps.
        """
        return self._encoder.run({"steps": steps, "state": state})[0].astype(np.float32, copy=False)

    def predict(self, state: FloatArray, context: FloatArray) -> HeadOutput:
        """Scores users.

        Args:
            state: [n, S] states after the users' last step before the anchor, zeros without one.
            context: [n, K] standardised context at the anchor.
        """
        probability, expected, p10, p50, p90, tiers, tier, anomaly, outlier = self._head.run(
            {"state": state, "context": context}
        )
        return HeadOutput(
            purchase_probability=probability.astype(np.float32, copy=False),
            expected_spend=expected.astype(np.float32, copy=False),
            spend_p10=p10.astype(np.float32, copy=False),
            spend_p50=p50.astype(np.float32, copy=False),
            spend_p90=p90.astype(np.float32, copy=False),
            tier_probabilities=tiers.astype(np.float32, copy=False),
            tier=tier.astype(np.int64, copy=False),
            anomaly_score=anomaly.astype(np.float32, copy=False),
            is_outlier=outlier.astype(np.bool_, copy=False),
        )
