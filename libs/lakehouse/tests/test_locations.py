from __future__ import annotations

from pathlib import Path

import pytest

from floe_lakehouse.locations import attempt_folder, duckdb_target, local_path, warehouse_location


@pytest.mark.parametrize("location", ["file:///data/a b", "file:/data/a b", "/data/a b"])
def test_local_locations_are_paths_for_duckdb(location: str) -> None:
    assert local_path(location) == Path("/data/a b")
    assert duckdb_target(location) == "/data/a b"


def test_other_locations_stay_uris() -> None:
    assert local_path("s3://lake/data") is None
    assert duckdb_target("s3://lake/data") == "s3://lake/data"
    assert warehouse_location("s3://lake/warehouse/") == "s3://lake/warehouse"


def test_a_local_warehouse_becomes_an_absolute_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert warehouse_location("house") == warehouse_location(f"file://{tmp_path}/house/") == f"file://{tmp_path}/house"


def test_an_attempt_has_a_folder_of_its_own() -> None:
    assert attempt_folder("s3://lake/t/", "run:1/x", 2) == "s3://lake/t/data/run-1-x-2"
