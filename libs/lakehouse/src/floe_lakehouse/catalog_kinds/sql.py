"""The plugin `sql`: an Iceberg catalog in a SQL database."""

from __future__ import annotations

import importlib.util
import random
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from pydantic import Field
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from floe_contracts.plugins.metadata import API_VERSION, PluginMetadata
from floe_contracts.sections import Section
from floe_lakehouse.errors import CatalogMisconfigured, CatalogUnreachable
from floe_lakehouse.locations import warehouse_location

# Writers of one SQLite file queue up; a commit takes milliseconds, so this long a queue means a stuck process.
_BUSY_TIMEOUT_SECONDS: Final = 60
_CREATION_TRIES: Final = 20
_POSTGRES: Final = "postgresql"
_POSTGRES_DRIVER: Final = "psycopg2"


class SqlOptions(Section):
    """Where the catalog and its tables are."""

    uri: str = Field(repr=False, description="SQLAlchemy URL of the database; it may hold a password.")
    warehouse: str = Field(description="A folder or a URI under which new tables stand.")


class SqlPlugin:
    """A catalog in a SQL database."""

    metadata = PluginMetadata("sql", "1.0.0", API_VERSION, "An Iceberg catalog in a SQL database, SQLite among them.")
    options = SqlOptions

    def open(self, name: str, options: SqlOptions, properties: Mapping[str, str]) -> Catalog:
        return _open(name, options, properties)


def _open(name: str, options: SqlOptions, properties: Mapping[str, str]) -> Catalog:
    try:
        url = make_url(options.uri)
    except ArgumentError as error:
        # The text itself may hold a password, so it is not repeated.
        raise CatalogMisconfigured(
            "the catalog's `uri` is not an SQLAlchemy URL", hint="for example sqlite:////data/catalog.db"
        ) from error
    if url.get_backend_name() == "sqlite":
        url = _shared_sqlite(url)
    elif url.drivername == _POSTGRES and importlib.util.find_spec(_POSTGRES_DRIVER):
        url = url.set(drivername=f"{_POSTGRES}+{_POSTGRES_DRIVER}")  # an address names no driver of Python's
    checks = {} if url.get_backend_name() == "sqlite" else {"pool_pre_ping": "true"}  # a server may have restarted
    place = {
        "uri": url.render_as_string(hide_password=False),
        "warehouse": warehouse_location(options.warehouse),
    }
    for _ in range(_CREATION_TRIES):
        try:
            return SqlCatalog(name, **{**checks, **properties, **place})
        except OperationalError as error:
            # pyiceberg looks for its two tables and then creates them, so that of two first openers one fails.
            if "already exists" not in str(error.orig):
                raise
            time.sleep(random.uniform(0, 0.02))  # noqa: S311 - jitter, not a secret
    raise CatalogUnreachable("the tables of the catalog could not be created: other processes were always faster")


def _shared_sqlite(url: URL) -> URL:
    """`url` with a busy timeout; its file is made ready for readers beside a writer."""
    if not url.database or url.database == ":memory:":
        return url
    file = Path(url.database)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CatalogUnreachable(f"the folder of the catalog's database cannot be created: {error}") from error
    with closing(sqlite3.connect(file, timeout=_BUSY_TIMEOUT_SECONDS)) as connection:
        connection.execute("pragma journal_mode=wal")
    return url if "timeout" in url.query else url.update_query_dict({"timeout": str(_BUSY_TIMEOUT_SECONDS)})
