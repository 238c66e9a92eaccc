"""A generated shop as scoring in real time sees it: events in order, and beside them what the batch path made of them."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from compiled_features import Warehouse

from purchasing_power.online import OnlineScorer, UserMemory
from purchasing_power.online.definitions import Definitions
from purchasing_power.online.rows import ActivityRows
from purchasing_power.online.sql import day_number
from purchasing_power.online.steps import Steps
from purchasing_power.online.windows import Windows
from purchasing_power.scoring import ModelMetadata, encode, score
from purchasing_power.scoring.model import HeadOutput

STATE_SIZE = 6
TIERS = ("low", "middle", "high")
Event = Mapping[str, Any]


class NumpyModel:
    """Stands in for an exported model: random weights that let every input move every output, without TensorFlow."""

    def __init__(self, metadata: ModelMetadata) -> None:
        random = np.random.default_rng(4)
        self.metadata = metadata

        def weights(*shape: int) -> np.ndarray:
            return (random.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)

        self._of_step, self._of_state = (
            weights(len(metadata.channels), STATE_SIZE),
            weights(STATE_SIZE, STATE_SIZE),
        )
        self._head = weights(STATE_SIZE + len(metadata.context), 7)

    def check_features(self, *, feature_hash: str, scaling_version: str) -> None:
        assert (feature_hash, scaling_version) == (self.metadata.feature_hash, self.metadata.scaling_version)

    def next_state(self, steps: np.ndarray, state: np.ndarray) -> np.ndarray:
        for step in range(steps.shape[1]):
            state = np.tanh(steps[:, step] @ self._of_step + 0.8 * state @ self._of_state)
        return state

    def predict(self, state: np.ndarray, context: np.ndarray) -> HeadOutput:
        out = np.concatenate([state, context], axis=1) @ self._head
        tiers = np.exp(out[:, 4:])
        return HeadOutput(
            purchase_probability=1 / (1 + np.exp(-out[:, 0])),
            expected_spend=np.exp(out[:, 0]),
            spend_p10=np.exp(out[:, 1]),
            spend_p50=np.exp(out[:, 2]),
            spend_p90=np.exp(out[:, 3]),
            tier_probabilities=tiers / tiers.sum(axis=1, keepdims=True),
            tier=tiers.argmax(axis=1),
            anomaly_score=1 / (1 + np.exp(-out[:, 6])),
            is_outlier=out[:, 6] > 1,
        )


@dataclass(frozen=True)
class OnlineShop:
    """A built warehouse, and a scorer with a made-up model of its features."""

    warehouse: Warehouse

    @cached_property
    def settings(self) -> dict[str, Any]:
        (row,) = self.warehouse.rows("select * from purchasing_power__settings")
        return row

    @cached_property
    def definitions(self) -> list[dict[str, Any]]:
        return self.warehouse.rows("select * from purchasing_power__feature_definitions")

    @cached_property
    def scaling(self) -> list[dict[str, Any]]:
        return self.warehouse.rows("select * from purchasing_power__scaling")

    @cached_property
    def model(self) -> Any:
        catalogue = self.warehouse.rows("select * from purchasing_power__feature_catalogue order by position")
        names = {
            feature_set: tuple(row["feature_name"] for row in catalogue if row["feature_set"] == feature_set)
            for feature_set in ("channel", "context")
        }
        return NumpyModel(
            ModelMetadata(
                **{
                    name: self.settings[name]
                    for name in (
                        "feature_hash", "scaling_version", "horizon_days", "step_grain", "currency", "package_version",
                    )
                },
                channels=names["channel"],
                context=names["context"],
                tier_names=TIERS,
                model_version="made-up",
                state_size=STATE_SIZE,
                tier_cut_points=(1.0, 2.0),
                train_cutoff="2024-01-01",
                trained_at="2024-01-01T00:00:00",
            )
        )  # fmt: skip

    @cached_property
    def scorer(self) -> OnlineScorer:
        return OnlineScorer(self.model, self.definitions, self.scaling)

    @cached_property
    def events(self) -> dict[str, list[Event]]:
        """Each user's events, step by step; within a step in any order, which must not matter."""
        rows = self.warehouse.rows("select * from int_purchasing_power__activity")
        random = np.random.default_rng(1)
        events: dict[str, list[Event]] = defaultdict(list)
        for position in random.permutation(len(rows)).tolist():
            events[rows[position]["user_id"]].append(rows[position])
        steps = self.compiled.steps
        by_event = self.settings["step_grain"] == "event"
        for own in events.values():
            own.sort(
                key=lambda event: event["occurred_at"] if by_event else steps.begins(event["occurred_at"])
            )
        return dict(events)

    @cached_property
    def sign_ups(self) -> dict[str, dt.date]:
        query = "select user_id, min(cast(signed_up_at as date)) as day from stg_purchasing_power__customers group by 1"
        return {row["user_id"]: row["day"] for row in self.warehouse.rows(query) if row["day"] is not None}

    @cached_property
    def compiled(self) -> Compiled:
        return Compiled.of(self.definitions, self.settings["step_grain"])

    def newcomer(self, user_id: str) -> UserMemory:
        return self.scorer.newcomer(user_id, self.sign_ups.get(user_id))

    def batch_scores(self) -> dict[tuple[str, dt.date], dict[str, Any]]:
        """What the batch path says of each user at each training anchor."""
        channels = len(self.model.metadata.channels)
        keys, states, contexts = [], [], []
        for row in self.warehouse.rows("select * from purchasing_power__training_sequences"):
            for position, anchor in enumerate(row["anchor_on"]):
                before, width = row["steps_before"][position], len(self.model.metadata.context)
                keys.append((row["user_id"], anchor))
                states.append(self._state(row["user_id"], row["steps"][: before * channels], before))
                contexts.append(row["context"][position * width : (position + 1) * width])
        batch = pa.record_batch(
            {
                "user_id": pa.array([user_id for user_id, _ in keys]),
                "state": pa.array(states, pa.list_(pa.float32())),
                "context": pa.array(contexts, pa.list_(pa.float32())),
            }
        )
        (scores,) = score([batch], self.model)
        return dict(zip(keys, scores.to_pylist(), strict=True))

    def write_user_states(self, before: dt.date) -> None:
        """Makes the table of states as they were at an as-of date."""
        channels = len(self.model.metadata.channels)
        digest = next(row["definition"] for row in self.definitions if row["level"] == "digest")
        history = self.warehouse.rows(
            f"""
            select user_id, count(*) as steps_consumed, max(step_on) as last_step_on, 
                cast(sum({digest}) as decimal(38, 0)) as consumed_digest
            from purchasing_power__user_steps where step_on < date '{before}' group by user_id
            """
        )
        steps = {
            row["user_id"]: row["steps"]
            for row in self.warehouse.rows("select user_id, steps from purchasing_power__training_sequences")
        }
        rows = [
            {
                **row,
                "state": self._state(
                    row["user_id"],
                    steps[row["user_id"]][: row["steps_consumed"] * channels],
                    row["steps_consumed"],
                ),
                "model_version": self.model.metadata.model_version,
            }
            for row in history
            if row["user_id"] in steps
        ]
        schema = pa.schema(
            [
                ("user_id", pa.string()), ("last_step_on", pa.date32()), ("steps_consumed", pa.int64()),
                ("consumed_digest", pa.decimal128(38, 0)), ("state", pa.list_(pa.float32())), ("model_version", pa.string()),
            ]
        )  # fmt: skip
        self.warehouse.put("purchasing_power__user_states", pa.Table.from_pylist(rows, schema))

    def _state(self, user_id: str, steps: list[float], count: int) -> list[float] | None:
        if not count:
            return None
        batch = pa.record_batch(
            {
                "user_id": pa.array([user_id]),
                "n_steps": pa.array([count], pa.int32()),
                "steps": pa.array([steps], pa.list_(pa.float32())),
                "previous_state": pa.nulls(1),
            }
        )
        (states,) = encode([batch], self.model)
        state: list[float] = states.column("state").to_pylist()[0]
        return state


@dataclass(frozen=True)
class Compiled:
    """The compiled definitions, to look at what the scorer sums up into one score."""

    steps: Steps
    windows: Windows

    @classmethod
    def of(cls, definitions: list[dict[str, Any]], grain: str) -> Compiled:
        found = Definitions.read(definitions, grain)
        steps = Steps(found, ActivityRows(found.of_level("activity")))
        return cls(steps, Windows(found, steps.expressions.columns))

    def step(self, memory: UserMemory) -> dict[str, Any]:
        """Everything that is said about the open step."""
        assert memory.open is not None
        values = self.steps.values(memory.open, memory)
        return {name: values[column.position] for name, column in self.steps.expressions.columns.items()}

    def context(self, memory: UserMemory, anchor: dt.date) -> dict[str, Any]:
        """Everything that is said about a user at an anchor, the open step taken for closed."""
        days, parts = memory.days, memory.parts
        if memory.open is not None:
            values = self.steps.values(memory.open, memory)
            days, parts = self.windows.with_step(days, parts, day_number(memory.open.step_on), values)
        assert memory.first_seen_on is not None
        values = self.windows.values(days, parts, memory.first_seen_on, anchor)
        return {name: values[column.position] for name, column in self.windows.expressions.columns.items()}


def replay(
    shop: OnlineShop, memory: UserMemory, anchors: list[dt.date]
) -> Iterator[tuple[dt.date, UserMemory]]:
    """Feeds a user's events onto a memory, those that it holds left out; gives it at each anchor."""
    events = list(shop.events.get(memory.user_id, ()))
    for anchor in sorted(anchors):
        while events and shop.compiled.steps.begins(events[0]["occurred_at"]) < anchor:
            event = events.pop(0)
            if (
                memory.closed_before is None
                or shop.compiled.steps.begins(event["occurred_at"]) >= memory.closed_before
            ):
                memory = shop.scorer.absorb(memory, event)
        yield anchor, memory
