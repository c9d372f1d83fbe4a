from __future__ import annotations

import time
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from floe_contracts.errors import ContractError, Permanent
from floe_lakehouse.errors import TableMissing
from floe_lakehouse.snapshots import PRODUCT, RUN_ID, SchemaField, list_tables, table_summary
from floe_lakehouse.staged import StagedTable


def test_summary_tells_the_landing(stage: Any, switch: Any, catalog: Catalog, identifier: Any) -> None:
    first = switch(stage("select i as id from range(100) as rows(i)"), **{PRODUCT: "shop"})
    second = switch(stage("select i as id from range(40) as rows(i)", run_id="run-2"), sequence=2, **{PRODUCT: "shop"})
    summary = table_summary(catalog, identifier)

    assert (summary.snapshot_id, summary.parent_snapshot_id) == (second.snapshot_id, first.snapshot_id)
    assert (summary.rows, summary.files, summary.size_bytes) == (40, second.files, second.size_bytes)
    assert summary.operation == "overwrite"
    assert summary.properties[RUN_ID] == "run-2"
    assert summary.properties[PRODUCT] == "shop"
    assert all(key.startswith("floe.") for key in summary.properties)
    assert summary.fields == (SchemaField(1, "id", "long", required=False),)
    assert summary.table_uuid == second.table_uuid
    assert summary.metadata_location.startswith(f"{summary.location}/metadata/")
    assert summary.committed_at_ms
    assert abs(summary.committed_at_ms / 1000 - time.time()) < 60


def test_summary_of_a_table_that_nobody_wrote_to(stage: Any, switch: Any, catalog: Catalog, identifier: Any) -> None:
    switch(stage("select 1 as id"))
    other = (*identifier[:-1], "other")
    catalog.create_table(other, pa.schema([("id", pa.int64())]))
    summary = table_summary(catalog, other)

    assert (summary.snapshot_id, summary.operation, summary.committed_at_ms) == (None, None, None)
    assert (summary.rows, summary.files, dict(summary.properties)) == (0, 0, {})
    assert list_tables(catalog, identifier[:-1]) == (identifier, other)


def test_a_missing_table_is_told(catalog: Catalog, identifier: Any) -> None:
    with pytest.raises(TableMissing, match=r"FLOE-LAKE-004.*acme\.dev\.shop\.orders") as caught:
        table_summary(catalog, identifier)
    assert isinstance(caught.value, Permanent)
    assert list_tables(catalog, identifier[:-1]) == ()


@pytest.mark.parametrize("change", [{"mode": "merge"}, {"files": [{"rows": 1}]}, {"identifier": None}])
def test_a_journal_that_cannot_be_read_is_refused(stage: Any, change: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        StagedTable.from_json({**stage("select 1 as id").to_json(), **change})


def test_a_journal_of_a_newer_version_with_more_fields_is_read(stage: Any) -> None:
    staged = stage("select 1 as id")

    assert StagedTable.from_json({**staged.to_json(), "unheard_of": 1}) == staged
