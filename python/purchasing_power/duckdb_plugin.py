"""A dbt-duckdb plugin that gives each session the key of pseudonyms, by no SQL that dbt logs.

In the profile, beside `type: duckdb`:

    plugins:
      - module: purchasing_power.duckdb_plugin
"""

from __future__ import annotations

from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin

from purchasing_power.warehouse.pseudonyms import session_statement


class Plugin(BasePlugin):
    """Sets a session variable, which views and models read."""

    def configure_cursor(self, cursor: Any) -> None:
        """Gives a new session the key, where there is one."""
        statement = session_statement()
        if statement:
            cursor.execute(statement)
