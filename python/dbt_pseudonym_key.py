"""A dbt plugin: gives PostgreSQL sessions the key of pseudonyms, from the environment and by no SQL.

dbt-core imports every installed module whose name begins with `dbt_`. libpq takes the settings of a session
from PGOPTIONS, unless the profile has a `search_path`, which dbt sends in their place. For another adapter
this does nothing; DuckDB has `purchasing_power.duckdb_plugin`.
"""

from __future__ import annotations

import os

from dbt.plugins import dbtPlugin

from purchasing_power.warehouse.pseudonyms import session_options

_OPTIONS = "PGOPTIONS"


class PseudonymKeyPlugin(dbtPlugin):
    """Puts the key beside what PGOPTIONS holds already, once."""

    def initialize(self) -> None:
        """Sets the variable that libpq reads when dbt connects."""
        options, given = session_options(), os.environ.get(_OPTIONS, "")
        if options and options not in given:
            os.environ[_OPTIONS] = f"{given} {options}".strip()


plugins = [PseudonymKeyPlugin]
