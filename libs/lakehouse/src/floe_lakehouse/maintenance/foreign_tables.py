"""Other tables whose files stand in a table's folders.

A table that was dropped without its files, the loser of a race to create one, a second table at the same location: each
leaves metadata of another uuid, or metadata where none of this table's is. A file of theirs is no orphan.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError, ValidationError
from pyiceberg.io import FileIO
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import Table
from pyiceberg.table.locations import load_location_provider
from pyiceberg.table.metadata import TableMetadata

from floe_lakehouse.catalogs import reaching
from floe_lakehouse.identifiers import Identifier, dotted
from floe_lakehouse.maintenance.reachable import metadata_files
from floe_lakehouse.maintenance.table_listing import ListedFile, same_name

_METADATA: Final = ".metadata.json"
_UUID: Final = re.compile(rb'"table-uuid"\s*:\s*"([0-9a-fA-F-]{36})"')
_HEAD_BYTES: Final = 4096
"""The uuid stands among the first members of the document."""


@dataclass(frozen=True, slots=True)
class ForeignTables:
    """What stands in a table's folders of others.

    Attributes:
        reason: why its files cannot be told from theirs, in a sentence; None if they can.
        metadata: what tables that no catalog knows of have left: nothing that it reaches is an orphan.
        metadata_files: where that was read.
    """

    reason: str | None = None
    metadata: tuple[TableMetadata, ...] = ()
    metadata_files: tuple[str, ...] = ()


def foreign_tables(catalog: Catalog, table: Table, files: Iterable[ListedFile]) -> ForeignTables:
    """Find other tables in the folders of one.

    Args:
        catalog: the catalog; it is searched only if there is metadata of another uuid.
        table: the table.
        files: those in its folders.
    """
    own = set(map(same_name, metadata_files(table)))
    folder = same_name(load_location_provider(table.location(), table.properties).metadata_path)
    found: dict[str, str] = {}
    for file in files:
        name = same_name(file.path)
        if not name.endswith(_METADATA) or name in own:
            continue
        if name.rpartition("/")[0] != folder:
            return ForeignTables(f"another table stands inside: {file.path}")
        uuid = _uuid(table.io, file.path)
        if uuid and uuid != str(table.metadata.table_uuid):
            found[file.path] = uuid
    if not found:
        return ForeignTables()
    if living := _living(catalog, set(found.values())):
        return ForeignTables(f"{dotted(living)} stands at the same location")
    metadata = (_read(table.io, path) for path in found)
    return ForeignTables(None, tuple(one for one in metadata if one), tuple(found))


def _uuid(io: FileIO, path: str) -> str | None:
    """The table's uuid that a metadata file names; None if it is gone, or was never written to its end."""
    try:
        with io.new_input(path).open() as stream:
            match = _UUID.search(stream.read(_HEAD_BYTES))
    except FileNotFoundError:
        return None
    if match:
        return match[1].decode().lower()
    metadata = _read(io, path)
    return str(metadata.table_uuid) if metadata else None


def _read(io: FileIO, path: str) -> TableMetadata | None:
    try:
        return FromInputFile.table_metadata(io.new_input(path))
    except (FileNotFoundError, ValidationError, ValueError, EOFError, gzip.BadGzipFile):  # gone, or never finished
        return None


def _living(catalog: Catalog, uuids: set[str]) -> Identifier | None:
    """A table of the catalog that has one of the uuids."""
    for identifier in _tables(catalog, ()):
        with reaching("the catalog"):
            try:
                found = catalog.load_table(identifier)
            except (NoSuchTableError, FileNotFoundError):
                continue
        if str(found.metadata.table_uuid) in uuids:
            return identifier
    return None


def _tables(catalog: Catalog, namespace: Identifier) -> Iterator[Identifier]:
    with reaching("the catalog"):
        try:
            here = catalog.list_tables(namespace) if namespace else []
            below = catalog.list_namespaces(namespace)
        except NoSuchNamespaceError:
            return
    yield from (tuple(one) for one in here)
    for inner in below:
        if tuple(inner) != namespace:
            yield from _tables(catalog, tuple(inner))
