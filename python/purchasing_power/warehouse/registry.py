"""The model registry: the table `purchasing_power__models` that dbt creates and scoring reads.

A model goes candidate -> champion -> retired. At most one is champion at any time, because the change
is one statement inside one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring.model import model_sha256
from purchasing_power.warehouse.connection import Connection, connect
from purchasing_power.warehouse.project import Project

MODELS = "purchasing_power__models"
MODEL_METRICS = "purchasing_power__model_metrics"
MODEL_CURVES = "purchasing_power__model_curves"
SETTINGS = "purchasing_power__settings"

# What a model may lose by compression and be promoted without being told so.
LARGEST_GINI_LOSS = 0.002
# How much a state may depend on who shares a batch: daily runs must equal a full one to that.
LARGEST_STATE_DRIFT = 1e-5

_LISTED = (
    "model_version",
    "status",
    "sha256",
    "feature_hash",
    "scaling_version",
    "horizon_days",
    "trained_at",
    "train_cutoff",
    "promoted_at",
    "metrics",
    "card",
)


@dataclass(frozen=True)
class Candidate:
    """A freshly exported model, before it is registered.

    Attributes:
        model_version: name of the model, unique in the registry.
        encoder: bytes of the encoder's ONNX graph.
        head: bytes of the head's ONNX graph.
        feature_hash: hash of the feature catalogue that the model was trained on.
        scaling_version: version of the scaling statistics that it was trained with.
        horizon_days: days after the anchor that it predicts.
        trained_at: when the training ended, UTC.
        train_cutoff: the day on or before which the youngest label's window ends.
        metrics: figures measured on held-back data, by metric.
        card: everything that stands in the ONNX metadata.
    """

    model_version: str
    encoder: bytes = field(repr=False)
    head: bytes = field(repr=False)
    feature_hash: str
    scaling_version: str
    horizon_days: int
    trained_at: datetime
    train_cutoff: date
    metrics: Mapping[str, float]
    card: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """Hash of the encoder's bytes followed by the head's, as scoring checks it."""
        return model_sha256(self.encoder, self.head)

    def write(self, folder: Path) -> Path:
        """Writes `encoder.onnx`, `head.onnx` and `card.json` into a folder of its own, which it gives."""
        own = folder / self.model_version
        own.mkdir(parents=True, exist_ok=True)
        (own / "encoder.onnx").write_bytes(self.encoder)
        (own / "head.onnx").write_bytes(self.head)
        card = {"sha256": self.sha256, **self.card}
        (own / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        return own


@dataclass(frozen=True)
class RegisteredModel:
    """One row of the registry, without the graphs' bytes."""

    model_version: str
    status: str
    sha256: str
    feature_hash: str
    scaling_version: str
    horizon_days: int
    trained_at: datetime | None
    train_cutoff: date | None
    promoted_at: datetime | None
    metrics: Mapping[str, float]
    card: Mapping[str, Any]

    @property
    def compression(self) -> Mapping[str, Any]:
        """What a compressed model was made from, how, and what it lost; empty of any other model."""
        found: Mapping[str, Any] = self.card.get("compression", {})
        return found


@dataclass(frozen=True)
class Measurement:
    """One figure of one method on one data set.

    Attributes:
        dataset: what was predicted, such as `backtest 2017-11-07`.
        split: which users, such as `all`.
        method: what predicted, such as `lstm` or `persistence`.
        metric: name of the figure.
        value: the figure.
    """

    dataset: str
    split: str
    method: str
    metric: str
    value: float


@dataclass(frozen=True)
class MeasuredCurve:
    """One curve of one method on one data set; see `purchasing_power__model_curves`.

    Attributes:
        dataset: what was predicted.
        split: which users.
        method: what predicted.
        curve: name of the curve.
        series: which of several curves of that name, '' where there is one.
        points: x and y of each point, in order.
    """

    dataset: str
    split: str
    method: str
    curve: str
    series: str
    points: Sequence[tuple[float, float]]


class Registry:
    """Reads and changes the registry of one warehouse.

    Attributes:
        connection: the warehouse, open as long as the registry is used.
    """

    def __init__(self, connection: Connection, project: Project) -> None:
        """Finds the registry's tables.

        Raises:
            PurchasingPowerError: dbt has not built them yet.
        """
        self.connection = connection
        self._models = require(connection, project, MODELS)
        self._metrics = require(connection, project, MODEL_METRICS)
        self._curves = require(connection, project, MODEL_CURVES)
        self._settings = require(connection, project, SETTINGS)

    def models(self) -> list[RegisteredModel]:
        """Gives all models, the most recently trained first."""
        rows = self.connection.fetch(
            f"select {', '.join(_LISTED)} from {self._models} order by trained_at desc, model_version"
        )
        return [_model(row) for row in rows]

    def get(self, model_version: str) -> RegisteredModel:
        """Gives one model.

        Raises:
            PurchasingPowerError: no such model is registered.
        """
        models = {model.model_version: model for model in self.models()}
        if model_version not in models:
            known = ", ".join(models) or "none yet, `purchasing-power train` makes one"
            raise PurchasingPowerError(
                f"No model {model_version} is registered: name one of those that are ({known})."
            )
        return models[model_version]

    def champion(self) -> RegisteredModel | None:
        """Gives the model that scores, or None where none was promoted yet."""
        return next((model for model in self.models() if model.status == "champion"), None)

    def graphs(self, model_version: str) -> tuple[bytes, bytes]:
        """Gives the files of a registered model: the encoder's and the head's."""
        (stored,) = self.connection.fetch(
            f"select encoder_onnx, head_onnx from {self._models} where model_version = ?", [model_version]
        )
        return bytes(stored["encoder_onnx"]), bytes(stored["head_onnx"])

    def register(self, candidate: Candidate) -> None:
        """Adds a model as a candidate.

        Raises:
            PurchasingPowerError: a model of that name is registered already.
        """
        if any(model.model_version == candidate.model_version for model in self.models()):
            raise PurchasingPowerError(
                f"A model {candidate.model_version} is registered already: train again to get a new version, "
                "or promote the one that is there."
            )
        self.connection.insert(
            self._models,
            [
                {
                    "model_version": candidate.model_version,
                    "status": "candidate",
                    "sha256": candidate.sha256,
                    "encoder_onnx": candidate.encoder,
                    "head_onnx": candidate.head,
                    "feature_hash": candidate.feature_hash,
                    "scaling_version": candidate.scaling_version,
                    "horizon_days": candidate.horizon_days,
                    "trained_at": _naive_utc(candidate.trained_at),
                    "train_cutoff": candidate.train_cutoff,
                    "metrics": json.dumps(dict(candidate.metrics)),
                    "card": json.dumps(dict(candidate.card)),
                }
            ],
        )

    def promote(self, model_version: str, *, accept_loss: bool = False) -> RegisteredModel:
        """Makes a model the champion, and retires the one that was, at once.

        Args:
            model_version: the model.
            accept_loss: promote it also where compression cost it more than it may.

        Raises:
            PurchasingPowerError: the model is unknown, damaged, does not fit the features that dbt builds, or
                lost too much by compression.
        """
        model = self.get(model_version)
        if model.status == "champion":
            raise PurchasingPowerError(f"Model {model_version} is the champion already: nothing to promote.")
        if not accept_loss:
            _check_loss(model)
        self._check_fit(model)
        self._make_champion(model, promoted_at=_naive_utc(datetime.now(UTC)))
        return self.get(model_version)

    def rollback(self) -> RegisteredModel:
        """Makes the model champion that was promoted last before the present champion.

        `promoted_at` stays what it was, so that another rollback goes one further back.

        Raises:
            PurchasingPowerError: there is no champion, none before it, or the one before does not fit the
                features that dbt builds.
        """
        champion = self.champion()
        if champion is None or champion.promoted_at is None:
            raise PurchasingPowerError(
                "No model was promoted yet, so there is nothing to roll back: "
                "promote one with `purchasing-power models promote MODEL_VERSION`."
            )
        earlier = [
            model
            for model in self.models()
            if model.promoted_at is not None and model.promoted_at < champion.promoted_at
        ]
        if not earlier:
            raise PurchasingPowerError(
                f"{champion.model_version} is the first champion, so there is none to roll back to: "
                "promote another with `purchasing-power models promote MODEL_VERSION`."
            )
        previous = max(earlier, key=lambda model: (model.promoted_at, model.model_version))
        self._check_fit(previous)
        self._make_champion(previous, promoted_at=previous.promoted_at)
        return self.get(previous.model_version)

    def write_metrics(self, model_version: str, measurements: Iterable[Measurement]) -> None:
        """Stores a model's figures; those of the same data set, split and method are replaced."""
        self._replace(self._metrics, model_version, [asdict(row) for row in measurements])

    def metrics(self, model_version: str) -> list[Measurement]:
        """Gives a model's stored figures, in a stable order."""
        rows = self.connection.fetch(
            f"select dataset, split, method, metric, value from {self._metrics} "
            "where model_version = ? order by dataset, split, method, metric",
            [model_version],
        )
        return [Measurement(**row) for row in rows]

    def write_curves(self, model_version: str, curves: Iterable[MeasuredCurve]) -> None:
        """Stores a model's curves; those of the same data set, split and method are replaced."""
        rows = [
            {
                "dataset": curve.dataset,
                "split": curve.split,
                "method": curve.method,
                "curve": curve.curve,
                "series": curve.series,
                "point": point,
                "x": x,
                "y": y,
            }
            for curve in curves
            for point, (x, y) in enumerate(curve.points)
        ]
        self._replace(self._curves, model_version, rows)

    def curves(self, model_version: str) -> list[MeasuredCurve]:
        """Gives a model's stored curves, in a stable order."""
        found: dict[tuple[str, str, str, str, str], list[tuple[float, float]]] = {}
        for row in self.connection.fetch(
            f"select dataset, split, method, curve, series, x, y from {self._curves} "
            "where model_version = ? order by dataset, split, method, curve, series, point",
            [model_version],
        ):
            key = (row["dataset"], row["split"], row["method"], row["curve"], row["series"])
            found.setdefault(key, []).append((row["x"], row["y"]))
        return [MeasuredCurve(*key, points) for key, points in found.items()]

    def _replace(self, relation: str, model_version: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Puts rows of a model in the place of those of the same data set, split and method."""
        measured_at = _naive_utc(datetime.now(UTC))
        with self.connection.transaction():
            replaced = sorted({(row["dataset"], row["split"], row["method"]) for row in rows})
            if replaced:
                self.connection.delete(
                    relation,
                    "model_version = ? and ("
                    + " or ".join(["dataset = ? and split = ? and method = ?"] * len(replaced))
                    + ")",
                    [model_version, *(value for key in replaced for value in key)],
                )
            self.connection.insert(
                relation,
                [{"model_version": model_version, **row, "measured_at": measured_at} for row in rows],
            )

    def _check_fit(self, model: RegisteredModel) -> None:
        """Refuses what scoring would refuse, before the champion changes."""
        if model_sha256(*self.graphs(model.model_version)) != model.sha256:
            raise PurchasingPowerError(
                f"The bytes of model {model.model_version} do not match its sha256: it was damaged or "
                "changed, so train a new one with `purchasing-power train`."
            )
        # The scaling version may differ: scoring uses the one that the champion was trained with.
        built = [
            row["feature_hash"] for row in self.connection.fetch(f"select feature_hash from {self._settings}")
        ]
        if built != [model.feature_hash]:
            raise PurchasingPowerError(
                f"Model {model.model_version} was trained on features {model.feature_hash[:12]}, and dbt now "
                f"builds {(built or ['none'])[0][:12]}: train a new one with `purchasing-power train`, or "
                "set the vars back to what they were and build the features again."
            )

    def _make_champion(self, model: RegisteredModel, promoted_at: datetime | None) -> None:
        # One statement: no reader ever sees two champions, or none.
        with self.connection.transaction():
            self.connection.update(
                self._models,
                {
                    "status": (
                        "case when model_version = ? then 'champion' else 'retired' end",
                        [model.model_version],
                    ),
                    "promoted_at": (
                        "case when model_version = ? then ? else promoted_at end",
                        [model.model_version, promoted_at],
                    ),
                },
                "model_version = ? or status = 'champion'",
                [model.model_version],
            )


@contextmanager
def open_registry(project: Project, *, read_only: bool = False) -> Iterator[Registry]:
    """Opens the warehouse for as long as the block runs, and gives its registry.

    Raises:
        PurchasingPowerError: the warehouse cannot be opened, or dbt has not built the registry.
    """
    # Before the database is opened: dbt may have to parse, and a single-writer file would be closed to it.
    project.relation_names()
    with connect(project, read_only=read_only) as connection:
        yield Registry(connection, project)


def require(
    connection: Connection,
    project: Project,
    model: str,
    made_by: str = "dbt build --selector purchasing_power_features",
) -> str:
    """Gives a dbt model's relation name after seeing that dbt has built it.

    Args:
        connection: the warehouse.
        project: the dbt project.
        model: the model's name.
        made_by: the command that builds it.

    Raises:
        PurchasingPowerError: it is not in the warehouse yet.
    """
    relation = project.relation(model)
    if not connection.exists(relation):
        raise PurchasingPowerError(
            f"{relation} is not in the warehouse yet: run `{made_by}` in {project.project_dir} first."
        )
    return relation


def _check_loss(model: RegisteredModel) -> None:
    """Refuses a model that compression made worse than it may.

    Raises:
        PurchasingPowerError: it loses too much, or states depend on who shares a batch.
    """
    compression = model.compression
    if not compression:
        return
    again = f"compress {compression['original']} again with"
    loss, drift = compression["normalized_gini_lost"], compression["state_drift"]
    # Written so that NaN fails too.
    if not loss <= LARGEST_GINI_LOSS:
        raise PurchasingPowerError(
            f"Model {model.model_version} loses {loss:.4f} of normalised Gini against "
            f"{compression['original']}, and {LARGEST_GINI_LOSS} is what may be lost: {again} a larger "
            "--keep-trees or with --to float16, or promote it all the same with --accept-loss."
        )
    if not drift <= LARGEST_STATE_DRIFT:
        raise PurchasingPowerError(
            f"Model {model.model_version} computes states that differ by {drift:.1e} with the users who "
            f"share a batch, so daily runs would not equal a full one: {again} --to int8, or promote it all "
            "the same with --accept-loss."
        )


def _model(row: Mapping[str, Any]) -> RegisteredModel:
    parsed = {name: json.loads(row[name] or "{}") for name in ("metrics", "card")}
    return RegisteredModel(**{**row, **parsed})


def _naive_utc(moment: datetime) -> datetime:
    """Gives a moment as the warehouse stores it: UTC without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
