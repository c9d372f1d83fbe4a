"""Tags and branches: names of snapshots, made, moved and removed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRef, SnapshotRefType
from pyiceberg.table.update import (
    AssertRefSnapshotId,
    AssertTableUUID,
    RemoveSnapshotRefUpdate,
    SetSnapshotRefUpdate,
    TableUpdate,
)

from floe_contracts.suggestions import meant_or_known
from floe_lakehouse.errors import ReferenceMissing, ReferenceNameInvalid, SnapshotMissing
from floe_lakehouse.history.reference_commits import ReferenceChange, change_references
from floe_lakehouse.identifiers import Identifier, dotted
from floe_lakehouse.maintenance.reports import MaintenanceReport
from floe_lakehouse.pasts import why_not_ours

# It begins with a letter, so that it is never taken for an id or a time.
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,126}")


def tag_snapshot(
    catalog: Catalog,
    identifier: Identifier,
    name: str,
    snapshot_id: int | None,
    *,
    remove: bool = False,
    max_age_ms: int | None = None,
    fence: Callable[[], None],
) -> MaintenanceReport:
    """Give a snapshot a name that keeps it from expiring; move the tag if there is one; or take it away.

    May be repeated.

    Args:
        catalog: the catalog.
        identifier: the table.
        name: of the tag: letters, digits, `.`, `_` and `-`, a letter first.
        snapshot_id: the snapshot; None for the current one. Not looked at when the tag is removed.
        remove: take the tag away.
        max_age_ms: how old its snapshot may become before the tag expires; None for ever.
        fence: raises when the lease is no longer ours; called before every try to commit.

    Returns:
        The report: to which snapshot the tag pointed, and to which it points; None for none. `unsupported` where the
        catalog would take the tag and forget it.

    Raises:
        ReferenceNameInvalid: a name that is none, or that of the main branch.
        ReferenceMissing: there is no such tag to remove, or a branch has this name.
        SnapshotMissing: the table has no such snapshot.
        MaintenanceConflict: others committed first, time after time.
        TableMissing: there is no such table.
        CatalogUnreachable: the catalog does not answer.
    """
    return _changed(catalog, identifier, _Wanted("tag", _checked(name), snapshot_id, max_age_ms), remove, fence)


def branch_snapshot(
    catalog: Catalog,
    identifier: Identifier,
    name: str,
    snapshot_id: int | None,
    *,
    remove: bool = False,
    max_age_ms: int | None = None,
    fence: Callable[[], None],
) -> MaintenanceReport:
    """Begin a branch at a snapshot; move it there if there is one; or take it away.

    What was committed on a branch that moves or goes stays until it expires. Everything else is as for `tag_snapshot`.
    """
    return _changed(catalog, identifier, _Wanted("branch", _checked(name), snapshot_id, max_age_ms), remove, fence)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The tag or branch that is asked for."""

    kind: Literal["tag", "branch"]
    name: str
    snapshot_id: int | None
    max_age_ms: int | None

    @property
    def type(self) -> SnapshotRefType:
        """Iceberg's word for the kind."""
        return SnapshotRefType(self.kind)


def _checked(name: str) -> str:
    if name == MAIN_BRANCH or not _NAME.fullmatch(name):
        raise ReferenceNameInvalid(
            f"{name!r} cannot be the name of a tag or branch",
            hint=f"begin with a letter, go on with letters, digits, '.', '_' and '-'; not {MAIN_BRANCH!r}",
        )
    return name


def _changed(
    catalog: Catalog,
    identifier: Identifier,
    wanted: _Wanted,
    remove: bool,
    fence: Callable[[], None],
) -> MaintenanceReport:
    if reason := why_not_ours(catalog):
        return MaintenanceReport(action=wanted.kind, outcome="unsupported", reason=reason)
    return _remove(catalog, identifier, wanted, fence) if remove else _set(catalog, identifier, wanted, fence)


def _set(catalog: Catalog, identifier: Identifier, wanted: _Wanted, fence: Callable[[], None]) -> MaintenanceReport:
    def decide(table: Table) -> ReferenceChange | None:
        known, target = _known(table, wanted), _target(table, wanted)
        if known and (known.snapshot_id, known.max_ref_age_ms) == (target, wanted.max_age_ms):
            return None
        update = SetSnapshotRefUpdate(
            ref_name=wanted.name,
            type=wanted.type,
            snapshot_id=target,
            max_ref_age_ms=wanted.max_age_ms,
            max_snapshot_age_ms=known.max_snapshot_age_ms if known else None,
            min_snapshots_to_keep=known.min_snapshots_to_keep if known else None,
        )
        return _change(table, wanted, known, update)

    before, changed = change_references(catalog, identifier, decide, fence=fence)
    known = _known(before, wanted)
    return _report(wanted, known.snapshot_id if known else None, _target(before, wanted), changed=changed)


def _remove(catalog: Catalog, identifier: Identifier, wanted: _Wanted, fence: Callable[[], None]) -> MaintenanceReport:
    removing = False

    def decide(table: Table) -> ReferenceChange | None:
        nonlocal removing
        known = _known(table, wanted)
        if known is None and not removing:
            names = [name for name, ref in table.metadata.refs.items() if ref.snapshot_ref_type is wanted.type]
            raise ReferenceMissing(
                f"{dotted(identifier)} has no {wanted.kind} {wanted.name!r}",
                hint=meant_or_known(wanted.name, set(names) - {MAIN_BRANCH}),
            )
        removing = True
        return _change(table, wanted, known, RemoveSnapshotRefUpdate(ref_name=wanted.name)) if known else None

    before, changed = change_references(catalog, identifier, decide, fence=fence)
    known = _known(before, wanted)
    return _report(wanted, known.snapshot_id if known else None, None, changed=changed)


def _known(table: Table, wanted: _Wanted) -> SnapshotRef | None:
    known = table.metadata.refs.get(wanted.name)
    if known is not None and known.snapshot_ref_type is not wanted.type:
        raise ReferenceMissing(
            f"{wanted.name!r} of {dotted(table.name())} is a {known.snapshot_ref_type.value}, not a {wanted.kind}",
            hint="choose another name",
        )
    return known


def _target(table: Table, wanted: _Wanted) -> int:
    found = wanted.snapshot_id if wanted.snapshot_id is not None else table.metadata.current_snapshot_id
    if found is None or table.metadata.snapshot_by_id(found) is None:
        raise SnapshotMissing(
            f"{dotted(table.name())} has no snapshot {'yet' if found is None else found}",
            hint="`floe catalog snapshots` shows those that it has",
        )
    return found


def _change(table: Table, wanted: _Wanted, known: SnapshotRef | None, update: TableUpdate) -> ReferenceChange:
    seen = AssertRefSnapshotId(ref=wanted.name, snapshot_id=known.snapshot_id if known else None)
    return ReferenceChange((AssertTableUUID(uuid=table.metadata.table_uuid), seen), (update,))


def _report(wanted: _Wanted, before: int | None, after: int | None, *, changed: bool) -> MaintenanceReport:
    return MaintenanceReport(
        action=wanted.kind,
        outcome="done" if changed else "nothing_to_do",
        reason=None if changed else f"the {wanted.kind} is so already",
        snapshot_before=before,
        snapshot_after=after,
    )
