"""Which files of a table are rewritten together: small ones of one partition, and those of which rows were deleted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_SMALL: Final = 0.75
"""A file is small below this share of the target."""
MOST_FILES: Final = 1_000
"""Of a group: each costs an open file and its footer in memory."""


@dataclass(frozen=True, slots=True)
class PackedFile:
    """What packing looks at of a data file.

    Attributes:
        path: its location, as the table's manifests spell it.
        size_bytes: how large it is.
        rows: how many rows it holds, deleted ones too.
        partition: what its rows are parted by; files of different partitions never mix.
        sequence_number: grows with the commits; files of one age stay together.
        has_deletes: delete files speak of it.
    """

    path: str
    size_bytes: int
    rows: int
    partition: Hashable
    sequence_number: int
    has_deletes: bool = False

    @property
    def must_go(self) -> bool:
        """Whether it is rewritten whatever its size: it is empty, or rows in it were deleted."""
        return self.has_deletes or self.rows == 0


def pack(
    files: Iterable[PackedFile], *, target_bytes: int, min_files: int, most_files: int = MOST_FILES
) -> tuple[tuple[PackedFile, ...], ...]:
    """Groups of files, each to become one file of about `target_bytes`; the same files give the same groups.

    A group never holds more than that many bytes but for a single file, so that rewriting it takes bounded memory and
    time. Files come in the order of their age, so that values that grow with it stay in few files.

    Args:
        files: all data files of a snapshot.
        target_bytes: how large files become.
        min_files: how many small files of a partition make a rewrite worth it; those that must go always do.
        most_files: how many files a group holds.
    """
    partitions: dict[Hashable, list[PackedFile]] = defaultdict(list)
    for file in sorted(files, key=lambda one: (one.sequence_number, one.path)):
        if file.must_go or file.size_bytes < _SMALL * target_bytes:
            partitions[file.partition].append(file)
    groups: list[tuple[PackedFile, ...]] = []
    for members in partitions.values():
        chosen = members if len(members) >= min_files else [file for file in members if file.must_go]
        groups += (group for group in _bins(chosen, target_bytes, most_files) if _is_worth_it(group))
    return tuple(groups)


def _bins(files: Sequence[PackedFile], target_bytes: int, most_files: int) -> Iterable[tuple[PackedFile, ...]]:
    """Files in their order, cut where the next one would not fit."""
    group: list[PackedFile] = []
    size = 0
    for file in files:
        if group and (size + file.size_bytes > target_bytes or len(group) == most_files):
            yield tuple(group)
            group, size = [], 0
        group.append(file)
        size += file.size_bytes
    if group:
        yield tuple(group)


def _is_worth_it(group: Sequence[PackedFile]) -> bool:
    return len(group) > 1 or any(file.must_go for file in group)
