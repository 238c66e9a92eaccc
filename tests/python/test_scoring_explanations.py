"""Reasons are Shapley values: they add up, and what plays no part adds nothing."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import small_model

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring import FeatureGroups, Population, ScoringModel, Users, explain

CHANNELS = ("spend", "frequency", "spend")
CONTEXT = ("spend", "frequency", "recency", "recency")
GROUPS = ("recency", "frequency", "spend")


def catalogue(
    channels: tuple[str, ...] = CHANNELS, context: tuple[str, ...] = CONTEXT
) -> list[dict[str, Any]]:
    return [
        {"feature_set": feature_set, "position": position, "feature_group": group}
        for feature_set, names in (("channel", channels), ("context", context))
        for position, group in enumerate(names)
    ]


def people(lengths: list[int], seed: int = 4) -> pa.RecordBatch:
    """Users with so many steps."""
    random = np.random.default_rng(seed)
    return pa.record_batch(
        {
            "user_id": pa.array([f"u{seed}-{index}" for index in range(len(lengths))]),
            "n_steps": pa.array(lengths, pa.int64()),
            "steps": pa.array([random.normal(0, 1, 3 * n) for n in lengths], pa.list_(pa.float32())),
            "context": pa.array(list(random.normal(0, 1, (len(lengths), 4))), pa.list_(pa.float32())),
        }
    )


def expected_spend(steps: np.ndarray, context: np.ndarray, model: ScoringModel) -> float:
    """Scores one user the plain way: step after step, then the head."""
    state = np.zeros((1, model.metadata.state_size), np.float32)
    for step in steps:
        state = model.next_state(step[None, None].astype(np.float32), state)
    return float(model.predict(state, context[None].astype(np.float32)).expected_spend[0])


def contributions(
    users: pa.RecordBatch, references: pa.RecordBatch, average: float, groups: FeatureGroups
) -> dict[str, dict[str, float]]:
    """User -> group -> contribution."""
    model = small_model.scoring_model()
    population = Population(Users.from_batch(references, model), average, model)
    found: dict[str, dict[str, float]] = {}
    for batch in explain([users], model, groups, population):
        for row in batch.to_pylist():
            assert row["model_version"] == "m1"
            found.setdefault(row["user_id"], {})[row["feature_group"]] = row["contribution"]
    return found


@pytest.fixture
def groups() -> FeatureGroups:
    return FeatureGroups.from_catalogue(catalogue(), small_model.scoring_model())


# A user without a step, and one whose history is longer than the encoder takes at once, are users too.
@pytest.mark.parametrize("lengths", [[5, 0, 12], [700]])
def test_contributions_add_up_to_the_difference_from_the_average(
    groups: FeatureGroups, lengths: list[int]
) -> None:
    model = small_model.scoring_model()
    users, references = people(lengths), people([3, 8, 0, 20], seed=8)
    known = Users.from_batch(references, model)
    values = [
        expected_spend(steps, context, model)
        for steps, context in zip(known.steps, known.context, strict=True)
    ]
    average = float(np.mean(values)) * 1.1
    found = contributions(users, references, average, groups)
    read = Users.from_batch(users, model)
    for user, steps, context in zip(users["user_id"].to_pylist(), read.steps, read.context, strict=True):
        wanted = expected_spend(steps, context, model) - average
        assert sum(found[user].values()) == pytest.approx(wanted, rel=1e-4, abs=1e-4 * average)
        assert set(found[user]) == set(GROUPS)


def test_contributions_are_the_mean_over_all_orders(groups: FeatureGroups) -> None:
    """By the definition itself: groups turn from the other's to the user's one after the other, in each order."""
    model = small_model.scoring_model()
    users, references = people([6]), people([4], seed=8)
    own, other = Users.from_batch(users, model), Users.from_batch(references, model)

    def value(taken: set[str]) -> float:
        length = len(own.steps[0]) if "frequency" in taken else len(other.steps[0])
        steps = np.zeros((length, 3), np.float32)
        for column, group in enumerate(CHANNELS):
            source = (own if group in taken else other).steps[0][:, column]
            # The newest steps stand side by side, and what one has not is the channel's mean, 0.
            shown = min(length, len(source))
            steps[length - shown :, column] = source[len(source) - shown :]
        mine = np.array([group in taken for group in CONTEXT])
        return expected_spend(steps, np.where(mine, own.context[0], other.context[0]), model)

    wanted = dict.fromkeys(GROUPS, 0.0)
    orders = list(permutations(GROUPS))
    for order in orders:
        taken: set[str] = set()
        for group in order:
            before = value(taken)
            taken.add(group)
            wanted[group] += (value(taken) - before) / len(orders)
    average = value(set())
    (found,) = contributions(users, references, average, groups).values()
    assert found == pytest.approx(wanted, rel=1e-4, abs=1e-4 * average)
    assert max(abs(amount) for amount in found.values()) > 0.01 * average


def test_what_does_not_differ_contributes_nothing() -> None:
    groups = FeatureGroups.from_catalogue(
        catalogue(context=("spend", "frequency", "recency", "season")), small_model.scoring_model()
    )
    users, references = people([5, 9]), people([3, 8], seed=8)

    def with_season(batch: pa.RecordBatch) -> pa.RecordBatch:
        context = np.stack(batch["context"].to_numpy(zero_copy_only=False))
        context[:, 3] = 0.25
        return batch.set_column(3, "context", pa.array(list(context), pa.list_(pa.float32())))

    for found in contributions(with_season(users), with_season(references), 10.0, groups).values():
        assert found["season"] == pytest.approx(0, abs=1e-4)
        assert abs(found["spend"]) > 1e-3


def test_the_population_itself_has_no_reasons(groups: FeatureGroups) -> None:
    model = small_model.scoring_model()
    somebody = people([7])
    read = Users.from_batch(somebody, model)
    average = expected_spend(read.steps[0], read.context[0], model)
    (found,) = contributions(somebody, somebody, average, groups).values()
    assert all(amount == pytest.approx(0, abs=1e-5 * average) for amount in found.values())


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (catalogue(channels=("spend",)), "1 channels and 4 context features but the model 3 and 4"),
        (catalogue(context=tuple(f"g{index}" for index in range(4))), None),
    ],
)
def test_a_catalogue_of_other_features_is_refused(rows: list[dict[str, Any]], says: str | None) -> None:
    model = small_model.scoring_model()
    if says is None:
        assert len(FeatureGroups.from_catalogue(rows, model).names) == 6
    else:
        with pytest.raises(PurchasingPowerError, match=says):
            FeatureGroups.from_catalogue(rows, model)


def test_nobody_to_compare_with_is_said() -> None:
    model = small_model.scoring_model()
    with pytest.raises(PurchasingPowerError, match="nobody to compare users with"):
        Population(Users.from_batch(people([]), model), 1.0, model)


def test_steps_of_another_width_are_refused() -> None:
    model = small_model.scoring_model()
    batch = people([5])
    with pytest.raises(PurchasingPowerError, match="does not hold n_steps times the model's 3 channels"):
        Users.from_batch(batch.set_column(1, "n_steps", pa.array([4], pa.int64())), model)
