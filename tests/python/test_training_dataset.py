"""Sequences on disk: what is written comes back, batch by batch, and nothing after a cutoff does."""

from __future__ import annotations

import datetime as dt
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import small_model
from hypothesis import given, settings
from hypothesis import strategies as st

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.training.dataset import AnchorSequence, SequenceDataset

HORIZON = dt.timedelta(days=56)


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    return small_model.rows()


@pytest.fixture(scope="module")
def dataset(records: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> SequenceDataset:
    return small_model.dataset(tmp_path_factory.mktemp("dataset"), records)


def test_it_opens_again(dataset: SequenceDataset) -> None:
    again = SequenceDataset(dataset.folder, small_model.CONTRACT)
    assert len(again) == 120
    assert again.anchors() == small_model.ANCHORS
    assert again.fingerprint == dataset.fingerprint


def test_data_stays_on_disk(dataset: SequenceDataset) -> None:
    for values in (dataset._steps, dataset._context, dataset._ids, *dataset._anchor.values()):
        assert isinstance(values, np.memmap)


def test_batches_hold_every_chosen_anchor_once(
    dataset: SequenceDataset, records: list[dict[str, Any]]
) -> None:
    cutoff = small_model.ANCHORS[6] + HORIZON
    chosen = dataset.selection(split="train", cutoff=cutoff)
    sequence = AnchorSequence(chosen, batch_size=16, seed=1)
    found = []
    for index in range(len(sequence)):
        batch = sequence[index]
        real = batch.weight > 0
        assert batch.steps_before.max() <= batch.steps.shape[1]
        assert not batch.spend[~real].any()
        found += list(zip(batch.spend[real], batch.context[real][:, 0], batch.bought[real], strict=True))
    expected = []
    for row in (row for row in records if row["split"] == "train"):
        context = row["context"].reshape(-1, 4)
        for place, anchor in enumerate(row["anchor_on"]):
            if anchor + HORIZON <= cutoff:
                expected.append((row["spend"][place], context[place, 0], row["orders"][place] > 0))
    np.testing.assert_allclose(sorted(found), sorted(np.asarray(expected, np.float32).tolist()), rtol=1e-6)


def test_batches_hold_nearly_equal_lengths(dataset: SequenceDataset) -> None:
    sequence = AnchorSequence(dataset.selection(), batch_size=8, seed=3)
    steps = np.array([[sequence[index].steps.shape[1], 0] for index in range(len(sequence))])
    lengths = np.sort(dataset.selection().n_steps)
    assert steps[:, 0].sum() * 8 < 1.35 * lengths.sum() + 8 * len(sequence)


def test_steps_after_the_last_anchor_are_not_read(dataset: SequenceDataset) -> None:
    early = dataset.selection(cutoff=small_model.ANCHORS[2] + HORIZON)
    batch = AnchorSequence(early, batch_size=200)[0]
    assert batch.steps.shape[1] == batch.steps_before.max() == early.n_steps.max()


def test_shuffling_follows_seed_and_epoch(dataset: SequenceDataset) -> None:
    def spends(seed: int, epoch: int) -> list[float]:
        sequence = AnchorSequence(dataset.selection(), batch_size=16, seed=seed)
        sequence.start_epoch(epoch)
        return [float(sequence[index].spend.sum()) for index in range(len(sequence))]

    assert spends(1, 4) == spends(1, 4)
    assert spends(1, 4) != spends(1, 5)
    assert spends(1, 4) != spends(2, 4)


def test_short_epochs_give_everybody_a_turn(dataset: SequenceDataset) -> None:
    everybody = dataset.selection()
    whole = AnchorSequence(everybody, batch_size=16, seed=2)
    short = AnchorSequence(everybody, batch_size=16, seed=2, users_per_epoch=70)
    parts = -(-len(everybody.users) // 70)
    assert parts > 1

    def spends(epoch: int) -> list[float]:
        short.start_epoch(epoch)
        return [float(spend) for index in range(len(short)) for spend in short[index].spend.sum(axis=1)]

    turn = [spends(epoch) for epoch in range(parts)]
    assert max(map(len, turn)) <= 70
    everything = [float(spend) for index in range(len(whole)) for spend in whole[index].spend.sum(axis=1)]
    np.testing.assert_allclose(sorted(chain.from_iterable(turn)), sorted(everything))
    assert sorted(turn[0]) != sorted(spends(parts))
    # A batch weighs the same whether its epoch is short or not.
    assert short.mean_weight() == pytest.approx(whole.mean_weight())


def test_fewer_users_are_of_all_lengths(dataset: SequenceDataset) -> None:
    everybody = dataset.selection()
    fewer = everybody.at_most(30)
    assert 15 <= len(fewer.users) <= 30
    assert set(fewer.users) < set(everybody.users)
    assert fewer.n_steps.mean() == pytest.approx(everybody.n_steps.mean(), rel=0.3)
    assert everybody.at_most(0) is everybody


def test_the_order_of_rows_does_not_matter(
    dataset: SequenceDataset, records: list[dict[str, Any]], tmp_path: Path
) -> None:
    order = np.random.default_rng(0).permutation(len(records))
    shuffled = small_model.dataset(tmp_path, [records[place] for place in order])
    for one, other in zip(
        (
            AnchorSequence(data.selection(split="train"), batch_size=32, seed=1)
            for data in (dataset, shuffled)
        ),
        (
            AnchorSequence(data.selection(split="train"), batch_size=32, seed=1)
            for data in (shuffled, dataset)
        ),
        strict=True,
    ):
        for index in range(len(one)):
            np.testing.assert_array_equal(one[index].steps, other[index].steps)
            np.testing.assert_array_equal(one[index].spend, other[index].spend)


def test_records_and_labels_share_their_order(
    dataset: SequenceDataset, records: list[dict[str, Any]]
) -> None:
    anchor = small_model.ANCHORS[5]
    by_user = {row["user_id"]: row for row in records}
    labels = dataset.labels(anchor, split="validation")
    users = []
    for batch, context in dataset.records(anchor, split="validation", rows=10):
        for at, user in enumerate(batch["user_id"].to_pylist()):
            row = by_user[user]
            place = row["anchor_on"].index(anchor)
            before = int(row["steps_before"][place])
            assert batch["n_steps"][at].as_py() == before
            np.testing.assert_allclose(batch["steps"][at].as_py(), row["steps"][: before * 3], rtol=1e-6)
            np.testing.assert_allclose(
                context[at].as_py(), row["context"][place * 4 : place * 4 + 4], rtol=1e-6
            )
            users.append((user, row["spend"][place], row["past_spend"][place], row["orders"][place]))
    assert labels.user_id.to_pylist() == [user for user, *_ in users]
    np.testing.assert_allclose(labels.spend, [spend for _, spend, *_ in users])
    np.testing.assert_allclose(labels.past_spend, [past for *_, past, _ in users])
    assert labels.orders.tolist() == [orders for *_, orders in users]


@settings(max_examples=25, deadline=None)
@given(
    first=st.integers(0, 11),
    last=st.integers(0, 11),
    users_per_block=st.integers(1, 50),
)
def test_runs_of_anchors_do_not_depend_on_blocks(
    dataset: SequenceDataset, first: int, last: int, users_per_block: int
) -> None:
    from purchasing_power.training import dataset as module

    days = [(anchor - dt.date(1970, 1, 1)).days for anchor in small_model.ANCHORS]
    whole = module._anchor_runs(dataset, days[first], days[last])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_USERS_PER_BLOCK", users_per_block)
        blocks = module._anchor_runs(dataset, days[first], days[last])
    kept = whole[1] > 0
    np.testing.assert_array_equal(whole[1], blocks[1])
    np.testing.assert_array_equal(whole[0][kept], blocks[0][kept])
    assert whole[1].sum() == sum(
        days[first] <= day <= days[last] for user in range(120) for day in days[user % 3 :]
    )


def changed(name: str, value: Any) -> list[pa.RecordBatch]:
    row = dict(small_model.rows(1)[0])
    row[name] = value
    return small_model.batches([row])


@pytest.mark.parametrize(
    ("given_batches", "message"),
    [
        ([], "is empty: no user has an anchor"),
        (changed("split", "test"), "has the split 'test'"),
        (changed("steps", np.zeros(7, np.float32)), "holds 7 numbers in 'steps' of user 'user-0'"),
        (changed("context", np.zeros(5, np.float32)), "holds 5 numbers in 'context' of user 'user-0'"),
        (changed("spend", [1.0]), "holds 1 numbers in 'spend' of user 'user-0'"),
        (changed("context", np.full(48, np.nan, np.float32)), "'context' holds NULL, NaN"),
    ],
)
def test_bad_input_is_one_sentence(given_batches: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(PurchasingPowerError, match=message):
        SequenceDataset.write(given_batches, tmp_path, small_model.CONTRACT)
    # What was cut off cannot be taken for a dataset.
    with pytest.raises(PurchasingPowerError, match="No complete training dataset"):
        SequenceDataset(tmp_path, small_model.CONTRACT)


def test_an_unknown_split_is_refused(dataset: SequenceDataset) -> None:
    with pytest.raises(PurchasingPowerError, match="The split 'test' does not exist"):
        dataset.selection(split="test")


def test_users_without_any_step_are_kept(tmp_path: Path) -> None:
    row = {**small_model.rows(1)[0], "n_steps": 0, "steps": np.zeros(0, np.float32)}
    row["steps_before"] = np.zeros(len(row["anchor_on"]), np.int32)
    empty = small_model.dataset(tmp_path, [row])
    batch = AnchorSequence(empty.selection(), batch_size=4)[0]
    assert batch.steps.shape == (1, 1, 3)
    assert not batch.steps.any()
    ((record, _),) = empty.records(small_model.ANCHORS[3])
    assert record["n_steps"].to_pylist() == [0]


def test_a_sample_of_everything_is_everything(tmp_path: Path) -> None:
    data = small_model.dataset(tmp_path)
    chosen = data.selection(split="train")
    sample = chosen.sample(10_000, half_life_days=0, seed=1)
    assert len(sample.spend) == chosen.n_anchors.sum()
    assert (sample.weight == 1).all()
    assert sample.spend.sum() == pytest.approx(
        sum(row["spend"].sum() for row in small_model.rows() if row["split"] == "train")
    )
    halved = chosen.sample(10_000, half_life_days=7, seed=1).weight
    assert set(np.log2(np.unique(halved)).round(6)) == {-float(week) for week in range(12)}


def test_a_smaller_sample_stands_for_all_and_is_half_buyers(tmp_path: Path) -> None:
    records = small_model.rows(600)
    for number, row in enumerate(records):
        if number % 20:
            row["orders"], row["spend"] = row["orders"] * 0, row["spend"] * 0
    data = small_model.dataset(tmp_path, records)
    chosen = data.selection()
    whole = chosen.sample(100_000, half_life_days=0, seed=1)
    part = chosen.sample(400, half_life_days=0, seed=1)
    assert 320 <= len(part.spend) <= 480
    assert 0.4 < part.bought.mean() < 0.6
    assert whole.bought.mean() < 0.06
    assert part.weight.sum() == pytest.approx(len(whole.spend), rel=0.15)
    assert (part.weight * part.bought).sum() == pytest.approx(whole.bought.sum(), rel=0.15)
    again = chosen.sample(400, half_life_days=0, seed=1)
    np.testing.assert_array_equal(part.context, again.context)
