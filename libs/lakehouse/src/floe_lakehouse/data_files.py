"""Parquet files as Iceberg describes them: their statistics, read from the footers, and their partitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import (
    _check_pyarrow_schema_compatible,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table.metadata import TableMetadata

from floe_lakehouse.errors import StagedFileMissing
from floe_lakehouse.partitioning import PartitionRule, partition_record
from floe_lakehouse.staged import StagedFile


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
    schema = metadata.schema()
    plan = compute_statistics_plan(schema, metadata.properties)
    columns = parquet_path_to_id_mapping(schema)
    for file in files:
        try:
            with io.new_input(file.location).open() as stream:
                footer = pq.read_metadata(stream)
        except FileNotFoundError as error:
            raise StagedFileMissing(f"a staged file is gone: {file.location}", hint="run the build again") from error
        _check_pyarrow_schema_compatible(
            schema, footer.schema.to_arrow_schema(), format_version=metadata.format_version
        )
        statistics = data_file_statistics_from_parquet_metadata(footer, plan, columns)
        yield DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=file.location,
            file_format=FileFormat.PARQUET,
            partition=partition_record(metadata, rules, file.partition),
            file_size_in_bytes=file.size_bytes,
            sort_order_id=None,
            spec_id=metadata.default_spec_id,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )
