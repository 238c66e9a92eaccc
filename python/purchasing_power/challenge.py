"""A candidate beside the champion, on users that neither learnt from, before one takes the other's place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from purchasing_power.compression import AnchorUsers, anchor_users, scores_of
from purchasing_power.errors import PurchasingPowerError
from purchasing_power.evaluation import (
    Interval,
    Prediction,
    bootstrap_figures,
    evaluate,
    prediction_from_scores,
)
from purchasing_power.reporting import Reporter
from purchasing_power.scoring.columns import FloatArray, list_column, lists
from purchasing_power.scoring.model import ScoringModel
from purchasing_power.warehouse.connection import Connection
from purchasing_power.warehouse.features import FeatureSettings, open_sequences, read_settings
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import (
    Measurement,
    RegisteredModel,
    Registry,
    open_registry,
    require,
)

# By these a candidate is refused: who spends most, and who buys at all.
GATES = ("normalized_gini", "buy_auc")
DATASET = "challenge"
CHAMPION, CANDIDATE = "champion", "candidate"
_SCALING = "purchasing_power__scaling"
# Values are cut at so many standard deviations.
_CUT = 10.0
_RESAMPLES = 400


class NotComparableError(PurchasingPowerError):
    """There is nobody to compare the models on, or the champion is no model any more."""


@dataclass(frozen=True)
class Challenge:
    """What two models are worth on the same users.

    Attributes:
        champion: version of the champion.
        candidate: version of the candidate.
        anchor: the day from which on both predict; its horizon has passed.
        users: how many users, of whom neither model's weights were fitted to any.
        figures: method -> metric -> value; methods are CHAMPION and CANDIDATE.
        differences: metric -> 95 % interval of the candidate's figure less the champion's, paired.
    """

    champion: str
    candidate: str
    anchor: date
    users: int
    figures: Mapping[str, Mapping[str, float]]
    differences: Mapping[str, Interval]

    @property
    def lost(self) -> list[str]:
        """Metrics of GATES in which the candidate is worse by more than chance allows."""
        return [name for name in GATES if name in self.differences and self.differences[name].high < 0]

    def measurements(self) -> list[Measurement]:
        """What stands in `purchasing_power__model_metrics` under the candidate's name."""
        found = [
            Measurement(DATASET, self.anchor.isoformat(), method, metric, value)
            for method, figures in self.figures.items()
            for metric, value in figures.items()
        ]
        return found + [
            Measurement(DATASET, self.anchor.isoformat(), f"difference_{end}", metric, getattr(interval, end))
            for metric, interval in self.differences.items()
            for end in ("low", "high")
        ]


def challenge(project: Project, candidate_version: str, *, share: float = 1.0) -> Challenge:
    """Scores users by the champion and by a candidate, at the newest day whose horizon has passed.

    Users of the validation split alone: no weight of either was fitted to them.

    Args:
        project: the dbt project, with its features built.
        candidate_version: the model that is to be promoted.
        share: how many of these users are scored, within (0, 1].

    Raises:
        PurchasingPowerError: there is no champion or no such candidate, one of them was trained on other
            features than dbt builds, or there is nobody to compare them on.
    """
    if not 0 < share <= 1:
        raise PurchasingPowerError(f"--share is {share}: give a share of users above 0 and at most 1.")
    with open_registry(project, read_only=True) as registry:
        candidate, champion = registry.get(candidate_version), registry.champion()
        if champion is None:
            raise PurchasingPowerError(
                f"There is no champion that {candidate_version} could be compared with: promote it with "
                f"`purchasing-power models promote {candidate_version}`."
            )
        settings = read_settings(registry.connection, project)
        models = {}
        for method, model in ((CHAMPION, champion), (CANDIDATE, candidate)):
            models[method] = (
                _open(registry, model, settings),
                _Rescaling.between(registry.connection, project, settings, model),
            )
    predictions, spend, orders = _score(project, models, share)
    cuts = models[CANDIDATE][0].metadata.tier_cut_points
    drawn = bootstrap_figures(predictions, spend, orders, cuts, resamples=_RESAMPLES)
    figures = {name: evaluate(found, spend, orders, cuts) for name, found in predictions.items()}
    differences = {
        metric: interval
        for metric in figures[CANDIDATE]
        if (interval := drawn.difference(CANDIDATE, CHAMPION, metric)) is not None
    }
    return Challenge(
        champion.model_version,
        candidate.model_version,
        settings.newest_matured_anchor,
        len(spend),
        figures,
        differences,
    )


def promote_checked(
    project: Project, model_version: str, reporter: Reporter, *, accept_loss: bool = False
) -> RegisteredModel:
    """Promotes a model that is not worse than the champion by more than chance allows.

    Where there is no champion yet, or it was trained on other features than dbt builds now, there is nothing
    to compare with: a champion that does not score is worse than any that does.

    Args:
        project: the dbt project, with its features built.
        model_version: the model.
        reporter: where the comparison is shown.
        accept_loss: promote it without a comparison.

    Raises:
        PurchasingPowerError: it is worse, or `Registry.promote` refuses it. The champion stays.
    """
    with open_registry(project, read_only=True) as registry:
        model, champion = registry.get(model_version), registry.champion()
        built = read_settings(registry.connection, project).contract.feature_hash
    found = None
    if (
        champion is not None
        and champion.feature_hash == built == model.feature_hash
        and not accept_loss
        and model.status != CHAMPION
    ):
        try:
            found = challenge(project, model_version)
        except NotComparableError as error:
            reporter.say(f"{error} Promoted without a comparison.")
    if found is not None:
        show(found, reporter)
        if found.lost:
            raise PurchasingPowerError(
                f"{model_version} is worse than the champion {found.champion} in "
                f"{' and '.join(found.lost)} on {found.users:,} users from {found.anchor} on, by more than "
                "chance allows, so the champion stays: train again, or promote it all the same with "
                "--accept-loss."
            )
    with open_registry(project) as registry:
        if found is not None:
            registry.write_metrics(model_version, found.measurements())
        return registry.promote(model_version, accept_loss=accept_loss)


def show(found: Challenge, reporter: Reporter) -> None:
    """Shows both models' figures and how sure their difference is."""
    names = [name for name in GATES if name in found.figures[CANDIDATE]]
    reporter.table(
        ("metric", CHAMPION, CANDIDATE, "difference, 95 %"),
        [
            (
                name,
                f"{found.figures[CHAMPION][name]:.4f}",
                f"{found.figures[CANDIDATE][name]:.4f}",
                f"{found.differences[name].low:+.4f} to {found.differences[name].high:+.4f}"
                if name in found.differences
                else "-",
            )
            for name in (*names, "spearman", "mae_over_mean")
            if name in found.figures[CHAMPION] and name in found.figures[CANDIDATE]
        ],
        title=f"{found.users:,} users held back from training, from {found.anchor} on",
    )


@dataclass(frozen=True)
class _Rescaling:
    """From the scaling that the sequences were built under to a model's own.

    Attributes:
        channels: [C, 2] factor and shift of each channel.
        context: [K, 2] of each number of the context.
    """

    channels: FloatArray
    context: FloatArray

    @classmethod
    def between(
        cls, connection: Connection, project: Project, settings: FeatureSettings, model: RegisteredModel
    ) -> _Rescaling:
        """Reads both scalings.

        Raises:
            PurchasingPowerError: the model's is lost.
        """
        relation = require(connection, project, _SCALING)

        def read(feature_set: str, version: str) -> FloatArray:
            rows = connection.fetch(
                f"select center, scale from {relation} where scaling_version = ? and feature_set = ? "
                "order by position",
                [version, feature_set],
            )
            if not rows:
                raise PurchasingPowerError(
                    f"{relation} no longer holds the scaling {version} of model {model.model_version}: train "
                    "a new one with `purchasing-power train`."
                )
            return np.array([[row["center"], row["scale"]] for row in rows], np.float64)

        parts = []
        for feature_set in ("channel", "context"):
            built = read(feature_set, settings.contract.scaling_version)
            own = read(feature_set, model.scaling_version)
            parts.append(np.stack([built[:, 1] / own[:, 1], (built[:, 0] - own[:, 0]) / own[:, 1]], axis=1))
        return cls(*parts)

    def apply(self, users: AnchorUsers) -> AnchorUsers:
        """Gives users as the model wants them; what was cut stays at the edge that it was cut at."""
        steps = list_column(users.steps, "steps", nullable=False)
        place = users.steps.schema.get_field_index("steps")
        rescaled = lists(_rescaled(steps.values, self.channels), steps.lengths)
        context = list_column(pa.record_batch({"context": users.context}), "context", nullable=False)
        return replace(
            users,
            steps=users.steps.set_column(place, "steps", rescaled),
            context=lists(_rescaled(context.values, self.context), context.lengths),
        )


def _rescaled(values: FloatArray, by: FloatArray) -> FloatArray:
    table = values.reshape(-1, len(by)).astype(np.float64)
    moved = np.clip(table * by[:, 0] + by[:, 1], -_CUT, _CUT)
    return np.where(np.abs(table) >= _CUT, table, moved).astype(np.float32).ravel()


def _score(
    project: Project, models: Mapping[str, tuple[ScoringModel, _Rescaling]], share: float
) -> tuple[dict[str, Prediction], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Gives each model's predictions of the same users, and what these did."""
    found: dict[str, list[pa.RecordBatch]] = {name: [] for name in models}
    spend, orders = [np.zeros(0)], [np.zeros(0, np.int64)]
    with open_sequences(project) as (settings, batches):
        anchor = settings.newest_matured_anchor
        for users in _held_back(anchor_users(batches, anchor, settings.contract), share):
            spend.append(users.spend)
            orders.append(users.orders)
            for name, (model, rescaling) in models.items():
                found[name] += scores_of(model, rescaling.apply(users))
    everybody = np.concatenate(spend)
    if not everybody.any():
        raise NotComparableError(
            f"Nobody of the users held back from training spent anything after {anchor}, so models cannot be "
            "compared yet: that takes more users or history."
        )
    predictions = {
        name: prediction_from_scores(pa.Table.from_batches(scores), models[name][0].metadata.tier_names)
        for name, scores in found.items()
    }
    return predictions, everybody, np.concatenate(orders)


def _held_back(batches: Iterable[AnchorUsers], share: float) -> Iterator[AnchorUsers]:
    """Takes a share of the users that no weight was fitted to, the same ones each time."""
    for users in batches:
        chosen = users.is_held_back & (
            np.array(
                [
                    int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[-8:], 16)
                    < share * 16**8
                    for name in users.steps.column("user_id").to_pylist()
                ],
                np.bool_,
            )
        )
        if chosen.any():
            rows = pa.array(chosen)
            yield AnchorUsers(
                steps=users.steps.filter(rows),
                context=users.context.filter(rows),
                is_held_back=users.is_held_back[chosen],
                spend=users.spend[chosen],
                orders=users.orders[chosen],
            )


def _open(registry: Registry, model: RegisteredModel, settings: FeatureSettings) -> ScoringModel:
    if model.feature_hash != settings.contract.feature_hash:
        raise PurchasingPowerError(
            f"Model {model.model_version} was trained on features {model.feature_hash[:12]}, and dbt now "
            f"builds {settings.contract.feature_hash[:12]}: it cannot be compared on them."
        )
    try:
        return ScoringModel.from_bytes(*registry.graphs(model.model_version), model.sha256)
    except PurchasingPowerError as error:
        if model.status == CHAMPION:
            raise NotComparableError(f"The champion cannot be compared with: {error}") from error
        raise
