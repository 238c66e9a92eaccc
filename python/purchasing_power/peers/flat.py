"""The classic description of a customer: recency, frequency, monetary value and tenure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring.metadata import FeatureContract

# How the names of the context's columns begin, by what they tell; the same rule in every shop.
_PREFIXES = {
    "monetary value": ("spend_",),
    "frequency": ("orders_", "active_steps_", "days_per_order"),
    "recency": ("days_since_",),
    "tenure": ("tenure_days",),
}


def flat_columns(contract: FeatureContract) -> npt.NDArray[np.int64]:
    """Gives the positions of the context's columns that tell recency, frequency, monetary value or tenure.

    Raises:
        PurchasingPowerError: There is none.
    """
    prefixes = tuple(prefix for group in _PREFIXES.values() for prefix in group)
    found = [place for place, name in enumerate(contract.context) if name.startswith(prefixes)]
    if not found:
        raise PurchasingPowerError("the feature catalogue holds no recency, frequency or spend to read")
    return np.array(found, np.int64)
