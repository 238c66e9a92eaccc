"""One event onto a user's memory, and a new score: the numbers of the batch path, a user at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.online.definitions import Definitions, Values
from purchasing_power.online.memory import LONG_AGO, UserMemory
from purchasing_power.online.rows import ActivityRows, naive_utc
from purchasing_power.online.sql import day_number
from purchasing_power.online.steps import Steps
from purchasing_power.online.windows import Part, Windows
from purchasing_power.scoring import ScoringModel

_MOST_DEVIATIONS = 10.0
_TRANSFORMS = ("identity", "log1p", "signed_log1p")


class LateEventError(PurchasingPowerError):
    """An event of a step that is closed already: the user has to be recomputed by the batch path."""


@dataclass(frozen=True)
class Score:
    """What the model says of one user; money in the model's currency over its horizon.

    Attributes:
        user_id: the user.
        as_of_date: midnight UTC that ends the past which the score knows, exclusive.
        is_provisional: whether that midnight lies ahead of the event or the moment asked for: more may come.
        purchase_probability: of at least one order within the horizon.
        expected_spend: mean spend.
        spend_p10: spend that is exceeded in nine cases of ten.
        spend_p50: middle of spend.
        spend_p90: spend that is exceeded in one case of ten.
        purchasing_power_tier: name of the predicted tier.
        anomaly_score: how unlike the training users, 0 to 1.
        is_outlier: whether that is beyond what training allowed.
        model_version: the model.
    """

    user_id: str
    as_of_date: dt.date
    is_provisional: bool
    purchase_probability: float
    expected_spend: float
    spend_p10: float
    spend_p50: float
    spend_p90: float
    purchasing_power_tier: str
    anomaly_score: float
    is_outlier: bool
    model_version: str


class OnlineScorer:
    """Scores one user at a time from their memory, without a warehouse.

    An **event** is one row of cleaned activity, a mapping with the columns of
    `int_purchasing_power__activity`; what it has not may be left out. Clean means what the SQL of
    `models/staging` and of that model does: gaps are filled and outliers capped by what
    `purchasing_power__cleaning` froze; amounts are in the shop's currency, and below 0 for a refund, which
    is dated when it became known; event types are in small letters; a `price_level` is the log ratio of a
    unit price to its category's frozen median; a browse event `starts_session` (1 or 0) and lasted
    `seconds`, both of which follow from the session's event before; embeddings and sentiment are what the
    input models read; and what repeats, is a bot's or is unusable was left out. All of that is joins to
    products, rates and fitted tables in the engine's SQL, and a second version of it here would be one to
    disagree with: the caller brings what those models give. An event that is delivered twice counts twice.

    A **score** as of a date equals the batch score at that as-of date after the same events: each step
    before that midnight is closed and read by the encoder, and context ends the day before. A score within
    a step takes it for closed as it stands now, and looks back from its end: the next midnight, with weekly
    steps the next Monday's. So the last score of a day is the batch score of the morning after.

    What it **cannot know**: an event of a step that is closed (before the open one, or before the memory
    was loaded) raises `LateEventError`; corrected and deleted rows never come here. Either way the next
    `dbt build` recomputes the user, who is then loaded again. After a promotion all users are: a memory of
    another model is refused.

    Attributes:
        model: the model.
        parts: what a memory keeps of each day.
        reach: days before an anchor that a memory has to tell apart.
    """

    def __init__(
        self,
        model: ScoringModel,
        definitions: Iterable[Mapping[str, Any]],
        scaling: Iterable[Mapping[str, Any]],
    ) -> None:
        """Compiles the features of a model.

        Args:
            model: the model; opened with one thread it scores one user fastest.
            definitions: rows of `purchasing_power__feature_definitions`.
            scaling: rows of `purchasing_power__scaling`, at least those of the model's version.

        Raises:
            PurchasingPowerError: the features are not those that the model was trained on, or one of them
                cannot be computed here.
        """
        metadata = model.metadata
        found = Definitions.read(definitions, metadata.step_grain)
        model.check_features(feature_hash=found.feature_hash, scaling_version=metadata.scaling_version)
        self.model = model
        self._layout = found.layout
        self._rows = ActivityRows(found.of_level("activity"))
        self._steps = Steps(found, self._rows)
        self._windows = Windows(found, self._steps.expressions.columns)
        self.parts: tuple[Part, ...] = self._windows.parts
        self.reach = self._windows.reach
        scales = {
            (row["feature_set"], row["feature_name"]): row
            for row in scaling
            if row["scaling_version"] == metadata.scaling_version
        }
        self._channels = _Standard("channel", metadata.channels, self._steps.expressions.positions, scales)
        self._context = _Standard("context", metadata.context, self._windows.expressions.positions, scales)
        # onnxruntime plans its memory in the first run of a graph; no event should wait for that.
        state = np.zeros((1, metadata.state_size), np.float32)
        model.next_state(np.zeros((1, 1, len(metadata.channels)), np.float32), state)
        model.predict(state, np.zeros((1, len(metadata.context)), np.float32))

    def newcomer(self, user_id: str, signed_up_on: dt.date | None = None) -> UserMemory:
        """Gives the memory of a user whom the warehouse does not know; one that it knows has to be loaded.

        Args:
            user_id: the user.
            signed_up_on: date of the sign-up, where there was one.
        """
        days, parts = self._windows.no_days()
        return UserMemory(
            user_id=user_id,
            model_version=self.model.metadata.model_version,
            layout=self._layout,
            closed_before=None,
            first_seen_on=signed_up_on,
            is_dated=signed_up_on is not None,
            steps=0,
            last_step_on=None,
            last_order_on=None,
            state=np.zeros(self.model.metadata.state_size, np.float32),
            days=days,
            parts=parts,
            open=None,
        )

    def remember(
        self,
        memory: UserMemory,
        state: npt.NDArray[np.float32],
        days: npt.NDArray[np.int32],
        parts: npt.NDArray[np.float64],
    ) -> UserMemory:
        """Gives a newcomer's memory the closed steps that a warehouse read and added up.

        Args:
            memory: with its other attributes set.
            state: [S] after the newest of the steps.
            days: [n] since 1970-01-01, ascending, those within `reach`; before them LONG_AGO for all others.
            parts: [n, A] what each keeps, in the order of `parts`; NaN is NULL.
        """
        no_days, no_parts = self._windows.no_days()
        if days[0] != LONG_AGO:
            days, parts = np.concatenate([no_days, days]), np.concatenate([no_parts, parts])
        return replace(memory, state=state, days=days, parts=self._windows.rounded(parts))

    def absorb(self, memory: UserMemory, event: Mapping[str, Any]) -> UserMemory:
        """Gives the memory after one more event, without a score: for what came while nobody asked.

        Raises:
            LateEventError: the event is of a step that is closed; recompute the user by the batch path.
            PurchasingPowerError: the event is not what activity holds or is another user's, or the memory is
                another model's.
        """
        self._check(memory)
        user_id = event.get("user_id", memory.user_id)
        if user_id != memory.user_id:
            raise PurchasingPowerError(
                f"The event is of the user {user_id!r} and the memory of {memory.user_id!r}: give each event "
                "its own user's memory."
            )
        row, moment = self._rows.read(event)
        step_on = self._steps.begins(moment)
        if memory.open is None:
            position = -1 if memory.closed_before is not None and step_on < memory.closed_before else 1
        else:
            position = self._steps.compare(moment, memory.open)
        if position < 0:
            raise LateEventError(
                f"The event of the user {memory.user_id!r} at {moment.isoformat(' ')} is late, as "
                f"{self._closed_until(memory)} is closed: recompute the user with `dbt build`, and load the "
                "memory again."
            )
        if position > 0 and memory.open is not None:
            memory = self._close(memory)
        is_earlier = not memory.is_dated or memory.first_seen_on is None or step_on < memory.first_seen_on
        return replace(
            memory,
            open=self._steps.add(memory.open, row, moment),
            first_seen_on=step_on if is_earlier else memory.first_seen_on,
            is_dated=True,
        )

    def update(self, memory: UserMemory, event: Mapping[str, Any]) -> tuple[UserMemory, Score]:
        """Gives the memory after one more event, and the score as of the end of its step.

        Raises:
            LateEventError: the event is of a step that is closed; recompute the user by the batch path.
            PurchasingPowerError: the event is not what activity holds or is another user's, or the memory is
                another model's.
        """
        memory = self.absorb(memory, event)
        assert memory.open is not None
        anchor = self._steps.ends(memory.open.step_on)
        return memory, self._score(memory, anchor, is_provisional=True)

    def score(self, memory: UserMemory, at: dt.date | dt.datetime) -> Score:
        """Scores a user.

        Args:
            memory: the user's memory; it stays as it is.
            at: an as-of date; or a moment (UTC where it has no zone), which asks for the score as of the
                end of its step, or as of itself where it is a midnight that steps end at.

        Raises:
            PurchasingPowerError: no step ends at that date, the memory knows of later steps or is another
                model's, or nothing at all is known of the user.
        """
        self._check(memory)
        anchor = at if not isinstance(at, dt.datetime) else self._steps.first_end(naive_utc(at))
        if not self._steps.is_end(anchor):
            raise PurchasingPowerError(
                f"{anchor} is no as-of date, because weekly steps end on Mondays: ask for a Monday, or for a "
                "moment."
            )
        known = [date for date in (memory.closed_before,) if date is not None]
        if memory.open is not None:
            known.append(self._steps.ends(memory.open.step_on))
        if known and anchor < max(known):
            raise PurchasingPowerError(
                f"The user {memory.user_id!r} cannot be scored as of {anchor}, because the memory already "
                f"holds what came until {max(known)}: ask for that date or a later one."
            )
        is_provisional = isinstance(at, dt.datetime) and dt.datetime.combine(anchor, dt.time()) > naive_utc(
            at
        )
        return self._score(memory, anchor, is_provisional=is_provisional)

    def _score(self, memory: UserMemory, anchor: dt.date, *, is_provisional: bool) -> Score:
        closed = memory if memory.open is None else self._close(memory)
        if closed.first_seen_on is None:
            raise PurchasingPowerError(
                f"The user {memory.user_id!r} cannot be scored, because neither an event nor a sign-up is "
                "known of them: give one of both."
            )
        context = self._context(self._windows.values(closed.days, closed.parts, closed.first_seen_on, anchor))
        output = self.model.predict(closed.state[None], context[None])
        metadata = self.model.metadata
        return Score(
            user_id=memory.user_id,
            as_of_date=anchor,
            is_provisional=is_provisional,
            purchase_probability=float(output.purchase_probability[0]),
            expected_spend=float(output.expected_spend[0]),
            spend_p10=float(output.spend_p10[0]),
            spend_p50=float(output.spend_p50[0]),
            spend_p90=float(output.spend_p90[0]),
            purchasing_power_tier=metadata.tier_names[int(output.tier[0])],
            anomaly_score=float(output.anomaly_score[0]),
            is_outlier=bool(output.is_outlier[0]),
            model_version=metadata.model_version,
        )

    def _close(self, memory: UserMemory) -> UserMemory:
        """Lets the encoder read the open step, and puts it among the days."""
        assert memory.open is not None
        step_on = memory.open.step_on
        values = self._steps.values(memory.open, memory)
        days, parts = self._windows.with_step(memory.days, memory.parts, day_number(step_on), values)
        return replace(
            memory,
            closed_before=step_on if memory.open.instant is not None else self._steps.ends(step_on),
            steps=memory.steps + 1,
            last_step_on=step_on,
            last_order_on=step_on if self._windows.has_order(values) else memory.last_order_on,
            state=self.model.next_state(self._channels(values)[None, None], memory.state[None])[0],
            days=days,
            parts=parts,
            open=None,
        )

    def _closed_until(self, memory: UserMemory) -> str:
        if memory.open is None:
            return f"everything before {memory.closed_before}"
        return f"everything before {memory.open.instant or memory.open.step_on}"

    def _check(self, memory: UserMemory) -> None:
        for name, found, own in (
            ("model", memory.model_version, self.model.metadata.model_version),
            ("feature definitions", memory.layout, self._layout),
        ):
            if found != own:
                raise PurchasingPowerError(
                    f"The memory of the user {memory.user_id!r} was made with the {name} {found} and this "
                    f"scorer has {own}: load the memory from the warehouse again."
                )


class _Standard:
    """Standardises features as macros/features/normalised.sql does: transformed, scaled, cut, and 32-bit."""

    def __init__(
        self,
        feature_set: str,
        names: Sequence[str],
        positions: Any,
        scales: Mapping[tuple[str, str], Mapping[str, Any]],
    ) -> None:
        """Finds the features among values and their parameters in the scaling."""
        missing = [name for name in names if (feature_set, name) not in scales]
        if missing:
            raise PurchasingPowerError(
                f"purchasing_power__scaling lacks {feature_set} {missing[0]} of the model's version: run "
                "`dbt build --selector purchasing_power_features`, and train again."
            )
        rows = [scales[feature_set, name] for name in names]
        unknown = {row["transform"] for row in rows}.difference(_TRANSFORMS)
        if unknown:
            raise PurchasingPowerError(
                f"purchasing_power__scaling has the transform {min(unknown)!r}, which this version does not "
                "know: install the version of purchasing_power that built it."
            )
        self._names = tuple(names)
        self._positions = positions(names)
        self._center = np.array([row["center"] for row in rows], np.float64)
        self._scale = np.array([row["scale"] for row in rows], np.float64)
        self._log, self._signed = (
            np.flatnonzero([row["transform"] == transform for row in rows])
            for transform in ("log1p", "signed_log1p")
        )

    def __call__(self, values: Values) -> npt.NDArray[np.float32]:
        """Gives the features as the model reads them.

        Raises:
            PurchasingPowerError: one of them is NULL.
        """
        own = [values[position] for position in self._positions]
        if None in own:
            raise PurchasingPowerError(
                f"The feature {self._names[own.index(None)]} is NULL, and no feature may be: give it a value "
                "in the catalogue."
            )
        numbers = np.array(own, np.float64)
        # ln(1 + x) and not log1p(x), because SQL has the first alone.
        numbers[self._log] = np.log(1 + np.maximum(numbers[self._log], 0))
        signed = numbers[self._signed]
        numbers[self._signed] = np.sign(signed) * np.log(1 + np.abs(signed))
        cut = np.clip((numbers - self._center) / self._scale, -_MOST_DEVIATIONS, _MOST_DEVIATIONS)
        return cut.astype(np.float32)
