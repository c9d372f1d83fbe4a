"""Commits that move names of snapshots: the main branch, other branches, tags. No data is written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitStateUnknownException
from pyiceberg.table import Table
from pyiceberg.table.update import TableRequirement, TableUpdate

from floe_lakehouse.catalogs import reaching
from floe_lakehouse.commit_conflicts import CONFLICTS, wait_to_retry
from floe_lakehouse.errors import CatalogRequestRefused, MaintenanceConflict
from floe_lakehouse.identifiers import Identifier, dotted
from floe_lakehouse.maintenance.rewrite_commits import load

_TRIES: Final = 20

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReferenceChange:
    """What a commit asserts, and what it changes."""

    requirements: tuple[TableRequirement, ...]
    updates: tuple[TableUpdate, ...]


def change_references(
    catalog: Catalog,
    identifier: Identifier,
    decide: Callable[[Table], ReferenceChange | None],
    *,
    fence: Callable[[], None],
) -> tuple[Table, bool]:
    """Commit what `decide` makes of the table as it is now, until the commit arrives.

    Args:
        catalog: the catalog.
        identifier: the table.
        decide: what to change; None if the table is as it should be. It may be asked many times, and may raise.
        fence: raises when the lease is no longer ours; called before every try.

    Returns:
        The table on which it was decided last, and whether anything was committed.

    Raises:
        MaintenanceConflict: others committed first, time after time.
        TableMissing: there is no such table.
        CatalogUnreachable: the catalog does not answer; the commit may have arrived.
    """
    unknown: Table | None = None
    for attempt in range(_TRIES):
        table = load(catalog, identifier)
        change = decide(table)
        if change is None:
            return (unknown, True) if unknown else (table, False)
        fence()
        try:
            with reaching("the catalog"):
                catalog.commit_table(table, change.requirements, change.updates)
        except CONFLICTS as conflict:
            unknown = table if isinstance(conflict, CommitStateUnknownException) else unknown
            _logger.info("a change of references of %s starts over: %s", dotted(identifier), conflict)
        except (ValueError, CatalogRequestRefused):  # the snapshot has just expired, or the name was taken away
            if load(catalog, identifier).metadata_location == table.metadata_location:
                raise
        else:
            return table, True
        wait_to_retry(attempt)
    raise MaintenanceConflict(
        f"references of {dotted(identifier)} could not be changed: others were faster {_TRIES} times",
        hint="try again",
    )
