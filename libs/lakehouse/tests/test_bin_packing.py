from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_lakehouse.maintenance.bin_packing import PackedFile, pack

TARGET = 1000


def file(path: str, size: int = 10, **changes: Any) -> PackedFile:
    given = {"rows": 1, "partition": None, "sequence_number": 1, **changes}
    return PackedFile(path=path, size_bytes=size, **given)


def names(groups: tuple[tuple[PackedFile, ...], ...]) -> list[list[str]]:
    return [[one.path for one in group] for group in groups]


def packed(*files: PackedFile, min_files: int = 2, **changes: Any) -> list[list[str]]:
    return names(pack(files, target_bytes=TARGET, min_files=min_files, **changes))


def test_small_files_go_together_in_the_order_of_their_age() -> None:
    assert packed(file("c", sequence_number=3), file("a", sequence_number=7), file("b")) == [["b", "c", "a"]]


def test_a_group_ends_where_the_next_file_would_not_fit() -> None:
    assert packed(*(file(name, 400) for name in "abcde")) == [["a", "b"], ["c", "d"]]
    assert packed(*(file(name) for name in "abcde"), most_files=3) == [["a", "b", "c"], ["d", "e"]]


@pytest.mark.parametrize(("size", "small"), [(749, True), (750, False), (5000, False)])
def test_files_near_the_target_are_left(size: int, small: bool) -> None:
    assert packed(file("a"), file("b"), file("c", size)) == [["a", "b", "c"] if small else ["a", "b"]]


def test_a_partition_with_too_few_small_files_is_left() -> None:
    files = [file("a", partition=1), file("b", partition=1), file("c", partition=2)]
    assert packed(*files) == [["a", "b"]]
    assert packed(*files, min_files=3) == []


def test_files_that_must_go_go_alone_and_whatever_their_size() -> None:
    assert packed(file("empty", rows=0), min_files=5) == [["empty"]]
    assert packed(file("deleted", 9000, has_deletes=True), min_files=5) == [["deleted"]]
    assert packed(file("deleted", 9000, has_deletes=True), file("small"), min_files=5) == [["deleted"]]
    assert packed(file("deleted", has_deletes=True), file("small")) == [["deleted", "small"]]


FILES = st.lists(
    st.builds(
        PackedFile,
        path=st.uuids().map(str),
        size_bytes=st.integers(1, 2 * TARGET),
        rows=st.integers(0, 3),
        partition=st.integers(0, 2),
        sequence_number=st.integers(0, 5),
        has_deletes=st.booleans(),
    ),
    unique_by=lambda one: one.path,
    max_size=40,
)


@given(FILES, st.integers(2, 6), st.randoms(use_true_random=False))
def test_groups_of_any_files(files: list[PackedFile], least: int, shuffling: random.Random) -> None:
    groups = pack(files, target_bytes=TARGET, min_files=least, most_files=7)

    grouped = [one for group in groups for one in group]
    assert len(set(grouped)) == len(grouped)
    assert {one for one in files if one.must_go} <= set(grouped)
    for group in groups:
        assert len({one.partition for one in group}) == 1
        assert len(group) <= 7
        assert len(group) == 1 or sum(one.size_bytes for one in group) <= TARGET
        assert len(group) > 1 or group[0].must_go
    again = list(files)
    shuffling.shuffle(again)
    assert pack(again, target_bytes=TARGET, min_files=least, most_files=7) == groups
