"""The commit of a rewrite: tried on the table as it stands now, again and again, until it arrives or has no object."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from floe_lakehouse.catalogs import reaching
from floe_lakehouse.commit_conflicts import CONFLICTS, OVERTAKEN, wait_to_retry
from floe_lakehouse.errors import MaintenanceConflict, TableMissing
from floe_lakehouse.identifiers import Identifier, dotted
from floe_lakehouse.maintenance.live_files import ManifestReader
from floe_lakehouse.maintenance.reports import Action
from floe_lakehouse.maintenance.rewrite_snapshots import RewriteSnapshot
from floe_lakehouse.snapshots import MAINTENANCE
from floe_lakehouse.tables import find_table
from floe_lakehouse.transactions import RememberingTransaction
from floe_lakehouse.watermarks import stands_on

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rewriting:
    """What a commit changes: see `RewriteSnapshot`."""

    added: Sequence[DataFile] = ()
    gone: frozenset[str] = frozenset()
    manifests: frozenset[str] = frozenset()


@dataclass(slots=True)
class CommitTries:
    """What became of the tries to commit.

    Attributes:
        snapshot_ids: the snapshots that were tried.
        unknown: whether one may have arrived, or still arrive, of which nobody knows.
    """

    snapshot_ids: list[int] = field(default_factory=list)
    unknown: bool = False


def load(catalog: Catalog, identifier: Identifier) -> Table:
    """The table as it is now.

    Raises:
        TableMissing: there is none.
        CatalogUnreachable: the catalog does not answer.
    """
    table = find_table(catalog, identifier)
    if table is None:
        raise TableMissing(f"there is no table {dotted(identifier)}", hint="was it dropped?")
    return table


def commit_rewrite(
    catalog: Catalog,
    identifier: Identifier,
    action: Action,
    reader: ManifestReader,
    choose: Callable[[Table], Rewriting | None],
    *,
    fence: Callable[[], None],
    made: CommitTries,
    tries: int,
) -> int | None:
    """Commit what `choose` makes of the table, on exactly the snapshot that it looked at.

    Args:
        catalog: the catalog.
        identifier: the table.
        action: what the snapshot says of itself.
        reader: reads the table's manifests.
        choose: what to change in the table as it is now; None for nothing any more. It may be asked many times.
        fence: raises when the lease is no longer ours; called before every try.
        made: is told of every try, also when this raises.
        tries: how many there are; between two it waits a random moment, at most a second.

    Returns:
        The snapshot, or None.

    Raises:
        MaintenanceConflict: others committed first, time after time.
        TableMissing: the table is gone.
        CatalogUnreachable: the catalog does not answer; the commit may have arrived.
    """
    for attempt in range(tries):
        table = load(catalog, identifier)
        if arrived := [one for one in made.snapshot_ids if table.metadata.snapshot_by_id(one)]:
            return arrived[0]
        try:
            chosen = choose(table)
            if chosen is None:
                return None
            fence()
            with reaching("the catalog"):
                return _commit(table, reader, action, chosen, made)
        except FileNotFoundError:  # a newer snapshot came while its manifests were read, and expiry took this one
            if attempt == tries - 1:
                raise
        except CONFLICTS as conflict:
            _logger.info("%s of %s starts over: %s", action, dotted(identifier), conflict)
        wait_to_retry(attempt)
    raise MaintenanceConflict(
        f"the {action} of {dotted(identifier)} could not be committed: others were faster {tries} times",
        hint="it is tried again with the next maintenance",
    )


def _commit(table: Table, reader: ManifestReader, action: Action, chosen: Rewriting, made: CommitTries) -> int:
    snapshot = RewriteSnapshot(
        RememberingTransaction(table),
        reader,
        added=chosen.added,
        gone=chosen.gone,
        manifests=chosen.manifests,
        properties={MAINTENANCE: action, **stands_on(table)},
    )
    updates, requirements = snapshot.changes()
    made.snapshot_ids.append(snapshot.snapshot_id)
    before, made.unknown = made.unknown, True
    try:
        table._do_commit(updates=updates, requirements=requirements)  # noqa: SLF001 - pyiceberg has no public name
    except OVERTAKEN:
        made.unknown = before
        snapshot.discard()
        raise
    made.unknown = before
    return snapshot.snapshot_id
