"""What an exported graph says about itself, and its form inside the ONNX file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from purchasing_power.errors import PurchasingPowerError

METADATA_PREFIX = "purchasing_power."
METADATA_FORMAT = "1"

_JSON_KEYS = frozenset({"channels", "context", "tier_names", "tier_cut_points", "metrics"})
_INTEGER_KEYS = frozenset({"state_size", "horizon_days"})
_TUPLE_KEYS = frozenset({"channels", "context", "tier_names", "tier_cut_points"})


@dataclass(frozen=True)
class FeatureContract:
    """What the warehouse promises about the numbers it hands over; training and scoring must agree on it.

    Attributes:
        feature_hash: Hash of the feature catalogue (names, SQL, transforms, order).
        scaling_version: Version of the frozen scaling parameters.
        channels: Names of the C numbers of a step, in tensor order.
        context: Names of the K numbers known about a user at an anchor, in tensor order.
        horizon_days: Days after the anchor that the prediction covers.
        step_grain: Period that one step stands for ('day', 'week' or 'event').
        tier_names: Names of the purchasing-power tiers, lowest first.
        currency: Currency of every amount of money.
        package_version: Version of the dbt package that built the features.
    """

    feature_hash: str
    scaling_version: str
    channels: tuple[str, ...]
    context: tuple[str, ...]
    horizon_days: int
    step_grain: str
    tier_names: tuple[str, ...]
    currency: str
    package_version: str


@dataclass(frozen=True)
class ModelMetadata(FeatureContract):
    """The feature contract plus everything that training fixed.

    Attributes:
        model_version: Name of the model in the registry.
        state_size: Length S of a user's state: every layer's vectors of every member, one after the other.
        tier_cut_points: Money over the horizon at which each tier but the lowest begins, strictly increasing.
        train_cutoff: ISO date; no label window used in training ends after it.
        trained_at: ISO timestamp, UTC.
        metrics: What was measured on held-back users, metric -> value.
    """

    model_version: str
    state_size: int
    tier_cut_points: tuple[float, ...]
    train_cutoff: str
    trained_at: str
    metrics: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_contract(cls, contract: FeatureContract, **fixed_by_training: Any) -> ModelMetadata:
        """Joins a feature contract with the values that training fixed (the attributes of this class)."""
        shared = {item.name: getattr(contract, item.name) for item in fields(FeatureContract)}
        return cls(**shared, **fixed_by_training)

    def to_properties(self, graph: str) -> dict[str, str]:
        """Gives the ONNX custom metadata of one graph ('encoder' or 'head'): prefixed keys, string values."""
        properties = {"format": METADATA_FORMAT, "graph": graph}
        for name, value in self.as_dict().items():
            properties[name] = json.dumps(value) if name in _JSON_KEYS else str(value)
        return {METADATA_PREFIX + name: value for name, value in properties.items()}

    def as_dict(self) -> dict[str, Any]:
        """Gives the metadata as plain JSON-ready values; the registry's model card."""
        values: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        values.update({name: list(values[name]) for name in _TUPLE_KEYS})
        values["metrics"] = dict(sorted(self.metrics.items()))
        return values

    @classmethod
    def from_properties(cls, properties: Mapping[str, str], graph: str) -> ModelMetadata:
        """Reads the metadata back from a graph.

        Args:
            properties: The ONNX custom metadata map.
            graph: 'encoder' or 'head', which the file must say it is.

        Raises:
            PurchasingPowerError: A key is missing or unreadable, the format is unknown, or it is the other
                graph.
        """
        check_graph(properties, graph, command="train")
        values = {
            item.name: _parse(item.name, required(properties, graph, item.name, command="train"), graph)
            for item in fields(cls)
        }
        return cls(**values)


def check_graph(properties: Mapping[str, str], graph: str, *, command: str) -> None:
    """Refuses a file of another format or of another graph.

    Args:
        properties: The ONNX custom metadata map.
        graph: What the file must say it is.
        command: The command of `purchasing-power` that makes such a graph, for messages.

    Raises:
        PurchasingPowerError: The format is unknown, or it is another graph.
    """
    found_format = properties.get(METADATA_PREFIX + "format")
    if found_format != METADATA_FORMAT:
        raise PurchasingPowerError(
            f"The {graph} graph carries metadata format {found_format!r} but this version reads "
            f"{METADATA_FORMAT!r}; export the model again with 'purchasing-power {command}' of this version."
        )
    found_graph = properties.get(METADATA_PREFIX + "graph")
    if found_graph != graph:
        raise PurchasingPowerError(
            f"Expected the {graph} graph but the ONNX file says it is {found_graph!r}; register each file "
            "as what it is."
        )


def required(properties: Mapping[str, str], graph: str, name: str, *, command: str) -> str:
    """Gives one value of a graph's metadata.

    Raises:
        PurchasingPowerError: The key is missing.
    """
    text = properties.get(METADATA_PREFIX + name)
    if text is None:
        raise PurchasingPowerError(
            f"The {graph} graph lacks the metadata key '{METADATA_PREFIX}{name}'; "
            f"export the model again with 'purchasing-power {command}'."
        )
    return text


def _parse(name: str, text: str, graph: str) -> Any:
    try:
        if name in _INTEGER_KEYS:
            return int(text)
        if name not in _JSON_KEYS:
            return text
        value = json.loads(text)
    except ValueError as error:
        raise PurchasingPowerError(
            f"The metadata key '{METADATA_PREFIX}{name}' of the {graph} graph cannot be read "
            f"({text[:60]!r}); "
            "export the model again with 'purchasing-power train'."
        ) from error
    return tuple(value) if name in _TUPLE_KEYS else value
