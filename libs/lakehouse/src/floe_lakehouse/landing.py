"""The second phase of a landing: staged files become their table, in one commit.

The switch evolves the schema in the same commit, and creates the table if it does not exist: a run that fails before
its switch leaves no trace in the catalog, and no reader sees a table that was never filled.

pyiceberg's own retry of commits is off: it would add the files again although another worker landed the same run
meanwhile. The switch owns its loop: load, look for the run id and a newer fence, commit against exactly the
snapshot it looked at, start over on conflict.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    TableAlreadyExistsError,
    ValidationException,
)
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import parquet_files_to_data_files
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, TableProperties, Transaction

from floe_lakehouse import snapshots
from floe_lakehouse.catalogs import reaching
from floe_lakehouse.errors import LandingConflict, NewerRunLanded, StagedFileMissing
from floe_lakehouse.identifiers import Identifier, dotted
from floe_lakehouse.schemas import check_evolution, evolve
from floe_lakehouse.snapshots import ATTEMPT, FENCE, RUN_ID, SchemaField
from floe_lakehouse.staged import StagedTable
from floe_lakehouse.tables import RETRIES_OFF, file_io, find_table, plan_table

# An unknown outcome is a conflict too: the next look at the table says whether the commit arrived.
_CONFLICTS: Final = (
    CommitFailedException,
    CommitStateUnknownException,
    TableAlreadyExistsError,
    ValidationException,
)
_LONGEST_WAIT_SECONDS: Final = 1.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedTable:
    """A table as a run's landing left it.

    Attributes:
        identifier: namespace levels, then the name.
        table_uuid: the table's identity.
        snapshot_id: the snapshot that the run landed.
        parent_snapshot_id: the one it was committed on; None for a table's first.
        rows: how many rows the snapshot holds.
        files: how many data files it holds.
        size_bytes: how large these are together.
        fields: the columns of the snapshot's schema.
        already_landed: the run had landed this table before; nothing was committed now.
        foreign_snapshots: the ids of snapshots by others than floe that stood on top of floe's landing before this one,
            and whose rows this landing replaced.
    """

    identifier: Identifier
    table_uuid: str
    snapshot_id: int
    parent_snapshot_id: int | None
    rows: int
    files: int
    size_bytes: int
    fields: tuple[SchemaField, ...]
    already_landed: bool
    foreign_snapshots: tuple[int, ...]


def switch_table(
    catalog: Catalog,
    staged: StagedTable,
    *,
    sequence: int,
    properties: Mapping[str, str],
    fence: Callable[[], None],
    tries: int = 20,
) -> LandedTable:
    """Make staged files the rows of their table, in one commit; create the table if it does not exist.

    Idempotent by run id, from any number of workers: the first commits, the others get its result. A commit by anybody
    else in between makes it start over, on top of that commit.

    Args:
        catalog: the catalog.
        staged: what `stage_table` returned, for this attempt or an earlier one of the same run.
        sequence: the fencing token of the run's lease; higher for every later run and attempt.
        properties: more properties for the snapshot (`floe.tenant`, `floe.artifact-digest`, ...).
        fence: raises `LeaseLost` when the lease is no longer ours; called before every try to commit.
        tries: how often it commits before it gives up; between two it waits a random moment, at most a second.

    Raises:
        NewerRunLanded: a landing with a higher `sequence` stands in the table.
        SchemaBroken: the table changed since the staging, and these files would break it now.
        StagedFileMissing: a file is gone.
        LandingConflict: others committed first, time after time.
        CatalogUnreachable: the catalog does not answer; the commit may have arrived, a second call finds out.
    """
    stamp = {**properties, RUN_ID: staged.run_id, ATTEMPT: str(staged.attempt), FENCE: str(sequence)}
    for attempt in range(tries):
        table = find_table(catalog, staged.identifier)
        if table and snapshots.snapshot_of_run(table.metadata, staged.run_id):
            return _landed(table, staged, already_landed=True)
        if table:
            _refuse_if_newer(table, staged, sequence)
        fence()
        try:
            with reaching("the catalog"):
                if table and not table.properties.items() >= RETRIES_OFF.items():
                    _turn_retries_off(table)
                    continue  # the commit may have brought in others' snapshots, which must be looked at first
                landed = _landed(_commit(catalog, staged, table, stamp), staged, already_landed=False)
        except _CONFLICTS as conflict:
            _logger.info("landing of %s starts over: %s", dotted(staged.identifier), conflict)
            time.sleep(random.uniform(0, min(_LONGEST_WAIT_SECONDS, 0.02 * 2**attempt)))  # noqa: S311 - jitter
            continue
        if landed.foreign_snapshots:
            _logger.warning(
                "landing of %s replaced rows that others wrote, in snapshots %s",
                dotted(staged.identifier),
                ", ".join(map(str, landed.foreign_snapshots)),
            )
        return landed
    raise LandingConflict(
        f"{dotted(staged.identifier)} could not be committed: others were faster {tries} times",
        hint="find out who else writes this table",
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


def _commit(catalog: Catalog, staged: StagedTable, table: Table | None, stamp: Mapping[str, str]) -> Table:
    """Replace all rows by the staged files in one transaction, on exactly the snapshot that `table` shows."""
    schema = staged.schema
    transaction: Transaction
    if table is None:
        transaction = plan_table(catalog, staged.identifier, schema, staged.location)
    else:
        check_evolution(dotted(staged.identifier), table.schema(), schema)
        transaction = table.transaction()
        evolve(transaction, schema)
    updates = {FENCE: stamp[FENCE]}
    if transaction.table_metadata.name_mapping() is None:
        # DuckDB's files have no field ids; columns are found by name.
        mapping = transaction.table_metadata.schema().name_mapping
        updates[TableProperties.DEFAULT_NAME_MAPPING] = mapping.model_dump_json()
    transaction.set_properties(updates)
    current = table.current_snapshot() if table else None
    replaced = snapshots.data_files(table, current).values() if table and current else ()
    added = _described(file_io(catalog, table, staged.location), transaction, staged)
    # One snapshot, where delete + add_files would make two: no reader can travel to a moment without rows.
    with transaction.update_snapshot(snapshot_properties=dict(stamp)).overwrite() as overwrite:
        overwrite.delete_by_predicate(AlwaysTrue())
        for file in replaced:
            overwrite.delete_data_file(file)
        for file in added:
            overwrite.append_data_file(file)
    return transaction.commit_transaction()


def _described(io: FileIO, transaction: Transaction, staged: StagedTable) -> list[DataFile]:
    """The staged files as Iceberg describes them, read from their footers."""
    names = iter([file.location for file in staged.files])
    try:
        return list(parquet_files_to_data_files(io, transaction.table_metadata, names))
    except FileNotFoundError as error:
        raise StagedFileMissing(
            f"a staged file of {dotted(staged.identifier)} is gone: {error}", hint="run the build again"
        ) from error


def _landed(table: Table, staged: StagedTable, *, already_landed: bool) -> LandedTable:
    snapshot = snapshots.snapshot_of_run(table.metadata, staged.run_id)
    if snapshot is None:  # a catalog that answers a commit with other metadata than it committed
        raise CommitStateUnknownException(f"the catalog does not show the snapshot of run {staged.run_id}")
    numbers = snapshots.summary_of(snapshot)
    schema = table.schemas()[snapshot.schema_id] if snapshot.schema_id is not None else table.schema()
    return LandedTable(
        identifier=staged.identifier,
        table_uuid=str(table.metadata.table_uuid),
        snapshot_id=snapshot.snapshot_id,
        parent_snapshot_id=snapshot.parent_snapshot_id,
        rows=int(numbers.get("total-records", 0)),
        files=int(numbers.get("total-data-files", 0)),
        size_bytes=int(numbers.get("total-files-size", 0)),
        fields=snapshots.schema_fields(schema),
        already_landed=already_landed,
        foreign_snapshots=snapshots.foreign_snapshots(table.metadata, snapshot),
    )
