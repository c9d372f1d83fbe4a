"""What a snapshot says of itself."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from floe_lakehouse.history.past_snapshots import past_snapshot


@pytest.mark.parametrize(
    ("told", "rows"),
    [
        ({}, 3),
        ({"total-delete-files": "1", "total-position-deletes": "2"}, 1),
        ({"total-delete-files": "1", "total-position-deletes": "9"}, 0),
        ({"total-delete-files": "1"}, None),
        ({"total-delete-files": "2", "total-position-deletes": "1", "total-equality-deletes": "1"}, None),
    ],
    ids=["no-deletes", "by-position", "more-than-rows", "not-counted", "by-value"],
)
def test_rows_are_those_that_deletes_leave(catalog: Catalog, told: dict[str, Any], rows: int | None) -> None:
    catalog.create_namespace("x")
    table = catalog.create_table("x.counted", pa.schema([("id", pa.int64())]))
    table.append(pa.table({"id": [1, 2, 3]}))
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    counted = {key: value for key, value in snapshot.summary.additional_properties.items() if "deletes" not in key}
    told_so = snapshot.summary.model_copy(update={"_additional_properties": counted | told})
    told_so._additional_properties = counted | told
    past = past_snapshot(table.metadata, snapshot.model_copy(update={"summary": told_so}))
    assert past.rows == rows
