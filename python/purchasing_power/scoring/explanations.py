"""Why a user's expected spend is not the average: exact Shapley values over groups of features.

A group's contribution is what it adds to the expected spend when its numbers, which were those of an average
user, become this user's, averaged over all orders in which the groups can change over (Shapley 1953; over a
background population as in Lundberg and Lee 2017, arXiv 1705.07874). A model over dozens of features has too
many subsets for that; over ten groups there are 1,024, and each is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring.columns import (
    FloatArray,
    IndexArray,
    integer_column,
    list_column,
    require_width,
    string_column,
)
from purchasing_power.scoring.model import ScoringModel

CONTRIBUTIONS_SCHEMA = pa.schema(
    [
        pa.field("user_id", pa.string()),
        pa.field("feature_group", pa.string()),
        pa.field("contribution", pa.float64()),
        pa.field("model_version", pa.string()),
    ]
)

# How many steps there are is a matter of how often somebody comes.
TIMELINE_GROUP = "frequency"
# 2 ** 14 subsets of one user beside one other are more than a batch of the head should be.
_MOST_GROUPS = 14
# As the encoder does: longer histories go through it in parts, with the state carried.
_STEPS_PER_CALL = 512

DoubleArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FeatureGroups:
    """Which group each number belongs to.

    Attributes:
        names: The G groups.
        channels: [C] index of the group of each channel.
        context: [K] index of the group of each context feature.
    """

    names: tuple[str, ...]
    channels: IndexArray
    context: IndexArray

    @classmethod
    def from_catalogue(cls, rows: Sequence[Mapping[str, Any]], model: ScoringModel) -> FeatureGroups:
        """Reads `purchasing_power__feature_catalogue`.

        Args:
            rows: Its feature_set, position and feature_group.
            model: The model whose features these are.

        Raises:
            PurchasingPowerError: These are not the model's features, or there are too many groups.
        """
        ordered = sorted(rows, key=lambda row: (row["feature_set"], row["position"]))
        names = tuple(dict.fromkeys(row["feature_group"] for row in ordered))
        index = {name: place for place, name in enumerate(names)}
        channels, context = (
            np.array([index[row["feature_group"]] for row in ordered if row["feature_set"] == name], np.int64)
            for name in ("channel", "context")
        )
        expected = (len(model.metadata.channels), len(model.metadata.context))
        if (len(channels), len(context)) != expected:
            raise PurchasingPowerError(
                f"The feature catalogue has {len(channels)} channels and {len(context)} context features but "
                f"the model {expected[0]} and {expected[1]}; build the features the model was trained on, or "
                "train again."
            )
        if len(names) > _MOST_GROUPS:
            raise PurchasingPowerError(
                f"The features fall into {len(names)} groups ({', '.join(names)}) but at most {_MOST_GROUPS} "
                "can be explained exactly; give the extra channels groups in common."
            )
        return cls(names, channels, context)

    @property
    def subsets(self) -> BoolArray:
        """[2 ** G, G] which groups each subset holds; the first holds none, the last all."""
        count = len(self.names)
        subsets: BoolArray = (np.arange(2**count)[:, None] >> np.arange(count)) % 2 == 1
        return subsets

    @property
    def timeline(self) -> int:
        """Index of the group that says how many steps there are."""
        if TIMELINE_GROUP in self.names:
            return self.names.index(TIMELINE_GROUP)
        return int(self.channels[0])

    def shapley_matrix(self) -> DoubleArray:
        """[G, 2 ** G] what turns the values of all subsets into the groups' contributions."""
        count = len(self.names)
        subsets = self.subsets
        weight_of = np.array(
            [factorial(size) * factorial(count - size - 1) / factorial(count) for size in range(count)]
        )
        sizes = subsets.sum(axis=1)
        joined = np.where(subsets, weight_of[np.maximum(sizes - 1, 0)][:, None], 0.0)
        left = np.where(subsets, 0.0, -weight_of[np.minimum(sizes, count - 1)][:, None])
        return (joined + left).T


@dataclass(frozen=True)
class Users:
    """What the model reads of n users.

    Attributes:
        user_id: [n] strings.
        steps: n arrays [steps of the user, C], standardised channels.
        context: [n, K] standardised context at the anchor.
    """

    user_id: pa.Array
    steps: tuple[FloatArray, ...]
    context: FloatArray

    @classmethod
    def from_batch(cls, batch: pa.RecordBatch, model: ScoringModel) -> Users:
        """Reads columns user_id, n_steps, steps (list of n_steps * C, time-major) and context (list of K).

        Raises:
            PurchasingPowerError: A column is missing, a width is wrong, or a number is not finite.
        """
        channels, width = len(model.metadata.channels), len(model.metadata.context)
        counts = integer_column(batch, "n_steps")
        flat = list_column(batch, "steps", nullable=False)
        context = list_column(batch, "context", nullable=False)
        require_width(context, "context", width, "context")
        if (flat.lengths != counts * channels).any():
            raise PurchasingPowerError(
                f"The column 'steps' does not hold n_steps times the model's {channels} channels; build the "
                "features the model was trained on, or train again."
            )
        steps = tuple(
            flat.part(np.array([row]), 0, int(count) * channels).reshape(int(count), channels)
            for row, count in enumerate(counts)
        )
        return cls(string_column(batch, "user_id"), steps, context.matrix(width))


class Population:
    """The users whom everybody is compared with, weighted so that they stand for all."""

    def __init__(self, references: Users, average: float, model: ScoringModel) -> None:
        """Scores the reference users, and weighs them so that their mean is the population's.

        Args:
            references: A few users from all over the population.
            average: The mean expected spend of everybody, in the model's currency.
            model: The model to explain.

        Raises:
            PurchasingPowerError: There are no reference users.
        """
        if not len(references.user_id):
            raise PurchasingPowerError(
                "There is nobody to compare users with: build int_purchasing_power__users_to_explain again."
            )
        self.references = references
        self.weights = _weights(_expected_spend(references, model), average)


def explain(
    batches: Iterable[pa.RecordBatch], model: ScoringModel, groups: FeatureGroups, population: Population
) -> Iterator[pa.RecordBatch]:
    """Says what each group of features adds to users' expected spend, against the average of everybody.

    Args:
        batches: Columns as `Users.from_batch` reads them.
        model: The model to explain.
        groups: The groups of its features.
        population: Whom users are compared with.

    Yields:
        For each batch one batch of `CONTRIBUTIONS_SCHEMA`, G rows a user, users in the order they came;
        money in the model's currency over its horizon. A user's contributions add up to the expected spend
        less the population's average.

    Raises:
        PurchasingPowerError: A column is missing, a width is wrong, or a number is not finite.
    """
    matrix = groups.shapley_matrix()
    for batch in batches:
        users = Users.from_batch(batch, model)
        contributions = np.empty((len(users.user_id), len(groups.names)))
        for row in range(len(users.user_id)):
            contributions[row] = matrix @ _values(row, users, model, groups, population)
        names = pa.array(list(groups.names) * len(users.user_id), pa.string())
        yield pa.record_batch(
            [
                users.user_id.take(pa.array(np.repeat(np.arange(len(users.user_id)), len(groups.names)))),
                names,
                pa.array(contributions.reshape(-1)),
                pa.repeat(pa.scalar(model.metadata.model_version), len(names)),
            ],
            schema=CONTRIBUTIONS_SCHEMA,
        )


def _values(
    row: int, users: Users, model: ScoringModel, groups: FeatureGroups, population: Population
) -> DoubleArray:
    """Gives [2 ** G] expected spend of a user with each subset of groups, the rest being the population's."""
    subsets = groups.subsets
    references = population.references
    # Subsets that agree on the groups of the steps share their states.
    of_steps = np.unique(np.append(groups.channels, groups.timeline))
    state_of = subsets[:, of_steps] @ (1 << np.arange(len(of_steps)))
    step_subsets = np.zeros((2 ** len(of_steps), len(groups.names)), np.bool_)
    step_subsets[state_of] = subsets
    step_subsets[:, np.setdiff1d(np.arange(len(groups.names)), of_steps)] = False
    is_own = subsets[:, groups.context]
    values = np.zeros(len(subsets))
    for place, weight in enumerate(population.weights):
        states = _mixed_states(users.steps[row], references.steps[place], step_subsets, model, groups)
        context = np.where(is_own, users.context[row], references.context[place])
        values += weight * model.predict(states[state_of], context).expected_spend
    return values


def _mixed_states(
    own: FloatArray, other: FloatArray, subsets: BoolArray, model: ScoringModel, groups: FeatureGroups
) -> FloatArray:
    """Gives [m, S] states after steps whose channels are one user's or the other's.

    The group of the timeline says whose steps there are. The newest steps stand side by side; where the
    other history is shorter, its channels are 0, which is their mean.
    """
    states = np.zeros((len(subsets), model.metadata.state_size), np.float32)
    for is_owns, timeline in ((True, own), (False, other)):
        rows = np.flatnonzero(subsets[:, groups.timeline] == is_owns)
        length = len(timeline)
        mine, theirs = _newest(own, length), _newest(other, length)
        mask = subsets[rows][:, None, groups.channels]
        for first in range(0, length, _STEPS_PER_CALL):
            part = slice(first, first + _STEPS_PER_CALL)
            states[rows] = model.next_state(np.where(mask, mine[part], theirs[part]), states[rows])
    return states


def _newest(steps: FloatArray, length: int) -> FloatArray:
    """Gives the last `length` steps, with zeros before them where there are not as many."""
    missing = length - len(steps)
    return steps[-missing:] if missing <= 0 else np.pad(steps, ((missing, 0), (0, 0)))


def _expected_spend(users: Users, model: ScoringModel) -> DoubleArray:
    states = np.zeros((len(users.user_id), model.metadata.state_size), np.float32)
    for row, steps in enumerate(users.steps):
        for first in range(0, len(steps), _STEPS_PER_CALL):
            part = steps[None, first : first + _STEPS_PER_CALL]
            states[row] = model.next_state(part, states[row : row + 1])[0]
    return model.predict(states, users.context).expected_spend.astype(np.float64)


def _weights(values: DoubleArray, average: float) -> DoubleArray:
    """Gives the weights nearest to equal ones with which the values have that average; they add up to 1."""
    weights = np.full(len(values), 1 / len(values))
    apart = values - values.mean()
    if apart.any():
        weights += (average - values.mean()) * apart / (apart @ apart)
    return weights
