"""Ids as pseudonyms, the same as the warehouse's SQL makes them (macros/adapters/pseudonym.sql)."""

from __future__ import annotations

import hashlib
import os

from purchasing_power.errors import PurchasingPowerError

KEY_VARIABLE = "PURCHASING_POWER_PSEUDONYM_KEY"
# A shorter one can be guessed, and then ids too, which are few.
SHORTEST_KEY = 16


def key_of_environment() -> str | None:
    """Gives the key of the environment; None where there is none.

    Raises:
        PurchasingPowerError: it is too short to be one.
    """
    key = os.environ.get(KEY_VARIABLE)
    if not key:
        return None
    if len(key) < SHORTEST_KEY:
        raise PurchasingPowerError(
            f"The environment variable {KEY_VARIABLE} holds fewer than {SHORTEST_KEY} characters, which can "
            "be guessed: give it a longer secret, such as that of `openssl rand -hex 32`."
        )
    return key


def pseudonym(user_id: str, key: str) -> str:
    """Gives the keyed SHA-256 of an id, as 64 hexadecimal digits.

    Args:
        user_id: the id as the shop writes it; blanks around it do not count.
        key: the secret.
    """
    inner = hashlib.sha256((key + user_id.strip()).encode()).hexdigest()
    return hashlib.sha256((key + inner).encode()).hexdigest()


def session_options() -> str:
    """Gives the options of a PostgreSQL session that hold the key; empty where there is none."""
    key = key_of_environment()
    if key is None:
        return ""
    # As libpq wants it: what separates options is escaped.
    escaped = key.replace("\\", "\\\\").replace(" ", "\\ ")
    return f"-c purchasing_power.pseudonym_key={escaped}"


def session_statement() -> str:
    """Gives the statement that lets a DuckDB session know the key; empty where there is none."""
    key = key_of_environment()
    if key is None:
        return ""
    quoted = key.replace("'", "''")
    return f"set variable purchasing_power_pseudonym_key = '{quoted}'"
