"""A process of its own that expires, removes orphans or rolls back, and dies at a named point.

argv: the catalog's properties, the table's levels, the action, the point, and the snapshot of a rollback. A point is
`commit` (just before it), `committed` (before anything is deleted), `deleting` (after the first hundred files), `end`.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.history.rollback import rollback_table
from floe_lakehouse.maintenance.expiry import ExpiryOptions, expire_snapshots
from floe_lakehouse.maintenance.orphan_files import remove_orphans

properties, levels, action, point, snapshot = sys.argv[1:]
catalog, identifier, ever = open_catalog(json.loads(properties)), tuple(json.loads(levels)), 2**62


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fence() -> None:
    if point == "commit":
        die()


def progress(done: int, total: int) -> None:
    if (point == "committed" and done == 0) or (point == "deleting" and 0 < done < total):
        die()


if action == "expiry":
    expire_snapshots(catalog, identifier, ExpiryOptions(ever, 1), fence=fence, progress=progress)
elif action == "orphans":
    remove_orphans(catalog, identifier, ever, fence=fence, progress=progress)
else:
    rollback_table(catalog, identifier, int(snapshot), fence=fence)
if point == "end":
    die()
