"""The second phase of a landing: staged files become part of their table, in one commit.

The switch evolves schema and partition fields in the same commit, and creates the table if it does not exist: a run
that fails before its switch leaves no trace in the catalog, and no reader sees a table that was never filled.

pyiceberg's own retry of commits is off: it would add the files again although another worker landed the same run
meanwhile. The switch owns its loop: load, look for the run id and a newer fence, commit against exactly the
snapshot it looked at, start over on conflict.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitStateUnknownException
from pyiceberg.table import Table

from floe_lakehouse import snapshots
from floe_lakehouse.catalogs import reaching
from floe_lakehouse.commit_conflicts import CONFLICTS, wait_to_retry
from floe_lakehouse.commits import NO_REWRITE, commit
from floe_lakehouse.duckdb_files import DEFAULT_ENGINE, Engine
from floe_lakehouse.errors import CatalogUnreachable, LandingConflict, NewerRunLanded
from floe_lakehouse.identifiers import Identifier, dotted
from floe_lakehouse.rewrites import rewritten
from floe_lakehouse.snapshots import ATTEMPT, FENCE, LANDING, LATE_ROWS, MODE, RUN_ID, SchemaField, SnapshotCommit
from floe_lakehouse.staged import StagedTable
from floe_lakehouse.tables import RETRIES_OFF, find_table
from floe_lakehouse.watermarks import refuse_if_moved, stamp

_UNKNOWN_TRIES: Final = 5
"""So often in a row a commit may end without a word; some servers refuse what they do not take in that way."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedTable:
    """A table as a run's landing left it.

    Attributes:
        identifier: namespace levels, then the name.
        table_uuid: the table's identity.
        snapshot_id: the snapshot that the run landed.
        parent_snapshot_id: the one it was committed on; None for a table's first, and for one that has expired since.
        mode: how the rows came in: `replace`, `upsert` or `append`.
        rows: how many rows the snapshot holds.
        files: how many data files it holds.
        size_bytes: how large these are together.
        fields: the columns of the snapshot's schema.
        already_landed: the run had landed this table before; nothing was committed now.
        foreign_snapshots: the ids of snapshots by others than floe that stood on top of floe's landing before this one;
            of a replacing landing, their rows are gone now.
        late_rows: rows of the source below the watermark that an append has not landed.
        commit: what the landing's commit did; None where its snapshot has expired since.
    """

    identifier: Identifier
    table_uuid: str
    snapshot_id: int
    parent_snapshot_id: int | None
    mode: str
    rows: int
    files: int
    size_bytes: int
    fields: tuple[SchemaField, ...]
    already_landed: bool
    foreign_snapshots: tuple[int, ...]
    late_rows: int
    commit: SnapshotCommit | None


def switch_table(
    catalog: Catalog,
    staged: StagedTable,
    *,
    sequence: int,
    properties: Mapping[str, str],
    fence: Callable[[], None],
    tries: int = 20,
    engine: Engine = DEFAULT_ENGINE,
) -> LandedTable:
    """Make staged files a part of their table, in one commit; create the table if it does not exist.

    Idempotent by run id, from any number of workers: the first commits, the others get its result. A commit by anybody
    else in between makes it start over, on top of that commit.

    Args:
        catalog: the catalog.
        staged: what `stage_table` returned, for this attempt or an earlier one of the same run.
        sequence: the fencing token of the run's lease; higher for every later run and attempt.
        properties: more properties for the snapshot (`floe.tenant`, `floe.artifact-digest`, ...).
        fence: raises `LeaseLost` when the lease is no longer ours; called before every try to commit.
        tries: how often it commits before it gives up; between two it waits a random moment, at most a second.
        engine: what rewriting files of an upsert may take.

    Raises:
        NewerRunLanded: a landing with a higher `sequence` stands in the table.
        SchemaBroken: the table changed since the staging, and these files would break it now.
        WatermarkMoved: the table was landed since an append was staged.
        UpsertUnsupported: others wrote what an upsert does not rewrite.
        StagedFileMissing: a file is gone.
        LandingConflict: others committed first, time after time.
        CatalogUnreachable: the catalog does not answer; the commit may have arrived, a second call finds out.
    """
    marks = {**properties, **_marks(staged, sequence)}
    unknown = 0
    for attempt in range(tries):
        table = find_table(catalog, staged.identifier)
        if table and snapshots.snapshot_of_run(table.metadata, staged.run_id):
            return _landed(table, staged, already_landed=True)
        if table:
            _refuse_if_newer(table, staged, sequence)
        refuse_if_moved(table, staged)
        try:
            with reaching("the catalog"):
                if table and not table.properties.items() >= RETRIES_OFF.items():
                    fence()
                    _turn_retries_off(table)
                    continue  # the commit may have brought in others' snapshots, which must be looked at first
                landed = _landed(_switch(catalog, staged, table, marks, fence, engine), staged, already_landed=False)
        except CONFLICTS as conflict:
            unknown = unknown + 1 if isinstance(conflict, CommitStateUnknownException) else 0
            if unknown == _UNKNOWN_TRIES:
                raise CatalogUnreachable(
                    f"the catalog does not say what became of the commit of {dotted(staged.identifier)}: {conflict}",
                    hint="see what the catalog's own log says; the landing can be tried again",
                ) from conflict
            _logger.info("landing of %s starts over: %s", dotted(staged.identifier), conflict)
            wait_to_retry(attempt)
            continue
        _warn(landed)
        return landed
    raise LandingConflict(
        f"{dotted(staged.identifier)} could not be committed: others were faster {tries} times",
        hint="find out who else writes this table",
    )


def _marks(staged: StagedTable, sequence: int) -> dict[str, str]:
    """What the snapshot of a landing says of it."""
    return {
        **stamp(staged.watermark),
        **({LATE_ROWS: str(staged.late_rows)} if staged.late_rows else {}),
        MODE: staged.mode,
        RUN_ID: staged.run_id,
        ATTEMPT: str(staged.attempt),
        FENCE: str(sequence),
    }


def _switch(
    catalog: Catalog,
    staged: StagedTable,
    table: Table | None,
    marks: Mapping[str, str],
    fence: Callable[[], None],
    engine: Engine,
) -> Table:
    """Do what the mode says, in one commit on exactly the snapshot that `table` shows."""
    if table is None or staged.mode != "upsert":
        fence()
        return commit(catalog, staged, table, marks, NO_REWRITE)
    with rewritten(catalog, staged, table, engine) as rewrite:
        fence()
        return commit(catalog, staged, table, marks, rewrite)


def _warn(landed: LandedTable) -> None:
    if landed.foreign_snapshots and landed.mode == "replace":
        _logger.warning(
            "landing of %s replaced rows that others wrote, in snapshots %s",
            dotted(landed.identifier),
            ", ".join(map(str, landed.foreign_snapshots)),
        )
    if landed.late_rows:
        _logger.warning(
            "%d rows of %s came late and were not landed: they are not above the watermark",
            landed.late_rows,
            dotted(landed.identifier),
        )


def _refuse_if_newer(table: Table, staged: StagedTable, sequence: int) -> None:
    newest = snapshots.newest_fence(table.metadata)
    if newest is not None and newest > sequence:
        raise NewerRunLanded(
            f"run {staged.run_id} holds the fence {sequence}, but {dotted(staged.identifier)} was landed "
            f"under {newest}",
            hint="a newer run has replaced the table; nothing is to be done",
        )


def _turn_retries_off(table: Table) -> None:
    """Make a table that floe did not create fit for the loop of `switch_table`."""
    with table.transaction() as transaction:
        transaction.set_properties(RETRIES_OFF)


def _landed(table: Table, staged: StagedTable, *, already_landed: bool) -> LandedTable:
    snapshot = snapshots.snapshot_of_run(table.metadata, staged.run_id)
    if snapshot is None:  # a catalog that answers a commit with other metadata than it committed
        raise CommitStateUnknownException(f"the catalog does not show the snapshot of run {staged.run_id}")
    numbers = snapshots.summary_of(snapshot)
    landed_itself = RUN_ID in numbers  # else its snapshot has expired, or is not shown, and maintenance stands for it
    schema = table.schemas()[snapshot.schema_id] if snapshot.schema_id is not None else table.schema()
    return LandedTable(
        identifier=staged.identifier,
        table_uuid=str(table.metadata.table_uuid),
        snapshot_id=snapshot.snapshot_id if landed_itself else int(numbers[LANDING]),
        parent_snapshot_id=snapshot.parent_snapshot_id if landed_itself else None,
        mode=numbers.get(MODE, "replace"),
        rows=int(numbers.get("total-records", 0)),
        files=int(numbers.get("total-data-files", 0)),
        size_bytes=int(numbers.get("total-files-size", 0)),
        fields=snapshots.schema_fields(schema),
        already_landed=already_landed,
        foreign_snapshots=snapshots.foreign_snapshots(table.metadata, snapshot) if landed_itself else (),
        late_rows=int(numbers.get(LATE_ROWS, 0)),
        commit=snapshots.commit_of(snapshot) if landed_itself else None,
    )
