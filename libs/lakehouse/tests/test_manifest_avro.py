"""Manifests by readers and writers that are made once: they are those of pyiceberg, entry by entry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyiceberg.avro.file import AvroFile
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriterV2,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, DayTransform
from pyiceberg.typedef import Record
from pyiceberg.types import LongType, NestedField, StringType, TimestampType

from floe_lakehouse.manifest_avro import EntriesWriter, live_entries

SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "name", StringType()),
    NestedField(3, "at", TimestampType()),
)
BUCKETS = PartitionSpec(PartitionField(1, 1000, BucketTransform(4), "id_bucket"), spec_id=1)
DAYS = PartitionSpec(
    PartitionField(3, 1000, DayTransform(), "at_day"), PartitionField(1, 1001, BucketTransform(4), "b"), spec_id=2
)
SNAPSHOT = 17
CASES = [
    pytest.param(UNPARTITIONED_PARTITION_SPEC, Record(), id="no partitions"),
    pytest.param(BUCKETS, Record(3), id="buckets"),
    pytest.param(DAYS, Record(20_000, 1), id="days and buckets"),
    pytest.param(DAYS, Record(None, 1), id="an empty value"),
]


def written(writer: type[ManifestWriterV2], path: Path, spec: PartitionSpec, partition: Record) -> ManifestFile:
    """A manifest of one file that came and one that went."""
    with writer(spec, SCHEMA, PyArrowFileIO().new_output(str(path)), SNAPSHOT, "gzip") as manifest:
        manifest.add_entry(entry(ManifestEntryStatus.ADDED, spec, partition, None))
        manifest.add_entry(entry(ManifestEntryStatus.DELETED, spec, partition, 4))
    return manifest.to_manifest_file()


def entry(status: ManifestEntryStatus, spec: PartitionSpec, partition: Record, sequence: int | None) -> ManifestEntry:
    file = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=f"file:///lake/{status.name}.parquet",
        file_format=FileFormat.PARQUET,
        partition=partition,
        record_count=3,
        file_size_in_bytes=1200,
        column_sizes={1: 40, 2: 60},
        value_counts={1: 3, 2: 3},
        null_value_counts={1: 0, 2: 1},
        nan_value_counts={},
        lower_bounds={1: b"\1\0\0\0\0\0\0\0", 2: b"a"},
        upper_bounds={1: b"\3\0\0\0\0\0\0\0", 2: b"c"},
        split_offsets=[4],
    )
    file.spec_id = spec.spec_id
    return ManifestEntry.from_args(
        status=status, snapshot_id=SNAPSHOT, sequence_number=sequence, file_sequence_number=sequence, data_file=file
    )


def header(path: Path) -> dict[str, str]:
    with AvroFile[Any](PyArrowFileIO().new_input(str(path))) as file:
        return dict(file.header.meta)


def values(entries: list[ManifestEntry]) -> list[list[Any]]:
    return [[*one._data[:4], one.data_file._data, one.data_file.spec_id] for one in entries]


@pytest.mark.parametrize(("spec", "partition"), CASES)
def test_a_manifest_says_what_pyicebergs_own_says(tmp_path: Path, spec: PartitionSpec, partition: Record) -> None:
    theirs = written(ManifestWriterV2, tmp_path / "theirs.avro", spec, partition)
    ours = written(EntriesWriter, tmp_path / "ours.avro", spec, partition)
    assert header(tmp_path / "ours.avro") == header(tmp_path / "theirs.avro")
    assert ours._data[1:] == theirs._data[1:]  # all but the path, the length among it
    io = PyArrowFileIO()
    own = ours.fetch_manifest_entry(io, discard_deleted=False)
    assert values(own) == values(theirs.fetch_manifest_entry(io, discard_deleted=False))
    assert len(own) == 2


@pytest.mark.parametrize(("spec", "partition"), CASES)
def test_live_entries_are_those_that_pyiceberg_reads(tmp_path: Path, spec: PartitionSpec, partition: Record) -> None:
    manifest = written(ManifestWriterV2, tmp_path / "one.avro", spec, partition)
    io = PyArrowFileIO()
    assert values(live_entries(io, manifest)) == values(manifest.fetch_manifest_entry(io))
    assert [one.data_file.file_path for one in live_entries(io, manifest)] == ["file:///lake/ADDED.parquet"]
