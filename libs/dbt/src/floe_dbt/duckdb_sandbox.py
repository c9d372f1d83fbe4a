"""The dbt-duckdb plugin that shuts DuckDB in: no file outside the allowed folders, no network, no extension.

A profile cannot say this by itself: `enable_external_access: false` at connection time keeps dbt's own seeds from being
read, and `allowed_directories` beside it is refused. So the plugin sets both, in this order, on the open connection.
DuckDB adds the database file, its log and its spill folder, and refuses to take any of it back while it runs.
"""

from __future__ import annotations

from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection


class Plugin(BasePlugin):  # type: ignore[misc]  # dbt-duckdb is untyped
    """Closes each connection; the name is what dbt-duckdb looks for.

    Its configuration is `{"allowed_directories": [absolute path, ...]}`; without it nothing is allowed.
    """

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Take the folders from the profile."""
        self._directories = [str(directory) for directory in plugin_config.get("allowed_directories", ())]

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Close `conn` for good."""
        quoted = ", ".join("'" + directory.replace("'", "''") + "'" for directory in self._directories)
        conn.execute(f"set allowed_directories = [{quoted}]")
        conn.execute("set enable_external_access = false")
