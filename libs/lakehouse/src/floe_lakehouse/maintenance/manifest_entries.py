"""Entries of manifests, by a reader that is made once for all manifests of one Avro schema.

pyiceberg makes it for every file, which takes several times as long as reading the few entries that an append leaves.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final

from pyiceberg.avro.decoder import new_decoder
from pyiceberg.avro.file import META_SCHEMA, AvroFile, AvroFileHeader
from pyiceberg.avro.reader import Reader
from pyiceberg.avro.resolver import construct_reader, resolve_reader
from pyiceberg.io import FileIO
from pyiceberg.manifest import (
    DEFAULT_READ_VERSION,
    MANIFEST_ENTRY_SCHEMAS,
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    _inherit_from_manifest,
)
from pyiceberg.utils.schema_conversion import AvroSchemaConversion

_HEADER: Final[Any] = construct_reader(META_SCHEMA, {-1: AvroFileHeader})


def live_entries(io: FileIO, manifest: ManifestFile) -> list[ManifestEntry]:
    """The entries of a manifest that are not deleted, with what they inherit from it.

    Raises:
        FileNotFoundError: the manifest is gone.
    """
    with _ManifestAvro(io.new_input(manifest.manifest_path)) as entries:
        return [
            _inherit_from_manifest(entry, manifest) for entry in entries if entry.status != ManifestEntryStatus.DELETED
        ]


class _ManifestAvro(AvroFile[ManifestEntry]):
    """pyiceberg's file of entries, but for where the reader comes from."""

    def __enter__(self) -> AvroFile[ManifestEntry]:
        with self.input_file.open() as stream:
            self.decoder = new_decoder(stream.read())
        self.header = _HEADER.read(self.decoder)
        self.reader = _reader(self.header.meta["avro.schema"])
        return self


@lru_cache(maxsize=64)
def _reader(avro_schema: str) -> Reader:
    """Reads entries; it keeps no state, so that many threads may use it."""
    return resolve_reader(
        AvroSchemaConversion().avro_to_iceberg(json.loads(avro_schema)),
        MANIFEST_ENTRY_SCHEMAS[DEFAULT_READ_VERSION],
        read_types={-1: ManifestEntry, 2: DataFile},
        read_enums={0: ManifestEntryStatus, 101: FileFormat, 134: DataFileContent},
    )
