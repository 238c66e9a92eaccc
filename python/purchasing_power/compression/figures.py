"""What a compressed model is like beside the one that it was made from, on the same users, in one run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from purchasing_power.compression.users import AnchorUsers
from purchasing_power.errors import PurchasingPowerError
from purchasing_power.evaluation import evaluate_scores
from purchasing_power.scoring.columns import FloatArray, list_column
from purchasing_power.scoring.encoder import encode
from purchasing_power.scoring.head import HEAD_OUTPUT_SCHEMA, score
from purchasing_power.scoring.model import ScoringModel

# Users that speed is measured on, as many as a full call of the encoder has.
_TIMED_USERS = 1024
# Short runs, many of them: what else the machine does comes and goes between them.
_REPEATS = 31
# So few that other users share a call than in a run over everybody.
_SMALL_BATCH = 48


@dataclass(frozen=True)
class Figures:
    """Measurements of two models on the same users.

    Attributes:
        original: Metrics of the original, on all users.
        compressed: Metrics of the compressed model, on all users.
        original_held_back: Metrics of the original on users that no weight was fitted to; empty without any.
        compressed_held_back: The same of the compressed model.
        difference: speed_ratio (users a second over the original's, from first steps to scores),
            encoder_speed_ratio, head_speed_ratio, normalized_gini_lost, buy_auc_lost, mae_over_mean_added,
            state_drift (largest difference of a state by who shares a batch: absolute up to 1, relative
            above).
    """

    original: Mapping[str, float]
    compressed: Mapping[str, float]
    original_held_back: Mapping[str, float]
    compressed_held_back: Mapping[str, float]
    difference: Mapping[str, float]


class _Scored:
    """One model's scores of users, batch by batch."""

    def __init__(self, model: ScoringModel) -> None:
        self.model = model
        self._batches: list[pa.RecordBatch] = []

    def add(self, users: AnchorUsers) -> None:
        self._batches += scores_of(self.model, users)

    def metrics(
        self, spend: npt.NDArray[np.float64], orders: npt.NDArray[np.int64], chosen: npt.NDArray[np.bool_]
    ) -> Mapping[str, float]:
        """Measures the scores of some users; nothing where there are none."""
        if not chosen.any():
            return {}
        table = pa.Table.from_batches(self._batches, HEAD_OUTPUT_SCHEMA).filter(pa.array(chosen))
        metadata = self.model.metadata
        return evaluate_scores(
            table,
            spend[chosen],
            orders[chosen],
            tier_names=metadata.tier_names,
            tier_cut_points=metadata.tier_cut_points,
        )


def compare(original: ScoringModel, compressed: ScoringModel, batches: Iterable[AnchorUsers]) -> Figures:
    """Scores users by both models, and times both on some of them in turns.

    Args:
        original: The model that was compressed.
        compressed: What became of it.
        batches: The users.

    Raises:
        PurchasingPowerError: There is no user, or nobody spent anything.
    """
    before, after = _Scored(original), _Scored(compressed)
    spend, orders, is_held_back = [], [], []
    timed: list[AnchorUsers] = []
    for users in batches:
        before.add(users)
        after.add(users)
        spend.append(users.spend)
        orders.append(users.orders)
        is_held_back.append(users.is_held_back)
        if sum(len(item.spend) for item in timed) < _TIMED_USERS:
            timed.append(users)
    everybody = np.concatenate(spend) if spend else np.zeros(0)
    if not everybody.any():
        raise PurchasingPowerError(
            "The figures of a compressed model cannot be measured, because no user spent anything after the "
            "newest anchor whose horizon has passed: check the input's dates and the mapping of amounts."
        )
    ordered, held_back = np.concatenate(orders), np.concatenate(is_held_back)
    everyone = np.ones(len(everybody), np.bool_)
    found = {
        name: (scored.metrics(everybody, ordered, everyone), scored.metrics(everybody, ordered, held_back))
        for name, scored in (("before", before), ("after", after))
    }
    was, now = found["before"][0], found["after"][0]
    steps, context = _timing_sample(timed)
    return Figures(
        original=was,
        compressed=now,
        original_held_back=found["before"][1],
        compressed_held_back=found["after"][1],
        difference={
            **_speeds(original, compressed, steps, context),
            "normalized_gini_lost": was["normalized_gini"] - now["normalized_gini"],
            # Where all or none bought there is no such area.
            "buy_auc_lost": was.get("buy_auc", 0.0) - now.get("buy_auc", 0.0),
            "mae_over_mean_added": now["mae_over_mean"] - was["mae_over_mean"],
            "state_drift": _drift(compressed, steps),
        },
    )


def scores_of(model: ScoringModel, users: AnchorUsers) -> list[pa.RecordBatch]:
    """Gives a model's scores of users, in their order."""
    return _scores(model, _states(model, users.steps), users.context)


def _states(model: ScoringModel, steps: pa.RecordBatch) -> pa.RecordBatch:
    (states,) = encode([steps], model)
    return states


def _scores(model: ScoringModel, states: pa.RecordBatch, context: pa.Array) -> list[pa.RecordBatch]:
    return list(score([states.append_column("context", context)], model))


def _timing_sample(users: list[AnchorUsers]) -> tuple[pa.RecordBatch, pa.Array]:
    """Gives as many users as are timed, the same again where there are fewer; as the warehouse sorts them."""
    steps = pa.Table.from_batches([item.steps for item in users]).append_column(
        "context", pa.chunked_array([item.context for item in users])
    )
    rows = np.resize(np.arange(len(steps)), _TIMED_USERS)
    (sample,) = steps.take(pa.array(rows)).sort_by("n_steps").combine_chunks().to_batches()
    return sample.drop_columns(["context"]), sample.column("context")


def _speeds(
    original: ScoringModel, compressed: ScoringModel, steps: pa.RecordBatch, context: pa.Array
) -> dict[str, float]:
    ratios: dict[str, list[float]] = {"": [], "encoder_": [], "head_": []}
    for repeat in range(_REPEATS + 1):
        # One right after the other, each as often first, so that whatever else runs meets both alike.
        pair = (original, compressed) if repeat % 2 else (compressed, original)
        seconds = {id(model): _seconds(model, steps, context) for model in pair}
        # The first run finds caches and memory cold.
        if repeat:
            was, now = seconds[id(original)], seconds[id(compressed)]
            for part, found in ratios.items():
                found.append(was[part] / now[part])
    return {f"{part}speed_ratio": median(found) for part, found in ratios.items()}


def _seconds(model: ScoringModel, steps: pa.RecordBatch, context: pa.Array) -> dict[str, float]:
    start = time.perf_counter()
    states = _states(model, steps)
    between = time.perf_counter()
    _scores(model, states, context)
    end = time.perf_counter()
    return {"": end - start, "encoder_": between - start, "head_": end - between}


def _drift(model: ScoringModel, steps: pa.RecordBatch) -> float:
    """Gives how much a state depends on who shares a batch, at most."""

    def states(batches: Iterable[pa.RecordBatch]) -> FloatArray:
        size = model.metadata.state_size
        return np.concatenate(
            [list_column(batch, "state", nullable=False).matrix(size) for batch in encode(batches, model)]
        )

    together = states([steps])
    alone = states(steps.slice(first, _SMALL_BATCH) for first in range(0, len(steps), _SMALL_BATCH))
    return float(np.max(np.abs(alone - together) / np.maximum(np.abs(together), 1), initial=0.0))
