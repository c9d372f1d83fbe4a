"""Parquet files as Iceberg describes them: their statistics, read from the footers, and their partitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import (
    StatisticsCollector,
    _check_pyarrow_schema_compatible,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.typedef import Record

from floe_lakehouse.errors import StagedFileMissing
from floe_lakehouse.partitioning import PartitionRule, partition_record
from floe_lakehouse.staged import StagedFile

_Plan: TypeAlias = tuple[dict[int, StatisticsCollector], dict[str, int]]
"""Which statistics are kept of which column, and the columns' ids by their paths in a file."""


def described(
    io: FileIO, metadata: TableMetadata, files: Iterable[StagedFile], rules: Sequence[PartitionRule]
) -> Iterator[DataFile]:
    """The files as parts of a table.

    pyiceberg's own `parquet_file_to_data_file` guesses the partition from the footer's bounds, which it cannot for
    buckets; the staging knows it.

    Args:
        io: reads them.
        metadata: the table as it will be after the landing: its schema, its spec.
        files: the files.
        rules: by what their rows are parted.

    Raises:
        StagedFileMissing: a file is gone.
    """
    plan = _statistics_plan(metadata)
    for file in files:
        footer = _footer(io, file.location)
        _check_pyarrow_schema_compatible(
            metadata.schema(), footer.schema.to_arrow_schema(), format_version=metadata.format_version
        )
        partition = partition_record(metadata, rules, file.partition)
        yield _data_file(footer, plan, file.location, file.size_bytes, metadata.default_spec_id, partition)


def data_file(
    io: FileIO, metadata: TableMetadata, location: str, size_bytes: int, spec_id: int, partition: Record
) -> DataFile:
    """A file as a part of a table, in a partition of any of its specs.

    Args:
        io: reads it.
        metadata: the table, whose current schema the file has.
        location: the file's.
        size_bytes: how large it is.
        spec_id: the partition spec under which its rows belong together.
        partition: their values of that.

    Raises:
        StagedFileMissing: the file is gone.
    """
    return _data_file(_footer(io, location), _statistics_plan(metadata), location, size_bytes, spec_id, partition)


def _footer(io: FileIO, location: str) -> pq.FileMetaData:
    try:
        with io.new_input(location).open() as stream:
            return pq.read_metadata(stream)
    except FileNotFoundError as error:
        raise StagedFileMissing(f"a staged file is gone: {location}", hint="run the build again") from error


def _statistics_plan(metadata: TableMetadata) -> _Plan:
    schema = metadata.schema()
    return compute_statistics_plan(schema, metadata.properties), parquet_path_to_id_mapping(schema)


def _data_file(
    footer: pq.FileMetaData, plan: _Plan, location: str, size_bytes: int, spec_id: int, partition: Record
) -> DataFile:
    file = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=location,
        file_format=FileFormat.PARQUET,
        partition=partition,
        file_size_in_bytes=size_bytes,
        sort_order_id=None,
        equality_ids=None,
        key_metadata=None,
        **data_file_statistics_from_parquet_metadata(footer, *plan).to_serialized_dict(),
    )
    file.spec_id = spec_id
    return file
