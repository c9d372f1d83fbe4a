"""What is to be told of a table: the difference between what was told of it last and what the catalog shows now.

Every snapshot is told that became the current one since then, in the order in which they were made, also where the
table has been taken back from one since. A message id is derived from what it tells, and for what may happen again from
the revision of the table's state that it changes, too: whoever tells the same difference uses the same ids, and a
change back and forth has others. Of a table that environments share each is told, by ids of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from floe_catalog.core.ports import ShownSnapshot, ShownTable
from floe_catalog.core.shared_tables import sharer
from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.events import TableCommitted, TableCreated, TableDropped, TableSchema, TableSchemaChanged
from floe_contracts.events.tables import TableChecked, TableDrift
from floe_contracts.openlineage.naming import Place
from floe_contracts.table_states import TableState

Change: TypeAlias = TableCreated | TableCommitted | TableSchemaChanged | TableDropped | TableChecked
NO_SCHEMA: Final = TableSchema(schema_id=0, columns=())
_FINGERPRINT_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of a table last, and the revision under which that is stored; None and 0 for a new table."""

    state: TableState | None = None
    revision: int = 0

    @property
    def table_uuid(self) -> str:
        """Of the table that was there last; empty if there was none."""
        return self.state.table_uuid if self.state else ""


@dataclass(frozen=True, slots=True)
class Telling:
    """An event, and its message id."""

    id: str
    event: Change


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be told, in order, and what has been told once that is done."""

    tellings: tuple[Telling, ...]
    state: TableState | None


def table_changes(place: Place, identifier: str, told: Told, shown: ShownTable | None) -> Changes:
    """What there is to tell of a table.

    Args:
        place: whose table it is.
        identifier: its name, dotted.
        told: what was told last.
        shown: the table as the catalog shows it; None if it has none of that name.

    Returns:
        Nothing at all for a table that neither was there nor is there.
    """
    if shown is None:
        if not told.table_uuid or told.state is None:
            return Changes((), told.state)
        return Changes((_dropped(told.state, told.revision),), _nothing(place, identifier))
    if told.state is None or told.table_uuid != shown.table_uuid:
        dropped = (_dropped(told.state, told.revision),) if told.state and told.table_uuid else ()
        state = _nothing(place, identifier).model_copy(
            update={
                "table_uuid": shown.table_uuid,
                "table_schema": shown.schema,
                "drift": told.state.drift if told.state else (),
            }
        )
        came = Changes((*dropped, _created(state, shown, told.revision)), state)
    else:
        state = told.state.model_copy(update={"table_schema": shown.schema})
        came = Changes(tuple(_schema_changed(told.state, shown, told.revision)), state)
    return _committed(came, shown, told.revision)


def checked(changes: Changes, told: Told, unique_id: str, digest: str, drift: tuple[TableDrift, ...]) -> Changes:
    """The changes, and the outcome of the comparison with what the project declares, if it is another one than before.

    Args:
        changes: what else there is to tell; its state must be there.
        told: what was told last.
        unique_id: the node that declares the table.
        digest: the artifact of the node.
        drift: the differences.
    """
    state = changes.state
    if state is None or state.drift == drift:
        return changes
    event = TableChecked(**_subject(state, state.table_uuid), artifact_digest=digest, unique_id=unique_id, drift=drift)
    fingerprint = _fingerprint([each.model_dump() for each in drift])
    telling = Telling(f"{state.place}:checked:{state.identifier}:{fingerprint}:{told.revision}", event)
    return Changes((*changes.tellings, telling), state.model_copy(update={"drift": drift}))


def without_drift(changes: Changes) -> Changes:
    """The changes of a table that no project declares any more: nobody is told of it, as no node is left to name."""
    if changes.state is None or not changes.state.drift:
        return changes
    return replace(changes, state=changes.state.model_copy(update={"drift": ()}))


def nothing_known(place: Place, identifier: str, changes: Changes) -> Changes:
    """The changes with a state that can hold the drift of a table which was never there."""
    return changes if changes.state else replace(changes, state=_nothing(place, identifier))


def lineage(snapshots: Mapping[int, ShownSnapshot], snapshot_id: int | None) -> list[ShownSnapshot]:
    """A snapshot and its ancestors as far as they are known, the oldest first."""
    found: list[ShownSnapshot] = []
    seen: set[int] = set()
    while snapshot_id is not None and snapshot_id in snapshots and snapshot_id not in seen:
        seen.add(snapshot_id)
        found.append(snapshots[snapshot_id])
        snapshot_id = snapshots[snapshot_id].parent_snapshot_id
    return found[::-1]


def _committed(came: Changes, shown: ShownTable, revision: int) -> Changes:
    """What has come, and the snapshots that became the current one since."""
    state = came.state
    if state is None or shown.snapshot_id is None:
        return came
    new = _untold(shown, state)
    if not new and shown.snapshot_id == state.snapshot_id:
        return came
    tellings = [_commit(state, snapshot, revision) for snapshot in new]
    last = new[-1].snapshot_id if new else state.snapshot_id
    if last != shown.snapshot_id:  # the table was taken back
        again = replace(shown.snapshots[shown.snapshot_id], parent_snapshot_id=last)
        tellings.append(replace(_commit(state, again, revision), id=_again(state, again, revision)))
    after = state.model_copy(
        update={
            "snapshot_id": shown.snapshot_id,
            "since": state.since or (new[0].committed_at if new else None),
            "sequence_number": max(state.sequence_number, *(each.sequence_number for each in new), 0),
            "commits_since_maintenance": state.commits_since_maintenance + sum(_counts(state, each) for each in new),
        }
    )
    return Changes((*came.tellings, *tellings), after)


def _untold(shown: ShownTable, state: TableState) -> list[ShownSnapshot]:
    """The snapshots that became the current one since, in the order in which they were made."""
    ours = _ancestors(shown, state)
    passed = _passed(shown, state, known={each.snapshot_id for each in ours})
    return sorted([*ours, *passed], key=lambda each: each.sequence_number) if passed else ours


def _ancestors(shown: ShownTable, state: TableState) -> list[ShownSnapshot]:
    """The ancestors of the current snapshot, and itself, that are none of the one told last.

    Where that one is gone, as after an expiry, those that are newer than all that was told.
    """
    ours = lineage(shown.snapshots, shown.snapshot_id)
    if state.snapshot_id is not None and state.snapshot_id not in shown.snapshots:
        return [each for each in ours if _is_newer(state, each)]
    theirs = {snapshot.snapshot_id for snapshot in lineage(shown.snapshots, state.snapshot_id)}
    return [each for each in ours if each.snapshot_id not in theirs]


def _passed(shown: ShownTable, state: TableState, known: Collection[int]) -> list[ShownSnapshot]:
    """The snapshots that were current for a while, and that the table was taken back from before anybody looked.

    A table of the first format does not say which of its snapshots are newer than others.
    """
    past: dict[int, ShownSnapshot] = {}
    for snapshot_id in shown.log:
        one = shown.snapshots.get(snapshot_id)
        while one is not None and one.sequence_number > state.sequence_number and one.snapshot_id not in past:
            past[one.snapshot_id] = one
            one = shown.snapshots.get(one.parent_snapshot_id or 0)
    return [each for each in past.values() if each.snapshot_id not in known]


def _is_newer(state: TableState, snapshot: ShownSnapshot) -> bool:
    """Whether nothing as new as it was told; it may have been told already, before the table was taken back."""
    return snapshot.sequence_number == 0 or snapshot.sequence_number > state.sequence_number


def _counts(state: TableState, snapshot: ShownSnapshot) -> bool:
    """Whether a snapshot brings small files that nobody has counted yet."""
    return _is_newer(state, snapshot) and not snapshot.maintenance


def _commit(state: TableState, snapshot: ShownSnapshot, revision: int) -> Telling:
    event = TableCommitted(
        **_subject(state, state.table_uuid),
        snapshot_id=snapshot.snapshot_id,
        parent_snapshot_id=snapshot.parent_snapshot_id,
        operation=snapshot.operation,
        rows=snapshot.rows,
        files=snapshot.files,
        bytes=snapshot.bytes,
        delete_files=snapshot.delete_files,
        run_id=snapshot.run_id,
        artifact_digest=snapshot.artifact_digest,
        committed_at=snapshot.committed_at,
        maintenance=snapshot.maintenance,
    )
    if not _is_newer(state, snapshot):
        return Telling(_again(state, snapshot, revision), event)
    return Telling(f"{state.table_uuid}:{snapshot.snapshot_id}{_sharer(state)}", event)


def _again(state: TableState, snapshot: ShownSnapshot, revision: int) -> str:
    """The id of a snapshot that is told a second time: within the bus's window for duplicates the first one stands."""
    return f"{state.table_uuid}:{snapshot.snapshot_id}:{revision}{_sharer(state)}"


def _sharer(state: TableState) -> str:
    return sharer(state.place, state.identifier)


def _created(state: TableState, shown: ShownTable, revision: int) -> Telling:
    event = TableCreated(**_subject(state, shown.table_uuid), location=shown.location, table_schema=shown.schema)
    return Telling(f"{shown.table_uuid}:created:{shown.identifier}:{revision}{_sharer(state)}", event)


def _dropped(state: TableState, revision: int) -> Telling:
    event = TableDropped(**_subject(state, state.table_uuid), last_snapshot_id=state.snapshot_id)
    return Telling(f"{state.table_uuid}:dropped:{state.identifier}:{revision}{_sharer(state)}", event)


def _schema_changed(state: TableState, shown: ShownTable, revision: int) -> Iterator[Telling]:
    before, after = state.table_schema, shown.schema
    if (before.columns, before.partition_by) == (after.columns, after.partition_by):
        return
    event = TableSchemaChanged(**_subject(state, shown.table_uuid), before=before, after=after)
    fingerprint = _fingerprint(after.model_dump())
    yield Telling(f"{shown.table_uuid}:schema:{fingerprint}:{revision}{_sharer(state)}", event)


def _nothing(place: Place, identifier: str) -> TableState:
    """The state of a table that is not there."""
    return TableState(
        tenant=place.tenant,
        environment=place.environment,
        product=place.product,
        identifier=identifier,
        table_uuid="",
        table_schema=NO_SCHEMA,
    )


def _subject(state: TableState, table_uuid: str) -> dict[str, str]:
    return {
        "tenant": state.tenant,
        "environment": state.environment,
        "product": state.product,
        "identifier": state.identifier,
        "table_uuid": table_uuid,
    }


def _fingerprint(document: object) -> str:
    return digest_of(canonical_json(document)).rpartition(":")[2][:_FINGERPRINT_LENGTH]
