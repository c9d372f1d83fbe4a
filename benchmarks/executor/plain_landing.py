"""The tables of a DuckDB file in an Iceberg catalog on SQLite, by DuckDB's COPY and pyiceberg alone.

One connection, one commit a table, nothing that survives a crash and nothing told to anybody. Prints wall and CPU of
the second landing, which replaces the tables of the first, without imports.
"""

import json
import sys
import time
import uuid
from pathlib import Path

import duckdb
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.table import Table

database, folder = Path(sys.argv[1]), Path(sys.argv[2])


def catalog_table(catalog: SqlCatalog, connection: duckdb.DuckDBPyConnection, name: str) -> Table:
    """The table, made with DuckDB's own columns where there is none."""
    if catalog.table_exists(("bench", name)):
        return catalog.load_table(("bench", name))
    schema = connection.execute(f'select * from "{name}" limit 0').to_arrow_reader(1).schema  # noqa: S608 -- it is quoted
    return catalog.create_table(("bench", name), schema=schema)


def land(catalog: SqlCatalog, connection: duckdb.DuckDBPyConnection) -> None:
    """Replace the rows of every table."""
    for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall():
        table = catalog_table(catalog, connection, name)
        file = f"{folder}/{name}-{uuid.uuid4()}.parquet"
        connection.execute(f"copy \"{name}\" to '{file}' (format parquet, compression zstd)")
        with table.transaction() as transaction:
            transaction.delete(AlwaysTrue())
            transaction.add_files([f"file://{file}"])


folder.mkdir()
catalog = SqlCatalog("bench", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/lake")
catalog.create_namespace("bench")
with duckdb.connect(str(database), read_only=True) as connection:
    connection.execute("set threads = 2")
    land(catalog, connection)
    started, before = time.monotonic(), time.process_time()
    land(catalog, connection)
    print(json.dumps({"wall": time.monotonic() - started, "cpu": time.process_time() - before}))
