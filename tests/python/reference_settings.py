"""The package's vars as the reference implementation reads them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LOGS = {"order_lines": "ordered_at", "browse_events": "occurred_at", "reviews": "reviewed_at"}
DEFAULT_FILLS = {
    "order_lines": {"amount": "reject", "quantity": 1, "discount_amount": "zero"},
    "browse_events": {"event_count": 1, "duration_seconds": "zero"},
    "reviews": {},
}
DEFAULT_OUTLIERS = {"method": "iqr", "factor": 2, "quantile": 0.999, "action": "cap"}


@dataclass(frozen=True)
class Rule:
    """How one column is cleaned: what fills its gaps, and what is done with its outliers."""

    fill: str | float
    method: str
    factor: float
    quantile: float
    action: str


@dataclass(frozen=True)
class Settings:
    """The vars, without their prefix, under their documented defaults."""

    inputs: Mapping[str, Any]
    as_of_date: str | None = None
    earliest_date: str = "1990-01-01"
    horizon_days: int = 90
    step_grain: str = "day"
    currency: str = "unspecified"
    event_types: list[str] = field(default_factory=lambda: ["view", "search", "cart", "wishlist"])
    anchor_every_days: int = 7
    anchor_min_history_days: int | None = None
    anchor_limit: int = 52
    training_users: int | None = 65536
    validation_share: float = 0.15
    rating_scale: list[float] = field(default_factory=lambda: [1, 5])
    session_gap_minutes: int = 30
    embedding_channels: int = 4
    bot_events_per_day: int | None = 1000
    test_users: list[str] = field(default_factory=list)
    test_user_patterns: list[str] = field(default_factory=list)
    fills: Mapping[str, Any] = field(default_factory=dict)
    missing_indicators: list[str] = field(default_factory=list)
    outliers: Mapping[str, Any] = field(default_factory=dict)
    seasonal_features: bool = False
    extra_channels: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def from_vars(cls, variables: Mapping[str, Any]) -> Settings:
        """Reads dbt vars: `purchasing_power__<name>: value`."""
        return cls(**{name.removeprefix("purchasing_power__"): value for name, value in variables.items()})

    def has(self, need: str) -> bool:
        """Whether a relation, or relation.column, is mapped."""
        relation, _, column = need.partition(".")
        mapped = self.inputs.get(relation)
        return mapped is not None and (not column or column in mapped["columns"])

    def rules(self, relation: str) -> dict[str, Rule]:
        """The cleaned columns of a log and their rules; own channels are filled, but have no outliers."""
        rules = {
            column: Rule(
                self.fills.get(column, fill), **{**DEFAULT_OUTLIERS, **self.outliers.get(column, {})}
            )
            for column, fill in DEFAULT_FILLS[relation].items()
        }
        for channel in self.own_channels(relation):
            rules[f"extra_{channel['name']}"] = Rule(
                channel.get("fill", "zero"), **{**DEFAULT_OUTLIERS, "method": "none"}
            )
        return rules

    def own_channels(self, relation: str) -> list[dict[str, str]]:
        """The project's own channels over a relation."""
        return [channel for channel in self.extra_channels if channel["input"] == relation]

    def step_start(self, moment: dt.datetime | dt.date) -> dt.date:
        """The date on which the step of a moment begins."""
        day = moment.date() if isinstance(moment, dt.datetime) else moment
        return day - dt.timedelta(days=day.weekday()) if self.step_grain == "week" else day

    def split(self, user_id: str) -> str:
        """`train` or `validation`: the first byte of the user's MD5 against the validation share."""
        bucket = hashlib.md5(user_id.encode()).digest()[0]
        return "validation" if bucket < int(self.validation_share * 256) else "train"
