"""Loads what scoring outside the warehouse needs: the champion, its features and users' memories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.online import LONG_AGO, OnlineScorer, UserMemory
from purchasing_power.scoring import ScoringModel
from purchasing_power.scoring.columns import list_column
from purchasing_power.warehouse.connection import Connection, connect
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import MODELS, SETTINGS, require

FEATURE_DEFINITIONS = "purchasing_power__feature_definitions"
SCALING = "purchasing_power__scaling"
USERS = "purchasing_power__users"
USER_STEPS = "purchasing_power__user_steps"
USER_STATES = "purchasing_power__user_states"
INPUTS_VERSION = "int_purchasing_power__inputs_version"

_ROWS_PER_BATCH = 8192
# Users named in one query; an engine may refuse thousands of parameters.
_USERS_PER_QUERY = 500


class MemoryReader:
    """Reads users' memories: the engine adds up their days, by the scorer's own definitions."""

    RELATIONS = (USERS, USER_STEPS, USER_STATES)

    def __init__(
        self,
        connection: Connection,
        relations: Mapping[str, str],
        scorer: OnlineScorer,
        definitions: Iterable[Mapping[str, Any]],
        as_of_date: date,
    ) -> None:
        """Takes what it reads from.

        Args:
            connection: the warehouse.
            relations: qualified name of each of RELATIONS.
            scorer: what memories are for.
            definitions: the scorer's, the digest among them.
            as_of_date: the date that all steps there are before.
        """
        self._connection = connection
        self._relations = relations
        self._scorer = scorer
        self._as_of_date = as_of_date
        self._points = {
            row["name"]: row["definition"]
            for row in sorted(definitions, key=lambda row: row["position"])
            if row["level"] in ("point", "digest")
        }

    def read(self, user_ids: Sequence[str] = ()) -> Iterator[UserMemory]:
        """Streams the memories of some users, or of all, in the order of their ids.

        Raises:
            PurchasingPowerError: a user's state has not read the steps that are there now.
        """
        reader = self._connection.query(self._query(len(user_ids)), [*user_ids, *user_ids], _ROWS_PER_BATCH)
        rest: list[pa.RecordBatch] = []
        for batch in reader:
            joined = pa.concat_batches([*rest, batch])
            starts = np.flatnonzero(joined.column("part_number").to_numpy(zero_copy_only=False) == 1)
            # The last user's rows may go on in the next batch.
            yield from self._memories(joined.slice(0, int(starts[-1])))
            rest = [joined.slice(int(starts[-1]))]
        if rest:
            yield from self._memories(pa.concat_batches(rest))

    def _memories(self, rows: pa.RecordBatch) -> Iterator[UserMemory]:
        """Gives the memories of users whose rows stand one after the other."""
        numbers = rows.column("part_number").to_numpy(zero_copy_only=False)
        days = rows.column("day").cast(pa.int32()).fill_null(LONG_AGO).to_numpy(zero_copy_only=False)
        columns = [_floats(rows.column(name)) for name in self._part_names()]
        parts = np.column_stack(columns) if columns else np.empty((len(rows), 0))
        states = list_column(rows, "state", nullable=True).matrix(self._scorer.model.metadata.state_size)
        starts = np.append(np.flatnonzero(numbers == 1), len(rows))
        of_user = rows.select(
            [
                "user_id",
                "first_seen_on",
                "is_dated",
                "step_count",
                "last_step_on",
                "last_order_on",
                "is_current",
            ]
        )
        for first, last in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            (user,) = of_user.slice(first, 1).to_pylist()
            if not user["is_current"]:
                raise PurchasingPowerError(
                    f"The state of the user {user['user_id']!r} in {self._relations[USER_STATES]} has not "
                    "read the steps that are there now: run `dbt build --selector purchasing_power_scoring`, "
                    "then load again."
                )
            memory = replace(
                self._scorer.newcomer(user["user_id"]),
                closed_before=self._as_of_date,
                first_seen_on=user["first_seen_on"],
                is_dated=user["is_dated"],
                steps=user["step_count"],
                last_step_on=user["last_step_on"],
                last_order_on=user["last_order_on"],
            )
            if user["step_count"]:
                memory = self._scorer.remember(memory, states[first], days[first:last], parts[first:last])
            yield memory

    def _part_names(self) -> list[str]:
        return [f"part_{number}" for number in range(len(self._scorer.parts))]

    def _query(self, users: int) -> str:
        """Writes the query: one row a user and day within reach, and one with day NULL for all before."""
        relations = self._relations
        only = f"where user_id in ({', '.join('?' * users)})" if users else ""
        began = self._as_of_date - timedelta(days=self._scorer.reach)
        day = f"case when on_date >= cast('{began}' as date) then on_date end"
        points = ",\n".join(f"{definition} as {name}" for name, definition in self._points.items())
        named = list(zip(self._scorer.parts, self._part_names(), strict=True))
        parts = "".join(f",\n{part.function}({part.point.name}) as {name}" for part, name in named)
        version = self._scorer.model.metadata.model_version.replace("'", "''")
        return f"""
            with

            chosen as (

                select user_id, first_seen_on, is_dated from {relations[USERS]} {only}

            ),

            points as (

                select user_id, step_on as on_date, {points} from {relations[USER_STEPS]} {only}

            ),

            history as (

                select
                    user_id,
                    count(*) as step_count,
                    cast(sum(step_digest) as decimal(38, 0)) as digest,
                    max(step_on) as last_step_on,
                    max(order_on) as last_order_on
                from points
                group by user_id

            ),

            parts as (

                select
                    user_id,
                    {day} as day,
                    row_number() over (partition by user_id order by {day} nulls first) as part_number
                    {parts}
                from points
                group by user_id, {day}

            ),

            states as (

                select * from {relations[USER_STATES]} where model_version = '{version}'

            )

            select
                chosen.user_id,
                chosen.first_seen_on,
                chosen.is_dated,
                coalesce(history.step_count, 0) as step_count,
                history.last_step_on,
                history.last_order_on,
                history.user_id is null or (
                    states.user_id is not null
                    and states.steps_consumed = history.step_count
                    and states.consumed_digest = history.digest
                ) as is_current,
                case when parts.part_number = 1 then states.state end as state,
                coalesce(parts.part_number, 1) as part_number,
                parts.day
                {"".join(f", parts.{name}" for _, name in named)}
            from chosen
            left join history on chosen.user_id = history.user_id
            left join states on chosen.user_id = states.user_id
            left join parts on chosen.user_id = parts.user_id
            order by chosen.user_id, coalesce(parts.part_number, 1)
            """


class OnlineWarehouse:
    """A warehouse from which users are loaded to be scored outside of it.

    Attributes:
        scorer: scores with the champion's model; it needs the warehouse no more.
        as_of_date: midnight UTC that ends the past which memories hold, exclusive.
    """

    def __init__(self, connection: Connection, project: Project) -> None:
        """Opens the champion, and compiles its features.

        Raises:
            PurchasingPowerError: something is not built yet, there is no champion, its features or the
                cleaning of their inputs are not those of the warehouse, or one of them cannot be computed
                outside of it.
        """
        relations = {
            name: require(connection, project, name)
            for name in (
                INPUTS_VERSION,
                MODELS,
                SCALING,
                SETTINGS,
                FEATURE_DEFINITIONS,
                *MemoryReader.RELATIONS,
            )
        }
        model = _champion(connection, relations[MODELS])
        scaling = connection.fetch(
            f"select * from {relations[SCALING]} where scaling_version = ?", [model.metadata.scaling_version]
        )
        inputs = connection.fetch(f"select inputs_version from {relations[INPUTS_VERSION]}")
        if {row["inputs_version"] for row in scaling} != {row["inputs_version"] for row in inputs}:
            raise PurchasingPowerError(
                f"The champion {model.metadata.model_version} was trained on inputs that were cleaned and "
                "read with other fitted parameters than those in use now: run "
                "`purchasing-power train --promote`, then `dbt build`."
            )
        definitions = connection.fetch(f"select * from {relations[FEATURE_DEFINITIONS]}")
        (settings,) = connection.fetch(f"select as_of_date from {relations[SETTINGS]}")
        self.scorer = OnlineScorer(model, definitions, scaling)
        self.as_of_date: date = settings["as_of_date"]
        self._reader = MemoryReader(connection, relations, self.scorer, definitions, self.as_of_date)

    def memories(self, user_ids: Sequence[str] | None = None) -> Iterator[UserMemory]:
        """Streams users' memories as of the as-of date, in the order of their ids.

        Args:
            user_ids: whom to load; everybody when None. Users that the warehouse does not know are left out.

        Raises:
            PurchasingPowerError: a user's state has not read the steps that are there now.
        """
        if user_ids is None:
            yield from self._reader.read()
            return
        ordered = sorted(set(user_ids))
        for first in range(0, len(ordered), _USERS_PER_QUERY):
            yield from self._reader.read(ordered[first : first + _USERS_PER_QUERY])

    def memory(self, user_id: str) -> UserMemory | None:
        """Gives one user's memory; None for whom the warehouse does not know (see `OnlineScorer.newcomer`).

        Raises:
            PurchasingPowerError: the user's state has not read the steps that are there now.
        """
        return next(self.memories([user_id]), None)


def _champion(connection: Connection, models: str) -> ScoringModel:
    rows = connection.fetch(f"select encoder_onnx, head_onnx, sha256 from {models} where status = 'champion'")
    if not rows:
        raise PurchasingPowerError(
            f"{models} holds no champion model: run `purchasing-power train --promote`, then `dbt build`."
        )
    (row,) = rows
    return ScoringModel.from_bytes(row["encoder_onnx"], row["head_onnx"], row["sha256"], threads=1)


@contextmanager
def open_online(project: Project) -> Iterator[OnlineWarehouse]:
    """Opens the warehouse for as long as memories are loaded.

    Raises:
        PurchasingPowerError: see `OnlineWarehouse`.
    """
    # Before the database is opened: dbt may have to parse, and a single-writer file would be closed to it.
    project.relation_names()
    with connect(project, read_only=True) as connection:
        yield OnlineWarehouse(connection, project)


def _floats(column: pa.Array) -> npt.NDArray[np.float64]:
    """Gives numbers or dates (days since 1970-01-01) as floats, NULL as NaN."""
    if pa.types.is_date(column.type):
        column = column.cast(pa.int32())
    floats: npt.NDArray[np.float64] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return floats
