"""A process of its own that compacts a table and dies at a point: argv is the catalog, the table and the point."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from pyiceberg.table import Table

from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.maintenance.compaction import CompactionOptions, compact_table


def reach(point: str) -> None:
    """Die here, if it is the point."""
    if point == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Compact."""
    real = Table._do_commit

    def commit(self: Table, *args: Any, **named: Any) -> None:
        reach("before-the-commit")
        real(self, *args, **named)
        reach("after-the-commit")

    Table._do_commit = commit  # type: ignore[method-assign]
    catalog = open_catalog(json.loads(sys.argv[1]))
    compact_table(
        catalog,
        tuple(json.loads(sys.argv[2])),
        CompactionOptions(2**20, 2),
        fence=lambda: reach("fenced"),
        progress=lambda done, _: reach("rewritten" if done else "planned"),
    )


if __name__ == "__main__":
    main()
