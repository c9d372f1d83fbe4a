"""Commits of the REST catalog for tests: of one table, or of several, all or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.table import CommitTableRequest, StagedTable, Table
from sqlalchemy import Connection, insert, update
from sqlalchemy.exc import IntegrityError

from floe_lakehouse.testing.rest_answers import change

Identifier = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Step:
    """The metadata of a table, written and not yet pointed at."""

    identifier: Identifier
    before: Table | None
    after: StagedTable


def commit_table(catalog: SqlCatalog, identifier: Identifier, body: Mapping[str, Any]) -> None:
    """Change one table, or create it.

    Raises:
        CommitFailedException: the table is not as the request requires.
    """
    _commit(catalog, [(identifier, change(body, identifier))])


def commit_tables(catalog: SqlCatalog, body: Mapping[str, Any]) -> None:
    """Change several tables, or none of them.

    Raises:
        CommitFailedException: one of them is not as the request requires.
        NoSuchTableError: one of them does not exist.
    """
    parts = [(_named(part["identifier"]), part) for part in body["table-changes"]]
    _commit(catalog, [(identifier, change(part, identifier)) for identifier, part in parts])


def _commit(catalog: SqlCatalog, changes: Sequence[tuple[Identifier, CommitTableRequest]]) -> None:
    steps = [_step(catalog, identifier, asked) for identifier, asked in changes]
    changed = [step for step in steps if step.before is None or step.after.metadata != step.before.metadata]
    for step in changed:
        catalog._write_metadata(step.after.metadata, step.after.io, step.after.metadata_location)  # noqa: SLF001
    with catalog.engine.begin() as connection:
        for step in changed:
            _point(catalog, connection, step)


def _step(catalog: SqlCatalog, identifier: Identifier, asked: CommitTableRequest) -> _Step:
    before = _find(catalog, identifier)
    creates = any(requirement.type == "assert-create" for requirement in asked.requirements)
    if before is None and not creates:
        raise NoSuchTableError(f"Table does not exist: {'.'.join(identifier)}")
    after = catalog._update_and_stage_table(  # noqa: SLF001 - it has no public name
        before, identifier, tuple(asked.requirements), tuple(asked.updates)
    )
    return _Step(identifier, before, after)


def _point(catalog: SqlCatalog, connection: Connection, step: _Step) -> None:
    namespace, name, location = ".".join(step.identifier[:-1]), step.identifier[-1], step.after.metadata_location
    if step.before is None:
        try:
            connection.execute(insert(IcebergTables).values(**catalog._create_table_row(namespace, name, location)))  # noqa: SLF001
        except IntegrityError as error:
            raise TableAlreadyExistsError(f"Table already exists: {namespace}.{name}") from error
        return
    here = (
        IcebergTables.catalog_name == catalog.name,
        IcebergTables.table_namespace == namespace,
        IcebergTables.table_name == name,
        IcebergTables.metadata_location == step.before.metadata_location,
    )
    moved = {"metadata_location": location, "previous_metadata_location": step.before.metadata_location}
    if connection.execute(update(IcebergTables).where(*here).values(moved)).rowcount != 1:
        raise CommitFailedException(f"Table has been updated by another process: {namespace}.{name}")


def _named(identifier: Mapping[str, Any]) -> Identifier:
    return (*identifier["namespace"], identifier["name"])


def _find(catalog: Catalog, identifier: Identifier) -> Table | None:
    try:
        return catalog.load_table(identifier)
    except NoSuchTableError:
        return None
