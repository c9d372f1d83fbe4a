from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog

from floe_lakehouse.orphans import discard_staged

Read = Callable[[], list[dict[str, Any]]]
Files = Callable[[str], list[str]]
PARTED = {"partition_by": ("truncate[1](word)",)}


@pytest.fixture
def folders(tmp_path: Path) -> Callable[[], list[str]]:
    """The folders of attempts."""
    return lambda: sorted(path.name for path in (tmp_path / "warehouse").rglob("data/*"))


def test_a_new_attempt_removes_what_the_one_before_it_left(
    stage: Any, switch: Any, read: Read, files_under: Files, folders: Callable[[], list[str]]
) -> None:
    stage("select 'a' as word union all select 'b'", **PARTED)
    stage("select 'c' as word", run_id="run-10")
    stage("select 'c' as word", run_id="run")
    abandoned = stage("select 'a' as word", attempt=2)
    assert folders() == ["run-1", "run-1-2", "run-10-1"]
    Path(abandoned.files[0].location.removeprefix("file://")).with_name("half.parquet").write_bytes(b"PAR1")

    last = stage("select 'z' as word", attempt=3)
    assert folders() == ["run-1", "run-1-3", "run-10-1"]
    switch(last)
    assert read() == [{"word": "z"}]


def test_what_a_run_has_landed_stays_when_it_is_tried_again(stage: Any, switch: Any, read: Read) -> None:
    switch(stage("select 1 as id"))
    again = stage("select 2 as id", attempt=2)

    assert switch(again, sequence=2).already_landed
    assert read() == [{"id": 1}]


def test_discarding_takes_folders_of_partitions_with_it(
    stage: Any, switch: Any, catalog: Catalog, read: Read, folders: Callable[[], list[str]]
) -> None:
    switch(stage("select 'a' as word", **PARTED))
    failed = stage("select 'b' as word union all select 'c'", run_id="run-2", **PARTED)

    assert discard_staged(catalog, failed) == 2
    assert discard_staged(catalog, failed) == 0
    assert folders() == ["run-1-1"]
    assert read() == [{"word": "a"}]


def test_a_failed_staging_leaves_no_file(stage: Any, files_under: Files) -> None:
    query = "select case when i = 150000 then 170141183460469231731687303715884105727::hugeint else i end as n "
    with pytest.raises(Exception, match="FLOE-LAND-006"):
        stage(f"{query} from range(200000) r(i)")
    assert files_under("*.parquet") == []
