"""What scoring is compared with: onnxruntime fed ready tensors, and pandas with Keras on padded sequences."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import keras
import numpy as np
import numpy.typing as npt
import onnx
import pandas as pd
import tensorflow as tf
from onnx import numpy_helper
from shops import Built

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.fitting import fit
from purchasing_power.reporting import Reporter
from purchasing_power.scoring import ScoringModel
from purchasing_power.scoring.columns import list_column
from purchasing_power.training import TrainedModel, TrainingConfig
from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import Candidate, open_registry

FloatArray = npt.NDArray[np.float32]

STEPS_TO_CONSUME = "int_purchasing_power__steps_to_consume"
HEAD_INPUTS = "int_purchasing_power__head_inputs"
RAW_SCORES = "int_purchasing_power__raw_scores"
MODELS = "purchasing_power__models"
_COMPARED = ("purchase_probability", "expected_spend", "spend_p10", "spend_p50", "spend_p90")
# onnxruntime's LSTM is fastest at such sizes.
_USERS_PER_CALL = 1024
_STEPS_PER_CALL = 512
# Padded sequences of one chunk; a million users' would not fit into memory.
_PADDED_BYTES = 2_000_000_000
_KERAS_BATCH = 1024
# Two ways of summing in single precision, over hundreds of steps.
_AGREEMENT = 1e-3
# Users' steps as the encoder reads them, laid end to end.
_PACKED = (
    "select user_id, cast(count(*) as integer) as n_steps, flatten(list(step order by step_index)) as steps "
    "from {steps} group by user_id"
)


def train_and_promote(built: Built, config: TrainingConfig, reporter: Reporter) -> TrainedModel:
    """Trains as `purchasing-power train --promote` does; gives the Keras model, which no registry holds."""
    settings = built.prepared.settings
    model = fit(built.prepared, config, cutoff=settings.as_of_date, run_name="limits", reporter=reporter)
    trained_at = datetime.now(UTC).replace(microsecond=0)
    version = f"limits-{trained_at:%Y%m%d%H%M%S}"
    exported = model.export(model_version=version, trained_at=trained_at, metrics={})
    with open_registry(built.project) as registry:
        registry.register(
            Candidate(
                model_version=version,
                encoder=exported.encoder,
                head=exported.head,
                feature_hash=exported.metadata.feature_hash,
                scaling_version=exported.metadata.scaling_version,
                horizon_days=exported.metadata.horizon_days,
                trained_at=trained_at,
                train_cutoff=settings.as_of_date,
                metrics={},
                card=exported.metadata.as_dict(),
            )
        )
        registry.promote(version)
    return model


@dataclass(frozen=True)
class EncoderCall:
    """Steps [n, t, C] of users who all have them, and the users' positions [n]."""

    steps: FloatArray
    users: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Loop:
    """What one pass of onnxruntime over ready tensors took.

    Attributes:
        encoder: seconds in the encoder's calls.
        head: seconds in the head's calls.
    """

    encoder: float
    head: float

    @property
    def seconds(self) -> float:
        """Both."""
        return self.encoder + self.head


class ReadyTensors:
    """All users' tensors in memory, cut into calls beforehand; the model's own sessions, so the same options.

    Calls are cut in three ways, and each pass counts the fastest: batches of users with equally many steps,
    the same with at least 16 users, and full batches sorted by length. In the last two the longer ones go on
    from their state, so none computes padding.
    """

    def __init__(self, project: Project) -> None:
        """Reads what a full run of scoring left in the warehouse.

        Raises:
            PurchasingPowerError: the last run was no full one.
        """
        names = project.relation_names()
        with connect(project, read_only=True) as connection:
            (row,) = connection.fetch(
                f"select encoder_onnx, head_onnx from {names[MODELS]} where status = 'champion'"
            )
            self.encoder_onnx, head = bytes(row["encoder_onnx"]), bytes(row["head_onnx"])
            inputs = connection.query(
                "select inputs.user_id, inputs.context, coalesce(steps.n_steps, 0) as n_steps, "
                "coalesce(steps.steps, cast([] as float[])) as steps, "
                "steps.user_id is null and inputs.state is not null as is_missing "
                f"from {names[HEAD_INPUTS]} as inputs "
                f"left join ({_PACKED.format(steps=names[STEPS_TO_CONSUME])}) as steps "
                "on inputs.user_id = steps.user_id order by n_steps, inputs.user_id"
            ).read_all()
            scores = connection.query(
                f"select {', '.join(_COMPARED)} from {names[RAW_SCORES]} as scores "
                f"left join (select user_id, count(*) as n_steps from {names[STEPS_TO_CONSUME]} group by 1) "
                "as steps on scores.user_id = steps.user_id "
                "order by coalesce(steps.n_steps, 0), scores.user_id"
            ).read_all()
        if any(inputs.column("is_missing").to_pylist()):
            raise PurchasingPowerError(
                "Scoring was not run with --full-refresh, so the tensors are not complete."
            )
        self.model = ScoringModel.from_bytes(self.encoder_onnx, head)
        self._expected = np.stack([scores.column(name).to_numpy() for name in _COMPARED])
        batch = inputs.combine_chunks().to_batches()[0]
        self._lengths = inputs.column("n_steps").to_numpy().astype(np.int64)
        self._values = list_column(batch, "steps", nullable=False)
        self.context = list_column(batch, "context", nullable=False).matrix(len(self.model.metadata.context))
        self.users, self.steps = len(self._lengths), int(self._lengths.sum())
        self._plans = [self._plan(fewest) for fewest in (1, 16, _USERS_PER_CALL)]

    def flops(self) -> float:
        """Counts the encoder's multiplications and additions, of matrix products alone.

        For each step and cell 2 * (weights on the step + weights on the state), which for an LSTM is
        2 * 4H * (C + H).
        """
        graph = onnx.load_from_string(self.encoder_onnx).graph
        sizes = {item.name: numpy_helper.to_array(item).size for item in graph.initializer}
        cells = [node for node in graph.node if node.op_type in ("LSTM", "GRU", "RNN")]
        a_step = sum(2 * (sizes[node.input[1]] + sizes[node.input[2]]) for node in cells)
        return float(a_step) * self.steps

    def run(self) -> Loop:
        """Runs encoder and head over everybody by each plan, and gives the fastest.

        Raises:
            PurchasingPowerError: the scores are not those of the warehouse.
        """
        loops, states = zip(*(self._pass(plan) for plan in self._plans), strict=True)
        for state in states:
            self._compare(state)
        return min(loops, key=lambda loop: loop.seconds)

    def _pass(self, plan: Sequence[EncoderCall]) -> tuple[Loop, FloatArray]:
        state = np.zeros((self.users, self.model.metadata.state_size), np.float32)
        encoder = 0.0
        for call in plan:
            # Picking the states is not onnxruntime's work; what it is fed shall be ready.
            before = state[call.users]
            started = time.perf_counter()
            after = self.model.next_state(call.steps, before)
            encoder += time.perf_counter() - started
            state[call.users] = after
        started = time.perf_counter()
        for first in range(0, self.users, _USERS_PER_CALL):
            block = slice(first, first + _USERS_PER_CALL)
            self.model.predict(state[block], self.context[block])
        return Loop(encoder, time.perf_counter() - started), state

    def _compare(self, state: FloatArray) -> None:
        found = self.model.predict(state, self.context)
        ours = np.stack([getattr(found, name) for name in _COMPARED])
        _require_equal(ours, self._expected, "onnxruntime on ready tensors")

    def _chunk(self, users: npt.NDArray[np.int64], begin: int, end: int) -> EncoderCall:
        width = len(self.model.metadata.channels)
        places = self._values.starts[users, None] + np.arange(begin * width, end * width)
        steps = self._values.values[places].astype(np.float32).reshape(len(users), end - begin, width)
        return EncoderCall(steps, users)

    def _plan(self, fewest: int) -> list[EncoderCall]:
        """Cuts the users, sorted by length, where the length changes and so many are together."""
        calls: list[EncoderCall] = []
        users = np.flatnonzero(self._lengths > 0)
        lengths = self._lengths[users]
        first = 0
        for end in range(1, len(users) + 1):
            together = end - first
            ends = end == len(users) or lengths[end] != lengths[end - 1]
            if together == _USERS_PER_CALL or (ends and together >= fewest) or end == len(users):
                calls += self._run_on(users[first:end])
                first = end
        return calls

    def _run_on(self, users: npt.NDArray[np.int64]) -> list[EncoderCall]:
        """Cuts users, sorted by length, into calls in which all of them have every step."""
        calls, done = [], 0
        while len(users):
            until = min(int(self._lengths[users[0]]), done + _STEPS_PER_CALL)
            calls.append(self._chunk(users, done, until))
            done = until
            users = users[self._lengths[users] > done]
        return calls


@dataclass(frozen=True)
class KerasPass:
    """What one scoring with pandas and Keras took.

    Attributes:
        parts: part of the work -> seconds.
        chunks: in how many chunks the padded sequences were made.
    """

    parts: dict[str, float]
    chunks: int

    @property
    def seconds(self) -> float:
        """All of it."""
        return sum(self.parts.values())


def score_with_keras(project: Project, model: TrainedModel) -> KerasPass:
    """Scores everybody as most people write it: a DataFrame, sequences padded to the longest, `predict`.

    The same weights, trees and forest, so the same scores. It reads the views that our models read, a user's
    steps packed by the engine. Keras is imported and the model built: none of that counts.

    Raises:
        PurchasingPowerError: the scores are not those of the warehouse.
    """
    names, network, parts = project.relation_names(), model.network, dict.fromkeys(_PARTS, 0.0)
    clock = time.perf_counter()

    def lap(part: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        parts[part] += now - clock
        clock = now

    with duckdb.connect(str(project.project_dir / "warehouse.duckdb")) as connection:
        frame = connection.sql(
            f"select inputs.user_id, inputs.context, steps.steps from {names[HEAD_INPUTS]} as inputs "
            f"left join ({_PACKED.format(steps=names[STEPS_TO_CONSUME])}) as steps "
            "on inputs.user_id = steps.user_id"
        ).df()
        lap("read")
        width = network.n_channels
        nothing = np.zeros((0, width), np.float32)
        sequences = [
            np.asarray(steps).reshape(-1, width) if isinstance(steps, np.ndarray) else nothing
            for steps in frame["steps"]
        ]
        lengths = np.array([len(sequence) for sequence in sequences], np.int32)
        longest = max(1, int(lengths.max()))
        a_chunk = max(_KERAS_BATCH, _PADDED_BYTES // (4 * longest * width))
        context = np.stack(frame["context"].to_list()).astype(np.float32)
        scored = []
        for first in range(0, len(frame), a_chunk):
            block = slice(first, first + a_chunk)
            padded = keras.utils.pad_sequences(
                sequences[block], maxlen=longest, dtype="float32", padding="post"
            )
            lap("pad")
            raw = network.model.predict(
                [padded, lengths[block, None], context[block, None]], batch_size=_KERAS_BATCH, verbose=0
            )
            lap("predict")
            trees = None if model.trees is None else tf.constant(model.trees.predict(context[block]))
            lap("trees")
            outputs = network.outputs(tf.constant(raw[:, 0].mean(axis=1)), trees)
            lap("predict")
            anomaly = model.forest.score(context[block])
            lap("forest")
            columns = {name: np.asarray(outputs[name], np.float64) for name in _COMPARED}
            tiers = np.array(model.contract.tier_names)[np.asarray(outputs["tier"])]
            scored.append(
                pd.DataFrame(
                    {"user_id": frame["user_id"][block], **columns, "tier": tiers, "anomaly_score": anomaly}
                )
            )
        connection.register("keras_frame", pd.concat(scored, ignore_index=True))
        connection.execute("create or replace table keras_scores as select * from keras_frame").fetchall()
        lap("write")
        pairs = ", ".join(f"ours.{name}, theirs.{name} as keras_{name}" for name in _COMPARED)
        both = connection.sql(
            f"select {pairs} from {names[RAW_SCORES]} as ours inner join keras_scores as theirs "
            "on ours.user_id = theirs.user_id"
        ).to_arrow_table()
        connection.execute("drop table keras_scores").fetchall()
    expected = np.stack([both.column(name).to_numpy() for name in _COMPARED])
    found = np.stack([both.column(f"keras_{name}").to_numpy() for name in _COMPARED])
    _require_equal(found, expected, "Keras on padded sequences")
    return KerasPass(parts, -(-len(frame) // a_chunk))


_PARTS = ("read", "pad", "predict", "trees", "forest", "write")


def _require_equal(found: npt.NDArray[np.floating], expected: npt.NDArray[np.floating], what: str) -> None:
    """Refuses scores [columns, users] that differ, because two that give other numbers cannot be compared."""
    if found.shape != expected.shape:
        raise PurchasingPowerError(
            f"{what} scored {found.shape[1]:,} users, and the warehouse holds scores of "
            f"{expected.shape[1]:,}: run scoring again."
        )
    # Money relative to the user's expected spend where that is larger, as the export's own check does.
    unit = np.maximum(1.0, np.maximum(np.abs(expected), expected[1]))
    apart = float((np.abs(found - expected) / unit).max())
    if not apart <= _AGREEMENT:
        raise PurchasingPowerError(
            f"{what} gives other scores than the warehouse holds: they differ by {apart:.1e}."
        )


def sgemm(size: int = 2048, seconds: float = 1.0) -> float:
    """Measures NumPy's single-precision matrix product, in floating-point operations a second."""
    random = np.random.default_rng(0)
    left, right = (random.random((size, size), np.float32) for _ in range(2))
    np.matmul(left, right)
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        np.matmul(left, right)
        count += 1
    return count * 2.0 * size**3 / (time.perf_counter() - started)
