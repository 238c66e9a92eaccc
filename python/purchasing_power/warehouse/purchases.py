"""Reads when users bought and for how much, as methods need it that read no features."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import require

USER_STEPS = "purchasing_power__user_steps"


@dataclass(frozen=True)
class Purchases:
    """Steps with spend, ordered by user and day.

    Attributes:
        user_id: [n] string.
        day: [n] days from 1970-01-01.
        spend: [n] money of the step, > 0.
    """

    user_id: pa.Array
    day: npt.NDArray[np.int32]
    spend: npt.NDArray[np.float64]


def read_purchases(project: Project, *, before: date) -> Purchases:
    """Reads every step with spend that began before a date.

    Raises:
        PurchasingPowerError: dbt has not built the steps.
    """
    # Before the database is opened: dbt may have to parse, and a single-writer file would be closed to it.
    project.relation_names()
    with connect(project, read_only=True) as connection:
        steps = require(connection, project, USER_STEPS)
        table = connection.query(
            f"select user_id, step_on, spend from {steps} "
            "where spend > 0 and step_on < ? order by user_id, step_on",
            [before],
        ).read_all()
    user_id, step_on, spend = (column.combine_chunks() for column in table.columns)
    day = step_on.cast(pa.date32()).cast(pa.int32()).to_numpy()
    # A decimal on every engine, and each spells double in its own way.
    return Purchases(user_id, day, spend.cast(pa.float64()).to_numpy())
