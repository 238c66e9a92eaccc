"""An independent implementation of the package's features, to compare its SQL with.

It takes the input relations as pandas frames and the vars, and gives what the tables must hold. It is written from what the YAML
and the catalogues say, not from the SQL, and does everything a row, a user and an anchor at a time: slow, but easy to read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from reference_features import (
    anchor_dates,
    channels,
    context,
    drawn,
    labels,
    measured,
    user_steps,
    users,
)
from reference_settings import Settings
from reference_staging import Cleaning, Staged, stage


@dataclass(frozen=True)
class Reference:
    """What the tables must hold.

    Attributes:
        staged: usable and refused rows, the as-of date and the cleaning parameters.
        steps: (user_id, step_index) -> channel -> value, `step_on` and `step_started_at` too.
        anchors: (user_id, anchor_on) -> context feature, label or split -> value.
        users: user_id -> first_seen_on, is_dated, split.
    """

    staged: Staged
    steps: dict[tuple[str, int], dict[str, Any]]
    anchors: dict[tuple[str, dt.date], dict[str, Any]]
    users: dict[str, dict[str, Any]]


def reference(
    inputs: Mapping[str, pd.DataFrame],
    variables: Mapping[str, Any],
    frozen: Cleaning | None = None,
    text_sentiment: Mapping[str, float] | None = None,
    product_factors: Mapping[str, list[float]] | None = None,
) -> Reference:
    """Computes every table from scratch.

    Args:
        inputs: relation -> frame with the contract's columns, typed as the mapping types them.
        variables: dbt vars with their prefix.
        frozen: cleaning parameters that were fitted before and hold.
        text_sentiment: MD5 of a review's text -> its sentiment from -1 to 1, for reviews without a rating.
        product_factors: product id -> the factors of its embedding.
    """
    settings = Settings.from_vars(variables)
    staged = stage(inputs, settings, frozen)
    catalogue = channels(settings)
    steps = {
        user_id: measured(own, catalogue)
        for user_id, own in user_steps(staged, settings, text_sentiment, product_factors).items()
    }
    bare = {user_id: [step for step, _ in own] for user_id, own in steps.items()}
    everybody = users(staged, bare, settings)
    dates = anchor_dates(staged, bare, settings)
    return Reference(
        staged,
        {
            (user_id, index): values | {"step_on": step.on, "step_started_at": step.started_at}
            for user_id, own in steps.items()
            for index, (step, values) in enumerate(own, start=1)
        },
        {
            (user_id, anchor_on): context(steps.get(user_id, []), user, anchor_on, catalogue, settings)
            | labels(steps.get(user_id, []), anchor_on, settings)
            | {"split": user.split}
            for user_id, user in drawn(everybody, settings).items()
            for anchor_on in dates
            if user.first_seen_on < anchor_on
        },
        {
            user_id: {"first_seen_on": user.first_seen_on, "is_dated": user.is_dated, "split": user.split}
            for user_id, user in everybody.items()
        },
    )
