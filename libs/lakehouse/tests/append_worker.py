"""A process of its own that appends to a table, as another engine would: argv is the catalog, the table and its number.

It prints the rows that were acknowledged.
"""

from __future__ import annotations

import json
import sys

import pyarrow as pa
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import CommitFailedException, ValidationException

from floe_lakehouse.catalogs import open_catalog

APPENDS = 25
ROWS = 4
SCHEMA = pa.schema([("id", pa.int64())])

properties = json.loads(sys.argv[1])
catalog = open_catalog(properties) if properties["type"] == "sql" else load_catalog("client", **properties)
identifier, number = tuple(json.loads(sys.argv[2])), int(sys.argv[3])
print("ready", flush=True)  # noqa: T201
sys.stdin.readline()
acknowledged: list[int] = []
for first in range(number * 1000, number * 1000 + APPENDS * ROWS, ROWS):
    ids = list(range(first, first + ROWS))
    try:
        catalog.load_table(identifier).append(pa.table({"id": ids}, SCHEMA))
    except (CommitFailedException, ValidationException, FileNotFoundError):
        continue  # not acknowledged: others were faster, or expiry took the snapshot that it began with
    acknowledged += ids
print(json.dumps(acknowledged))  # noqa: T201
