from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField

from floe_lakehouse.catalogs import ensure_namespace
from floe_lakehouse.errors import SchemaBroken
from floe_lakehouse.staged import StagedTable

Read = Callable[[], list[dict[str, Any]]]


def test_an_allowed_change_is_a_new_column_of_the_same_name_in_the_same_commit(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any, files_under: Callable[[str], list[str]]
) -> None:
    first = switch(stage("select 1 as id, 'x' as n, {'a': 1} as s"))
    staged = stage("select 2 as id, 7 as n, {'a': 'text'} as s", run_id="run-2", allow_breaking=True)
    second = switch(StagedTable.from_json(staged.to_json()), sequence=2)

    assert read() == [{"id": 2, "n": 7, "s": {"a": "text"}}]
    ids = {field.name: field.field_id for field in first.fields}
    new = {field.name: field.field_id for field in second.fields}
    assert new["id"] == ids["id"]
    assert new["n"] not in ids.values()
    assert new["s"] not in ids.values()
    assert len(files_under("*.metadata.json")) == 2
    old = catalog.load_table(identifier).scan(snapshot_id=first.snapshot_id).to_arrow()
    assert (old.num_rows, old.schema.field("n").type) == (1, "large_string")

    with pytest.raises(SchemaBroken):
        stage("select 2 as id, 'y' as n", run_id="run-3")
    switch(stage("select 3 as id, 8::bigint as n, {'a': 'b'} as s", run_id="run-4"), sequence=4)
    assert read() == [{"id": 3, "n": 8, "s": {"a": "b"}}]


def test_spelling_and_required_columns_may_be_given_up_too(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    ensure_namespace(catalog, identifier[:-1], {})
    fields = (NestedField(1, "key", LongType(), required=True), NestedField(2, "Word", LongType(), required=False))
    catalog.create_table(identifier, Schema(*fields))

    switch(stage("select 'a' as word", allow_breaking=True))
    assert read() == [{"word": "a"}]


@pytest.mark.parametrize("mode", [{"mode": "upsert", "unique_key": ("id",)}, {"mode": "append", "watermark": "id"}])
def test_rows_that_stay_keep_their_columns(stage: Any, switch: Any, mode: dict[str, Any]) -> None:
    switch(stage("select 1 as id, 2 as n", **mode))
    with pytest.raises(SchemaBroken):
        stage("select 2 as id, 'x' as n", run_id="run-2", allow_breaking=True, **mode)
