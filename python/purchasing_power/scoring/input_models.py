"""The models that make inputs of features: review texts to sentiment, product embeddings to factors.

Unlike the encoder and the head they are no part of a champion: they are fitted by `purchasing-power prepare`
on what the shop has, and registered in `purchasing_power__input_models`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring.graph import FloatArray, OnnxGraph
from purchasing_power.scoring.metadata import (
    METADATA_FORMAT,
    METADATA_PREFIX,
    check_graph,
    required,
)
from purchasing_power.scoring.text import NgramHashing, chunks, hash_texts

SENTIMENT = "sentiment"
EMBEDDING = "embedding"

_COMMAND = "prepare"
_FLOAT_BYTES = 4


@dataclass(frozen=True)
class InputModelMetadata:
    """What every input model says of itself inside its ONNX file.

    Attributes:
        model_version: Name of the model in the registry.
        fitted_before: ISO date; nothing on or after it was fitted on.
        settings_sha256: Hex SHA-256 of the settings it was fitted with.
    """

    kind: ClassVar[str]

    model_version: str
    fitted_before: str
    settings_sha256: str

    def to_properties(self) -> dict[str, str]:
        """Gives the ONNX custom metadata: prefixed keys, string values."""
        values = {"format": METADATA_FORMAT, "graph": self.kind}
        values.update({item.name: str(getattr(self, item.name)) for item in fields(self)})
        return {METADATA_PREFIX + name: value for name, value in values.items()}

    @classmethod
    def from_properties(cls, properties: Mapping[str, str]) -> Self:
        """Reads the metadata back from a graph.

        Raises:
            PurchasingPowerError: A key is missing or unreadable, the format is unknown, or it is another
                graph.
        """
        check_graph(properties, cls.kind, command=_COMMAND)
        values: dict[str, Any] = {}
        for item in fields(cls):
            text = required(properties, cls.kind, item.name, command=_COMMAND)
            if item.type == "int" and not text.isdecimal():
                raise PurchasingPowerError(
                    f"The metadata key '{METADATA_PREFIX}{item.name}' of the {cls.kind} graph cannot be read "
                    f"({text[:60]!r}); run 'purchasing-power {_COMMAND}' again."
                )
            values[item.name] = int(text) if item.type == "int" else text
        return cls(**values)


@dataclass(frozen=True)
class SentimentMetadata(InputModelMetadata):
    """What the sentiment classifier says of itself.

    Attributes:
        buckets: Buckets that n-grams are hashed to.
        shortest: Characters of the shortest n-gram.
        longest: Characters of the longest n-gram.
    """

    kind: ClassVar[str] = SENTIMENT

    buckets: int
    shortest: int
    longest: int

    @property
    def hashing(self) -> NgramHashing:
        """How the texts must be hashed."""
        return NgramHashing(self.buckets, self.shortest, self.longest)


@dataclass(frozen=True)
class ProjectionMetadata(InputModelMetadata):
    """What the projection of product embeddings says of itself.

    Attributes:
        width: Numbers of an embedding.
        factors: Numbers that it is projected to.
    """

    kind: ClassVar[str] = EMBEDDING

    width: int
    factors: int


class SentimentModel:
    """The exported classifier of texts.

    Attributes:
        metadata: What the file says of itself.
    """

    def __init__(self, content: bytes, sha256: str | None = None, *, threads: int = 2) -> None:
        """Opens the classifier.

        Args:
            content: The ONNX file.
            sha256: The fingerprint that was registered; None skips the check.
            threads: Threads of one operator.

        Raises:
            PurchasingPowerError: The fingerprint differs, or the file is no sentiment graph of this version.
        """
        self._graph = _open(
            SENTIMENT, content, sha256, ("buckets", "rows", "texts"), ("score", "probability"), threads
        )
        self.metadata = SentimentMetadata.from_properties(self._graph.properties)
        self._hashing = self.metadata.hashing
        _require_size(SENTIMENT, content, numbers=2 * self.metadata.buckets)

    def probability(self, texts: Sequence[str]) -> FloatArray:
        """Gives the probability that the writer of each text is content.

        Args:
            texts: n texts; one of which the classifier knows nothing gets the share of content reviews that
                it was fitted on.

        Returns:
            [n] probabilities.
        """
        found = [np.zeros(0, np.float32)]
        for chunk in chunks(texts):
            hashed = hash_texts(chunk, self._hashing)
            feeds = {
                "buckets": hashed.buckets,
                "rows": hashed.rows,
                "texts": np.array([hashed.texts], np.int64),
            }
            found.append(self._graph.run(feeds)[1].astype(np.float32, copy=False))
        return np.concatenate(found)

    def sentiment(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Gives the sentiment of n texts, [n] from -1 (bad) to 1 (good), 2 p - 1, to six digits."""
        # Rounded, because the last bits of a float depend on the processor.
        return np.round(2.0 * self.probability(texts).astype(np.float64) - 1.0, 6)


class ProjectionModel:
    """The exported projection of product embeddings.

    Attributes:
        metadata: What the file says of itself.
    """

    def __init__(self, content: bytes, sha256: str | None = None, *, threads: int = 2) -> None:
        """Opens the projection.

        Args:
            content: The ONNX file.
            sha256: The fingerprint that was registered; None skips the check.
            threads: Threads of one operator.

        Raises:
            PurchasingPowerError: The fingerprint differs, or the file is no projection of this version.
        """
        self._graph = _open(EMBEDDING, content, sha256, ("embedding",), ("factors",), threads)
        self.metadata = ProjectionMetadata.from_properties(self._graph.properties)
        width = self._graph.input_width("embedding")
        if width != self.metadata.width:
            raise PurchasingPowerError(
                f"The {EMBEDDING} graph takes 'embedding' of width {width} but its metadata says "
                f"{self.metadata.width}; run 'purchasing-power {_COMMAND}' again."
            )
        _require_size(EMBEDDING, content, numbers=(self.metadata.width + 1) * self.metadata.factors)

    def factors(self, embedding: FloatArray) -> FloatArray:
        """Projects embeddings [n, width] to [n, factors]."""
        return self._graph.run({"embedding": embedding})[0].astype(np.float32, copy=False)


def _open(
    kind: str,
    content: bytes,
    sha256: str | None,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    threads: int,
) -> OnnxGraph:
    content = bytes(content)
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise PurchasingPowerError(
            f"The {kind} model's bytes have sha256 {found[:12]}… but {sha256[:12]}… was registered: the "
            f"file was changed; run 'purchasing-power {_COMMAND}' to register it again."
        )
    return OnnxGraph(kind, content, inputs, outputs, threads=threads, command=_COMMAND)


def _require_size(kind: str, content: bytes, *, numbers: int) -> None:
    """Refuses a file that is too small for its numbers: they would lie in another file, or be fewer."""
    if len(content) < numbers * _FLOAT_BYTES:
        raise PurchasingPowerError(
            f"The {kind} graph has {len(content)} bytes, too few for the {numbers} numbers that its metadata "
            "promises: they must be in the file itself, not beside it; run "
            f"'purchasing-power {_COMMAND}' again."
        )
