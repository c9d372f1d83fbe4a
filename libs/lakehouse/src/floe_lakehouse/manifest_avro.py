"""Manifests and their lists, by readers and writers that are made once for all files of one Avro schema.

pyiceberg makes them for every file, which takes several times as long as the few entries that a commit reads and
writes. They keep no state, so that many threads may use them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeVar

from pyiceberg.avro.codecs import AVRO_CODEC_KEY, CODEC_MAPPING_ICEBERG_TO_AVRO
from pyiceberg.avro.decoder import new_decoder
from pyiceberg.avro.file import MAGIC, META_SCHEMA, SYNC_SIZE, AvroFile, AvroFileHeader, AvroOutputFile
from pyiceberg.avro.reader import Reader
from pyiceberg.avro.resolver import construct_reader, construct_writer, resolve_reader, resolve_writer
from pyiceberg.avro.writer import Writer
from pyiceberg.io import FileIO, InputFile, OutputFile
from pyiceberg.manifest import (
    DEFAULT_READ_VERSION,
    MANIFEST_ENTRY_SCHEMAS,
    MANIFEST_LIST_FILE_SCHEMAS,
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriterV2,
    PartitionFieldSummary,
    _inherit_from_manifest,
    data_file_with_partition,
    manifest_entry_schema_with_data_file,
)
from pyiceberg.schema import Schema
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.typedef import StructProtocol
from pyiceberg.types import StructType
from pyiceberg.utils.schema_conversion import AvroSchemaConversion

_AVRO_SCHEMA: Final = "avro.schema"
_HEADER_READER: Final[Any] = construct_reader(META_SCHEMA, {-1: AvroFileHeader})
_HEADER_WRITER: Final[Any] = construct_writer(META_SCHEMA)
_REMEMBERED: Final = 64

_D = TypeVar("_D", bound=StructProtocol)


def manifests_of(io: FileIO, snapshot: Snapshot) -> list[ManifestFile]:
    """The manifests of which a snapshot consists.

    Raises:
        FileNotFoundError: their list is gone.
    """
    with _InputAvro[ManifestFile](io.new_input(snapshot.manifest_list), _manifest_reader) as manifests:
        return list(manifests)


def live_entries(io: FileIO, manifest: ManifestFile) -> list[ManifestEntry]:
    """The entries of a manifest that are not deleted, with what they inherit from it.

    Raises:
        FileNotFoundError: the manifest is gone.
    """
    with _InputAvro[ManifestEntry](io.new_input(manifest.manifest_path), _entry_reader) as entries:
        return [
            _inherit_from_manifest(entry, manifest) for entry in entries if entry.status != ManifestEntryStatus.DELETED
        ]


class EntriesWriter(ManifestWriterV2):
    """pyiceberg's writer of a manifest in format version 2, but for where the writer of an entry comes from."""

    def new_writer(self) -> AvroOutputFile[ManifestEntry]:
        """The file to write."""
        return _OutputAvro(self._output_file, _entry_form(self._spec.partition_type(self._schema)), self._meta)


class _InputAvro(AvroFile[_D]):
    """pyiceberg's file of records, but for where the reader comes from."""

    def __init__(self, file: InputFile, reader_of: Callable[[str], Reader]) -> None:
        super().__init__(file)
        self._reader_of = reader_of

    def __enter__(self) -> AvroFile[_D]:
        with self.input_file.open() as stream:
            self.decoder = new_decoder(stream.read())
        self.header = _HEADER_READER.read(self.decoder)
        self.reader = self._reader_of(self.header.meta[_AVRO_SCHEMA])
        return self


@dataclass(frozen=True, slots=True)
class _Form:
    """What writes an entry, and the Avro schema of what it writes."""

    writer: Writer
    avro_schema: str


class _OutputAvro(AvroOutputFile[ManifestEntry]):
    """pyiceberg's file of entries to write; its own `__init__` and header would make what the form has already."""

    def __init__(self, file: OutputFile, form: _Form, metadata: dict[str, str]) -> None:
        self.output_file = file
        self.writer = form.writer
        self.metadata = metadata
        self.sync_bytes = os.urandom(SYNC_SIZE)
        self._avro_schema = form.avro_schema

    def _write_header(self) -> None:
        codec = self.metadata[AVRO_CODEC_KEY]
        meta = {
            **self.metadata,
            _AVRO_SCHEMA: self._avro_schema,
            AVRO_CODEC_KEY: CODEC_MAPPING_ICEBERG_TO_AVRO.get(codec, codec),
        }
        _HEADER_WRITER.write(self.encoder, AvroFileHeader(MAGIC, meta, self.sync_bytes))


@lru_cache(_REMEMBERED)
def _entry_reader(avro_schema: str) -> Reader:
    return resolve_reader(
        _schema(avro_schema),
        MANIFEST_ENTRY_SCHEMAS[DEFAULT_READ_VERSION],
        read_types={-1: ManifestEntry, 2: DataFile},
        read_enums={0: ManifestEntryStatus, 101: FileFormat, 134: DataFileContent},
    )


@lru_cache(_REMEMBERED)
def _manifest_reader(avro_schema: str) -> Reader:
    return resolve_reader(
        _schema(avro_schema),
        MANIFEST_LIST_FILE_SCHEMAS[DEFAULT_READ_VERSION],
        read_types={-1: ManifestFile, 508: PartitionFieldSummary},
        read_enums={517: ManifestContent},
    )


@lru_cache(_REMEMBERED)
def _entry_form(partition: StructType) -> _Form:
    """The form of the entries of files in such partitions, as format version 2 has them."""
    written, held = (
        manifest_entry_schema_with_data_file(
            format_version=version, data_file=data_file_with_partition(format_version=version, partition_type=partition)
        )
        for version in (2, DEFAULT_READ_VERSION)
    )
    avro = AvroSchemaConversion().iceberg_to_avro(written, schema_name="manifest_entry")
    return _Form(resolve_writer(record_schema=held, file_schema=written), json.dumps(avro))


def _schema(avro_schema: str) -> Schema:
    return AvroSchemaConversion().avro_to_iceberg(json.loads(avro_schema))
