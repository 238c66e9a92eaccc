"""A small shop of made-up users, and a small model of random weights; built once a session."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from purchasing_power.scoring import FeatureContract, ModelMetadata, ScoringModel
from purchasing_power.training.boosting import BoostedTrees, fit_trees
from purchasing_power.training.dataset import AnchorSample, SequenceDataset
from purchasing_power.training.export import ExportedModel, Graphs, convert
from purchasing_power.training.forest import Forest, fit_forest
from purchasing_power.training.labels import label_scale
from purchasing_power.training.network import Network, build_network

CONTRACT = FeatureContract(
    feature_hash="f1",
    scaling_version="s1",
    channels=("log_spend", "log_gap", "noise"),
    context=("log_past_spend", "recency", "noise", "constant"),
    horizon_days=56,
    step_grain="day",
    tier_names=("low", "middle", "high"),
    currency="EUR",
    package_version="0.1.0",
)
FIRST_ANCHOR = dt.date(2024, 3, 3)
ANCHORS = [FIRST_ANCHOR + dt.timedelta(weeks=week) for week in range(12)]

_START = dt.date(2024, 1, 1)


@cache
def network(cell: str = "lstm", layers: int = 1, objective: str = "full") -> Network:
    scale = label_scale(np.random.default_rng(5).lognormal(4, 1, 500) * (np.arange(500) % 4 > 0), 3)
    built = build_network(
        n_channels=3,
        n_context=4,
        scale=scale,
        cell=cell,
        layers=layers,
        hidden_size=16,
        head_sizes=(8,),
        members=2,
        dropout=0.1,
        l2=0.0,
        objective=objective,
        seed=3,
    )
    # Untrained last layers are zero, and zeros would hide a mistake in what feeds them.
    random = np.random.default_rng(9)
    for weight in built.model.trainable_variables:
        weight.assign(weight.value + 0.3 * random.normal(size=weight.shape).astype(np.float32))
    return built


def metadata(**changes: Any) -> ModelMetadata:
    values: dict[str, Any] = {
        "model_version": "m1",
        "state_size": network().state_size,
        "tier_cut_points": network().outputs.scale.tier_cut_points,
        "train_cutoff": "2024-05-01",
        "trained_at": "2024-05-02T00:00:00+00:00",
        "metrics": {"spearman": 0.5},
    }
    contract = {name: changes.pop(name) for name in list(changes) if name in FeatureContract.__annotations__}
    return ModelMetadata.from_contract(
        FeatureContract(**{**CONTRACT.__dict__, **contract}), **{**values, **changes}
    )


@cache
def forest() -> Forest:
    context = np.random.default_rng(6).normal(size=(500, 4)).astype(np.float32)
    return fit_forest(context, outlier_share=0.02, seed=3)


@cache
def trees() -> BoostedTrees:
    random = np.random.default_rng(7)
    context = random.normal(size=(2000, 4)).astype(np.float32)
    bought = random.uniform(size=2000) < 1 / (1 + np.exp(-context[:, 0]))
    spend = np.where(bought, np.exp(3 + context[:, 1] + 0.5 * random.normal(size=2000)), 0.0)
    return fit_trees(AnchorSample(context, spend, bought, np.ones(2000)), trees=20, seed=3)


@cache
def graphs() -> Graphs:
    return convert(network(), trees(), forest())


@cache
def exported() -> ExportedModel:
    return graphs().stamp(metadata())


@cache
def scoring_model() -> ScoringModel:
    return ScoringModel.from_bytes(exported().encoder, exported().head, exported().sha256)


def rows(
    users: int = 120, seed: int = 1, anchors: Sequence[dt.date] = tuple(ANCHORS)
) -> list[dict[str, Any]]:
    """Rows of `purchasing_power__training_sequences`: users who keep spending what they are used to spend."""
    random = np.random.default_rng(seed)
    result = []
    for user in range(users):
        level = random.normal(3, 1)
        every = random.integers(2, 30)
        days = np.unique(random.integers(0, 200, 200 // every))
        spend = np.exp(level + 0.3 * random.normal(size=len(days)))
        gaps = np.diff(days, prepend=days[:1])
        steps = np.stack([np.log1p(spend) - 3, np.log1p(gaps) - 1, random.normal(size=len(days))], axis=1)
        at = np.array([(anchor - _START).days for anchor in anchors])[user % 3 :]
        before = np.searchsorted(days, at)
        total = np.concatenate([[0.0], np.cumsum(spend)])
        past = total[before] - total[np.searchsorted(days, at - 56)]
        until = np.searchsorted(days, at + 56)
        last_day = days[np.maximum(before - 1, 0)]
        context = np.stack(
            [
                np.log1p(past) - 4,
                np.log1p(np.maximum(at - last_day, 0)) - 2,
                random.normal(size=len(at)),
                np.zeros(len(at)),
            ],
            axis=1,
        )
        result.append(
            {
                "user_id": f"user-{user}",
                "split": "validation" if user % 5 == 0 else "train",
                "first_day": int(days[0]) if len(days) else 0,
                "n_steps": len(days),
                "steps": steps.astype(np.float32).ravel(),
                "n_anchors": len(at),
                "anchor_on": [_START + dt.timedelta(days=int(day)) for day in at],
                "steps_before": before.astype(np.int32),
                "context": context.astype(np.float32).ravel(),
                "past_spend": past,
                "spend": total[until] - total[before],
                "orders": (until - before).astype(np.int32),
            }
        )
    return result


def batches(records: list[dict[str, Any]], size: int = 32) -> list[pa.RecordBatch]:
    schema = pa.schema(
        [
            ("user_id", pa.string()),
            ("split", pa.string()),
            ("n_steps", pa.int32()),
            ("steps", pa.list_(pa.float32())),
            ("n_anchors", pa.int32()),
            ("anchor_on", pa.list_(pa.date32())),
            ("steps_before", pa.list_(pa.int32())),
            ("context", pa.list_(pa.float32())),
            ("past_spend", pa.list_(pa.float64())),
            ("spend", pa.list_(pa.float64())),
            ("orders", pa.list_(pa.int32())),
        ]
    )
    return pa.Table.from_pylist(records, schema=schema).to_batches(max_chunksize=size)


def dataset(folder: Path, records: list[dict[str, Any]] | None = None) -> SequenceDataset:
    return SequenceDataset.write(batches(rows() if records is None else records), folder, CONTRACT)
