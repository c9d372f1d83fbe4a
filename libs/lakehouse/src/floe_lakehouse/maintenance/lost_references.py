"""A tag made while its snapshot expired: kept from being lost, or brought back.

Removing a snapshot removes the tags and branches that point to it, and no requirement of Iceberg's REST protocol can
forbid one that nobody knows of yet. Where the catalog checks requirements in this process, ours does. Everywhere else
the metadata that the commit met tells what was lost, while no file is deleted yet: then the snapshot comes back under
its own id, with the same manifests.
"""

from __future__ import annotations

import logging
import time
from typing import Final, Literal, cast

from pydantic import Field
from pyiceberg.catalog import MetastoreCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import SnapshotRef
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    AssertRefSnapshotId,
    AssertTableUUID,
    SetSnapshotRefUpdate,
    TableRequirement,
    ValidatableTableRequirement,
)

from floe_lakehouse.catalogs import reaching
from floe_lakehouse.errors import CatalogRequestRefused, ReferenceLost
from floe_lakehouse.identifiers import dotted

_TRIES: Final = 20

_logger = logging.getLogger(__name__)


class NobodyPointsTo(ValidatableTableRequirement):
    """All of the snapshots are there, and no tag or branch points to one, but for those that go too."""

    type: Literal["floe-nobody-points-to"] = "floe-nobody-points-to"
    snapshot_ids: frozenset[int] = Field()
    refs: frozenset[str] = Field()

    def validate(self, base_metadata: TableMetadata | None) -> None:  # type: ignore[override] # pyiceberg's own name
        """Raise `CommitFailedException` if it does not hold."""
        there = {one.snapshot_id for one in base_metadata.snapshots} if base_metadata else set()
        if not self.snapshot_ids <= there:
            raise CommitFailedException("snapshots expired meanwhile")
        pointed = base_metadata.refs.items() if base_metadata else ()
        for name, ref in pointed:
            if ref.snapshot_id in self.snapshot_ids and name not in self.refs:
                raise CommitFailedException(f"{name} points to an expiring snapshot now")


def requirements(table: Table, snapshot_ids: frozenset[int], refs: frozenset[str]) -> tuple[TableRequirement, ...]:
    """Under what an expiry may be committed.

    An append that comes between does not matter; where only the server can tell, any move of a branch or tag does.
    """
    asserted: list[ValidatableTableRequirement] = [AssertTableUUID(uuid=table.metadata.table_uuid)]
    if isinstance(table.catalog, MetastoreCatalog):
        asserted.append(NobodyPointsTo(snapshot_ids=snapshot_ids, refs=refs))
    else:
        asserted += [
            AssertRefSnapshotId(ref=name, snapshot_id=ref.snapshot_id) for name, ref in table.metadata.refs.items()
        ]
    return cast("tuple[TableRequirement, ...]", tuple(asserted))


def lost(seen: Table, response: CommitTableResponse, gone: frozenset[int]) -> dict[str, SnapshotRef]:
    """The tags and branches that an expiry removed without having seen them.

    Args:
        seen: the table on which it was decided.
        response: what the catalog answered to the commit.
        gone: the snapshots that were removed.
    """
    log = response.metadata.metadata_log
    if isinstance(seen.catalog, MetastoreCatalog) or not log or log[-1].metadata_file == seen.metadata_location:
        return {}
    try:
        met = FromInputFile.table_metadata(seen.io.new_input(log[-1].metadata_file))
    except FileNotFoundError:  # it rolled off the log and was removed: many commits ago, so nothing came between
        return {}
    return {name: ref for name, ref in met.refs.items() if ref.snapshot_id in gone and name not in seen.metadata.refs}


def bring_back(table: Table, snapshot: Snapshot, name: str, ref: SnapshotRef) -> None:
    """Add a snapshot again, without its parent, and the tag or branch that points to it.

    It takes the next sequence number and the present time, without which catalogs do not take it: neither has a part in
    how its files are read.

    Raises:
        ReferenceLost: the catalog refuses. No file is deleted yet.
    """
    catalog = table.catalog
    for _ in range(_TRIES):
        table = catalog.load_table(table.name())
        metadata = table.metadata
        updates = []
        if metadata.snapshot_by_id(snapshot.snapshot_id) is None:
            changes = {
                "parent_snapshot_id": None,
                "sequence_number": getattr(metadata, "last_sequence_number", 0) + 1,  # format 1 has none
                "timestamp_ms": max(int(time.time() * 1000), metadata.last_updated_ms),
            }
            updates.append(AddSnapshotUpdate(snapshot=snapshot.model_copy(update=changes)))
        pointer = SetSnapshotRefUpdate(
            ref_name=name,
            type=ref.snapshot_ref_type,
            snapshot_id=ref.snapshot_id,
            max_ref_age_ms=ref.max_ref_age_ms,
            max_snapshot_age_ms=ref.max_snapshot_age_ms,
            min_snapshots_to_keep=ref.min_snapshots_to_keep,
        )
        try:
            with reaching("the catalog"):
                catalog.commit_table(table, (AssertRefSnapshotId(ref=name, snapshot_id=None),), (*updates, pointer))
        except CommitFailedException as conflict:
            _logger.info("%s of %s is brought back again: %s", name, dotted(table.name()), conflict)
            continue
        except (ValueError, CatalogRequestRefused) as error:
            raise _reference_lost(table, snapshot, name) from error
        _logger.warning("%s of %s was made while its snapshot expired: it is back", name, dotted(table.name()))
        return
    raise _reference_lost(table, snapshot, name)


def _reference_lost(table: Table, snapshot: Snapshot, name: str) -> ReferenceLost:
    return ReferenceLost(
        f"{name} of {dotted(table.name())} pointed to snapshot {snapshot.snapshot_id}, which expired meanwhile",
        hint=f"no file was deleted; its manifest list is {snapshot.manifest_list}",
    )
