"""The one exception that a user of the package is meant to read."""


class PurchasingPowerError(Exception):
    """A mistake the user can mend: one sentence that says what, where and what to do."""
