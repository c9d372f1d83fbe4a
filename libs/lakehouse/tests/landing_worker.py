"""A process of its own that switches staged tables when told to: argv is the catalog's properties and the journal."""

from __future__ import annotations

import json
import sys

from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.landing import switch_table
from floe_lakehouse.staged import StagedTable

catalog = open_catalog(json.loads(sys.argv[1]))
journal = [StagedTable.from_json(entry) for entry in json.loads(sys.argv[2])]
print("ready", flush=True)  # noqa: T201
sys.stdin.readline()
landed = [
    switch_table(catalog, staged, sequence=sequence, properties={}, fence=lambda: None)
    for sequence, staged in enumerate(journal, start=1)
]
print(json.dumps([[table.snapshot_id, table.already_landed, table.rows] for table in landed]))  # noqa: T201
