"""Training sequences on disk: written once from Arrow batches, read back as nearly equal-length batches.

A *step* is all activity of a user in one period, an *anchor* a date at which the user is labelled. Everything
but a small index of a few numbers a user stays in memory-mapped files, so memory depends on the batch only.
"""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import keras
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring.columns import (
    column,
    integer_column,
    list_column,
    lists,
    ranges,
    string_column,
)
from purchasing_power.scoring.metadata import FeatureContract

SPLITS = ("train", "validation")

_EPOCH = dt.date(1970, 1, 1)
_ANCHOR_FILES: dict[str, Any] = {
    "anchor_day": np.int32,
    "steps_before": np.int32,
    "past_spend": np.float64,
    "spend": np.float64,
    "orders": np.int32,
}
_USER_FILES: dict[str, Any] = {
    "n_steps": np.int64,
    "n_anchors": np.int64,
    "split": np.int8,
    "id_bytes": np.int64,
    "id_hash": np.uint64,
}
_SHAPE_FILE = "shape.json"
_USERS_PER_BLOCK = 65_536


@dataclass(frozen=True)
class AnchorLabels:
    """What n users did around one anchor, in the dataset's order of users; money over the horizon.

    Attributes:
        user_id: [n] string.
        past_spend: [n] money of the horizon before the anchor.
        spend: [n] money within the horizon from the anchor on.
        orders: [n] orders within the horizon from the anchor on.
    """

    user_id: pa.Array
    past_spend: npt.NDArray[np.float64]
    spend: npt.NDArray[np.float64]
    orders: npt.NDArray[np.int32]


class SequenceDataset:
    """Users' steps, anchors and labels in a folder of flat memory-mapped files."""

    def __init__(self, folder: Path, contract: FeatureContract) -> None:
        """Opens a folder that `write` filled.

        Args:
            folder: The folder.
            contract: The feature contract; C and K are the lengths of its channels and context.

        Raises:
            PurchasingPowerError: The folder holds no complete dataset, or one of other widths.
        """
        shape = folder / _SHAPE_FILE
        if not shape.is_file():
            raise PurchasingPowerError(
                f"No complete training dataset stands in {folder}; write it again from "
                "purchasing_power__training_sequences."
            )
        found = json.loads(shape.read_text())
        self.contract = contract
        self.folder = folder
        self.n_channels, self.n_context = len(contract.channels), len(contract.context)
        if (found["n_channels"], found["n_context"]) != (self.n_channels, self.n_context):
            raise PurchasingPowerError(
                f"The dataset in {folder} has {found['n_channels']} channels and {found['n_context']} "
                "context values "
                f"but the feature catalogue has {self.n_channels} and {self.n_context}; write it again."
            )
        self.fingerprint: str = found["content"]
        self._user = {name: _open(folder, name, kind) for name, kind in _USER_FILES.items()}
        self._anchor = {name: _open(folder, name, kind) for name, kind in _ANCHOR_FILES.items()}
        self._steps = _open(folder, "steps", np.float32).reshape(-1, self.n_channels)
        self._context = _open(folder, "context", np.float32).reshape(-1, self.n_context)
        self._ids = _open(folder, "user_ids", np.uint8)
        self._step_start = _starts(self._user["n_steps"])
        self._anchor_start = _starts(self._user["n_anchors"])
        self._id_start = _starts(self._user["id_bytes"])

    @classmethod
    def write(
        cls, batches: Iterable[pa.RecordBatch], folder: Path, contract: FeatureContract
    ) -> SequenceDataset:
        """Writes rows of `purchasing_power__training_sequences` to a folder and opens it.

        Args:
            batches: Columns user_id, split, n_steps, steps, n_anchors, anchor_on, steps_before, context,
                past_spend, spend, orders; one row a user, anchors ascending.
            folder: Where the files go; earlier files of a dataset are replaced.
            contract: The feature contract.

        Raises:
            PurchasingPowerError: A column is missing, a width is wrong, a number is not finite, or no row
                came.
        """
        folder.mkdir(parents=True, exist_ok=True)
        # Written last and removed first, so that a dataset that was cut off cannot be opened.
        (folder / _SHAPE_FILE).unlink(missing_ok=True)
        users = 0
        with ExitStack() as stack:
            names = [*_USER_FILES, *_ANCHOR_FILES, "steps", "context", "user_ids"]
            files = {name: stack.enter_context(open(folder / f"{name}.bin", "wb")) for name in names}
            for batch in batches:
                _write_batch(batch, files, contract)
                users += batch.num_rows
        digest = hashlib.sha256()
        for name in names:
            with open(folder / f"{name}.bin", "rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
        if not users:
            raise PurchasingPowerError(
                "purchasing_power__training_sequences is empty: no user has an anchor whose horizon has "
                "passed; "
                "check the input's dates or shorten purchasing_power__horizon_days."
            )
        shape = {
            "n_channels": len(contract.channels),
            "n_context": len(contract.context),
            "content": digest.hexdigest(),
        }
        (folder / _SHAPE_FILE).write_text(json.dumps(shape))
        return cls(folder, contract)

    def __len__(self) -> int:
        """Gives the number of users."""
        return len(self._user["n_steps"])

    def anchors(self) -> list[dt.date]:
        """Gives the distinct anchor dates, ascending."""
        return [_EPOCH + dt.timedelta(days=int(day)) for day in np.unique(self._anchor["anchor_day"])]

    def selection(
        self,
        *,
        split: str | None = None,
        cutoff: dt.date | None = None,
        anchor_on: dt.date | None = None,
    ) -> AnchorSelection:
        """Chooses users and anchors.

        Args:
            split: 'train' or 'validation'; None takes all users.
            cutoff: Only anchors whose label window has ended: anchor + horizon <= cutoff.
            anchor_on: Only this anchor.
        """
        last = 2**31 - 1 if cutoff is None else _day(cutoff) - self.contract.horizon_days
        first = -(2**31)
        if anchor_on is not None:
            first, last = _day(anchor_on), min(last, _day(anchor_on))
        return AnchorSelection(self, split, first, last)

    def labels(self, anchor_on: dt.date, *, split: str | None = None) -> AnchorLabels:
        """Gives what users did around one anchor, in the order in which `records` gives the users."""
        chosen = self.selection(split=split, anchor_on=anchor_on)
        at = chosen.first_anchor
        return AnchorLabels(
            user_id=self.user_ids(chosen.users),
            past_spend=self._anchor["past_spend"][at],
            spend=self._anchor["spend"][at],
            orders=self._anchor["orders"][at],
        )

    def records(
        self, anchor_on: dt.date, *, split: str | None = None, rows: int = 1024
    ) -> Iterator[tuple[pa.RecordBatch, pa.Array]]:
        """Gives what the scoring core is fed at one anchor.

        Yields:
            Batches for the encoder (user_id, n_steps, steps, previous_state; only steps before the anchor) of
            at most `rows` users, nearly equally long, each with the list column `context` of the same users.
        """
        chosen = self.selection(split=split, anchor_on=anchor_on)
        for first in range(0, len(chosen.users), rows):
            users = chosen.users[first : first + rows]
            at = chosen.first_anchor[first : first + rows]
            counts = self._anchor["steps_before"][at].astype(np.int64)
            steps = self._steps[ranges(self._step_start[users], counts)]
            batch = pa.record_batch(
                {
                    "user_id": self.user_ids(users),
                    "n_steps": pa.array(counts.astype(np.int32)),
                    "steps": lists(steps, counts * self.n_channels),
                    "previous_state": pa.nulls(len(users), pa.list_(pa.float32())),
                }
            )
            context = self._context[at]
            yield batch, lists(context, np.full(len(users), self.n_context))

    def user_ids(self, users: npt.NDArray[np.int64]) -> pa.Array:
        """Gives the ids of users by their position."""
        sizes = self._user["id_bytes"][users]
        content = self._ids[ranges(self._id_start[users], sizes)]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        return pa.StringArray.from_buffers(len(users), pa.py_buffer(offsets), pa.py_buffer(content.tobytes()))


class AnchorSelection:
    """The users of a split with the run of anchors that a cutoff leaves them, ordered by length.

    Attributes:
        users: [n] positions of the users that have at least one such anchor, fewest steps first.
        first_anchor: [n] position of their first such anchor.
        n_anchors: [n] how many such anchors they have.
        n_steps: [n] steps before their last such anchor: no later step can influence a prediction.
        last_day: Day of the newest such anchor, from 1970-01-01.
    """

    def __init__(self, dataset: SequenceDataset, split: str | None, first_day: int, last_day: int) -> None:
        """Chooses; days count from 1970-01-01, both ends included."""
        if split is not None and split not in SPLITS:
            raise PurchasingPowerError(f"The split '{split}' does not exist; use one of {', '.join(SPLITS)}.")
        self.dataset = dataset
        starts, counts = _anchor_runs(dataset, first_day, last_day)
        keep = counts > 0
        if split is not None:
            keep &= dataset._user["split"] == SPLITS.index(split)
        users = np.flatnonzero(keep)
        lengths = dataset._anchor["steps_before"][starts[users] + counts[users] - 1].astype(np.int64)
        # Ties go by the id's hash, so that the order in which the warehouse returned the rows does not
        # matter.
        order = np.lexsort((dataset._user["id_hash"][users], lengths))
        self.users: npt.NDArray[np.int64] = users[order]
        self.first_anchor: npt.NDArray[np.int64] = starts[self.users]
        self.n_anchors: npt.NDArray[np.int64] = counts[self.users]
        self.n_steps: npt.NDArray[np.int64] = lengths[order]
        # A date between the anchors, as a cutoff may be, is no anchor.
        newest = dataset._anchor["anchor_day"][self.first_anchor + self.n_anchors - 1]
        self.last_day = int(newest.max()) if len(newest) else last_day

    def at_most(self, users: int) -> AnchorSelection:
        """Gives about as many users of all lengths alike, the same ones at every call; 0 gives all."""
        if not users or len(self.users) <= users:
            return self
        thinned = copy.copy(self)
        every = slice(None, None, -(-len(self.users) // users))
        for name in ("users", "first_anchor", "n_anchors", "n_steps"):
            setattr(thinned, name, getattr(self, name)[every])
        return thinned

    def newest_context(self, users: int = 100_000) -> npt.NDArray[np.float32]:
        """Gives the context [n, K] of about `users` users at most at their newest chosen anchor."""
        every = slice(None, None, max(1, len(self.users) // users))
        context: npt.NDArray[np.float32] = self.dataset._context[
            self.first_anchor[every] + self.n_anchors[every] - 1
        ]
        return context

    def sample(self, anchors: int, *, half_life_days: float, seed: int) -> AnchorSample:
        """Draws about `anchors` chosen anchors at most; of more than fit, half are those with a purchase.

        Args:
            anchors: How many.
            half_life_days: An anchor this many days before the newest one weighs half as much; 0 weighs all
                alike.
            seed: Seeds the draw.
        """
        data, total = self.dataset, int(self.n_anchors.sum())
        blocks = [
            slice(first, first + _USERS_PER_BLOCK) for first in range(0, len(self.users), _USERS_PER_BLOCK)
        ]

        def places(block: slice) -> npt.NDArray[np.int64]:
            return ranges(self.first_anchor[block], self.n_anchors[block])

        purchases = sum(int((data._anchor["orders"][places(block)] > 0).sum()) for block in blocks)
        # Where few buy, each purchase says more than each of the many who did not.
        of_buyers = min(1.0, anchors / 2 / max(purchases, 1)) if total > anchors else 1.0
        others = total - purchases
        of_others = min(1.0, (anchors - of_buyers * purchases) / others) if others else 1.0
        random, parts = np.random.default_rng(seed), []
        for block in blocks:
            at = places(block)
            bought = data._anchor["orders"][at] > 0
            share = np.where(bought, of_buyers, of_others)
            kept = random.random(len(at)) < share
            at, bought, share = at[kept], bought[kept], share[kept]
            weight = _weight(data._anchor["anchor_day"][at], self.last_day, half_life_days) / share
            parts.append((data._context[at], data._anchor["spend"][at], bought, weight))
        context, spend, bought, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
        return AnchorSample(context, spend, bought, weight)

    def label_sample(self, users: int = 100_000) -> npt.NDArray[np.float64]:
        """Gives the spend of every chosen anchor of about `users` users at most, of all lengths alike."""
        every = slice(None, None, max(1, len(self.users) // users))
        at = ranges(self.first_anchor[every], self.n_anchors[every])
        spend: npt.NDArray[np.float64] = self.dataset._anchor["spend"][at]
        return spend


@dataclass(frozen=True)
class AnchorSample:
    """Context and labels of n anchors.

    Attributes:
        context: [n, K] context at each anchor.
        spend: [n] money within the horizon.
        bought: [n] whether there was an order.
        weight: [n] how much each counts; the sum stands for all anchors that were drawn from.
    """

    context: npt.NDArray[np.float32]
    spend: npt.NDArray[np.float64]
    bought: npt.NDArray[np.bool_]
    weight: npt.NDArray[np.float64]


@dataclass(frozen=True)
class AnchorBatch:
    """One padded batch of b users, t steps and a anchors.

    Attributes:
        steps: [b, t, C] channels, zeros after a user's last step.
        steps_before: [b, a] how many steps precede each anchor.
        context: [b, a, K] context at each anchor.
        spend: [b, a] money within the horizon.
        bought: [b, a] 1 where there was an order.
        weight: [b, a] weight of each anchor's loss, 0 for padding.
    """

    steps: npt.NDArray[np.float32]
    steps_before: npt.NDArray[np.int32]
    context: npt.NDArray[np.float32]
    spend: npt.NDArray[np.float32]
    bought: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]


class AnchorSequence(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of nearly equally long users; who shares a batch, and the batches' order, follow the seed."""

    def __init__(
        self,
        selection: AnchorSelection,
        *,
        batch_size: int,
        seed: int | None = None,
        half_life_days: float = 0.0,
        users_per_epoch: int = 0,
    ) -> None:
        """Prepares the batches.

        Args:
            selection: The users and anchors.
            batch_size: Users of one batch.
            seed: None keeps the order by length and all users; else `start_epoch` shuffles.
            users_per_epoch: Users of one epoch at most; the next epoch takes others until all had their
                turn. 0 takes all.
            half_life_days: An anchor this many days before the newest one weighs half as much; 0 weighs all
                alike.
        """
        super().__init__()
        self._selection = selection
        self._batch_size = batch_size
        self._seed = seed
        self._half_life = half_life_days
        self._parts = -(-len(selection.users) // users_per_epoch) if users_per_epoch else 1
        self._rows = np.arange(len(selection.users))
        self._order = np.arange(-(-len(self._rows) // batch_size))
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Draws the batches of an epoch; the same seed and epoch give the same batches."""
        if self._seed is None:
            return
        random = np.random.default_rng([self._seed, epoch])
        rows = self._users_of(epoch)
        # A little noise on the length changes who shares a batch without adding more than a tenth of padding.
        noisy = (self._selection.n_steps[rows] + 1) * random.uniform(0.95, 1.05, len(rows))
        self._rows = rows[np.argsort(noisy, kind="stable")]
        self._order = random.permutation(-(-len(rows) // self._batch_size))

    def _users_of(self, epoch: int) -> npt.NDArray[np.int64]:
        everybody = np.arange(len(self._selection.users))
        if self._parts == 1:
            return everybody
        turn, part = divmod(epoch, self._parts)
        return np.random.default_rng([self._seed or 0, turn]).permutation(everybody)[part :: self._parts]

    def __len__(self) -> int:
        """Gives the number of batches of an epoch."""
        return len(self._order)

    def __getitem__(self, index: int) -> AnchorBatch:
        """Reads one batch from disk."""
        first = int(self._order[index]) * self._batch_size
        return self._batch_of(self._rows[first : first + self._batch_size])

    def _batch_of(self, rows: npt.NDArray[np.int64]) -> AnchorBatch:
        chosen, data = self._selection, self._selection.dataset
        n_steps, n_anchors = chosen.n_steps[rows], chosen.n_anchors[rows]
        is_step = np.arange(max(1, int(n_steps.max()))) < n_steps[:, None]
        is_anchor = np.arange(int(n_anchors.max())) < n_anchors[:, None]
        steps = np.zeros((*is_step.shape, data.n_channels), np.float32)
        steps[is_step] = data._steps[ranges(data._step_start[chosen.users[rows]], n_steps)]
        at = ranges(chosen.first_anchor[rows], n_anchors)

        def spread(values: npt.NDArray[Any], kind: Any) -> npt.NDArray[Any]:
            padded = np.zeros((*is_anchor.shape, *values.shape[1:]), kind)
            padded[is_anchor] = values[at]
            return padded

        return AnchorBatch(
            steps=steps,
            steps_before=spread(data._anchor["steps_before"], np.int32),
            context=spread(data._context, np.float32),
            spend=spread(data._anchor["spend"], np.float32),
            bought=spread(data._anchor["orders"], np.int32).clip(0, 1).astype(np.float32),
            weight=self._weight(spread(data._anchor["anchor_day"], np.float32)) * is_anchor,
        )

    def mean_weight(self) -> float:
        """Gives the weight of a batch's anchors: that of all over the number of batches that hold them."""
        chosen, days, total = self._selection, self._selection.dataset._anchor["anchor_day"], 0.0
        for first in range(0, len(chosen.users), _USERS_PER_BLOCK):
            block = slice(first, first + _USERS_PER_BLOCK)
            at = ranges(chosen.first_anchor[block], chosen.n_anchors[block])
            total += float(self._weight(days[at].astype(np.float32)).sum(dtype=np.float64))
        return total / -(-len(chosen.users) // self._batch_size)

    def _weight(self, day: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return _weight(day, self._selection.last_day, self._half_life).astype(np.float32)


def _weight(day: npt.NDArray[Any], newest: int, half_life_days: float) -> npt.NDArray[np.float64]:
    if not half_life_days:
        return np.ones(day.shape)
    halvings: npt.NDArray[np.float64] = (newest - day.astype(np.float64)) / half_life_days
    return np.exp2(-halvings)


def _write_batch(batch: pa.RecordBatch, files: Mapping[str, BinaryIO], contract: FeatureContract) -> None:
    n_steps, n_anchors = integer_column(batch, "n_steps"), integer_column(batch, "n_anchors")
    users = string_column(batch, "user_id")
    split = string_column(batch, "split").to_numpy(zero_copy_only=False)
    unknown = sorted({str(name) for name in split} - set(SPLITS))
    if unknown:
        raise PurchasingPowerError(
            f"purchasing_power__training_sequences has the split '{unknown[0]}'; it must be one of "
            f"{', '.join(SPLITS)}."
        )
    written = {
        "steps": ("steps", n_steps * len(contract.channels), np.float32),
        "context": ("context", n_anchors * len(contract.context), np.float32),
        "anchor_on": ("anchor_day", n_anchors, np.int32),
        **{name: (name, n_anchors, _ANCHOR_FILES[name]) for name in _ANCHOR_FILES if name != "anchor_day"},
    }
    for name, (target, expected, kind) in written.items():
        numeric = _dates_as_days(batch) if name == "anchor_on" else batch
        rows = list_column(numeric, name, nullable=False)
        wrong = rows.lengths != expected
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise PurchasingPowerError(
                f"purchasing_power__training_sequences holds {int(rows.lengths[row])} numbers in '{name}' "
                "of user "
                f"'{users[row].as_py()}' but {int(expected[row])} belong there; run 'dbt build' for the "
                "features again."
            )
        rows.values[ranges(rows.starts, rows.lengths)].astype(kind).tofile(files[target])
    n_steps.astype(np.int64).tofile(files["n_steps"])
    n_anchors.astype(np.int64).tofile(files["n_anchors"])
    np.array([SPLITS.index(name) for name in split], np.int8).tofile(files["split"])
    content = [user.encode() for user in users.to_pylist()]
    np.array([len(user) for user in content], np.int64).tofile(files["id_bytes"])
    hashes = b"".join(hashlib.blake2b(user, digest_size=8).digest() for user in content)
    files["id_hash"].write(hashes)
    files["user_ids"].write(b"".join(content))


def _dates_as_days(batch: pa.RecordBatch) -> pa.RecordBatch:
    found = column(batch, "anchor_on")
    days = found.cast(pa.list_(pa.date32())).cast(pa.list_(pa.int32()))
    return pa.record_batch({"anchor_on": days.cast(pa.list_(pa.float64()))})


def _anchor_runs(
    dataset: SequenceDataset, first_day: int, last_day: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Gives the position of each user's first anchor within the days, and how many follow it."""
    starts, counts = np.zeros((2, len(dataset)), np.int64)
    owned = dataset._user["n_anchors"]
    # In blocks, because the flags of all anchors of all users would not fit into a small machine's memory.
    for first in range(0, len(dataset), _USERS_PER_BLOCK):
        block = slice(first, first + _USERS_PER_BLOCK)
        begin = dataset._anchor_start[block] - dataset._anchor_start[first]
        end = begin + owned[block]
        offset = int(dataset._anchor_start[first])
        days = dataset._anchor["anchor_day"][offset : offset + int(end[-1])]
        # Anchors ascend within a user, so those inside form one run that begins after the early ones.
        early = np.concatenate([[0], np.cumsum(days < first_day)])
        inside = np.concatenate([[0], np.cumsum((days >= first_day) & (days <= last_day))])
        starts[block] = offset + begin + early[end] - early[begin]
        counts[block] = inside[end] - inside[begin]
    return starts, counts


def _open(folder: Path, name: str, kind: Any) -> npt.NDArray[Any]:
    path = folder / f"{name}.bin"
    # An empty file cannot be mapped: all users may be without a step.
    return np.memmap(path, dtype=kind, mode="r") if path.stat().st_size else np.zeros(0, kind)


def _starts(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)


def _day(date: dt.date) -> int:
    return (date - _EPOCH).days
