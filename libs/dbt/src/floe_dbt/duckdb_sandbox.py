"""The dbt-duckdb plugin that shuts DuckDB in: no file outside the allowed folders, no network, no extension.

A profile cannot say this by itself: `enable_external_access: false` at connection time keeps dbt's own seeds from being
read, and `allowed_directories` beside it is refused. So the plugin sets both, in this order, on the open connection.
DuckDB adds the database file, its log and its spill folder, and refuses to take any of it back while it runs.

Where the environment has an Iceberg REST catalog, the plugin attaches it before it shuts the door. DuckDB then still
speaks to REST catalogs, the attached one and any other that a model attaches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection

from floe_contracts.attached_catalogs import DATABASE

_WRITTEN_BELOW: Final = "data"
"""DuckDB asks for this relative path before it writes any file of an Iceberg table, wherever the table stands."""


class Plugin(BasePlugin):  # type: ignore[misc]  # dbt-duckdb is untyped
    """Closes each connection; the name is what dbt-duckdb looks for.

    Its configuration is `{"allowed_directories": [absolute path, ...]}`, and `catalog`, as
    `floe_dbt.attached_catalog` has it, where one is attached; without it nothing is allowed.
    """

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Take the folders and the catalog from the profile."""
        self._directories = [str(directory) for directory in plugin_config.get("allowed_directories", ())]
        self._catalog: Mapping[str, Any] | None = plugin_config.get("catalog")

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Close `conn` for good."""
        directories = self._directories
        if self._catalog is not None:
            _attach(conn, self._catalog)
            directories = [*directories, *self._catalog["storage"]]
            conn.execute(f"set allowed_paths = [{_literal(_WRITTEN_BELOW)}]")
        conn.execute(f"set allowed_directories = [{', '.join(map(_literal, directories))}]")
        conn.execute("set enable_external_access = false")


def _attach(connection: DuckDBPyConnection, catalog: Mapping[str, Any]) -> None:
    for extension in catalog["extensions"]:
        connection.execute(f"load {_literal(extension)}")
    options = {"type": "iceberg", "endpoint": catalog["endpoint"], **catalog["options"]}
    if catalog["secret"]:
        given = ", ".join(f"{name} {_literal(value)}" for name, value in catalog["secret"].items())
        connection.execute(f"create temporary secret {DATABASE} (type iceberg, {given})")
        options["secret"] = DATABASE
    else:
        options["authorization_type"] = "none"
    spelled = ", ".join(f"{name} {_literal(value)}" for name, value in options.items())
    connection.execute(f"attach {_literal(catalog['warehouse'])} as {DATABASE} ({spelled})")


def _literal(text: str) -> str:
    return "'" + str(text).replace("'", "''") + "'"
