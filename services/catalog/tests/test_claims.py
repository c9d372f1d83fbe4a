"""What a table says against the claim of a run, where its catalog shows the current snapshot only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from floe_catalog.core.claims import Contradiction, Missing, objection
from floe_catalog.core.ports import ShownSnapshot, ShownTable
from floe_contracts.events import LandedTable, RunCompleted, RunSeconds, TableSchema

NAME = "default.dev.shop.main.orders"
CLAIM = LandedTable(
    identifier=NAME, unique_id="model.shop.orders", table_uuid="u", snapshot_id=1, rows=2, files=1, bytes=9
)
RUN = RunCompleted(
    tenant="default",
    environment="dev",
    product="shop",
    run_id="r1",
    artifact_digest="sha256:00",
    attempt=1,
    nodes=(),
    tables=(CLAIM,),
    lineage_events=0,
    seconds=RunSeconds(run=1.0, land=0.5),
)
OTHERS = ShownSnapshot(
    snapshot_id=2,
    parent_snapshot_id=None,
    sequence_number=2,
    operation="replace",
    rows=2,
    files=1,
    bytes=9,
    delete_files=0,
    run_id=None,
    artifact_digest=None,
    committed_at="2026-01-01T00:00:00.000+00:00",
    maintenance=True,
)
TABLE = ShownTable(
    identifier=NAME,
    table_uuid="u",
    location="s3://lake/orders",
    metadata_location="s3://lake/orders/metadata/1.json",
    schema=TableSchema(schema_id=0, columns=()),
    snapshot_id=2,
    snapshots={2: OTHERS},
)


def test_what_others_have_committed_over_is_not_waited_for() -> None:
    assert isinstance(objection(RUN, CLAIM, TABLE, attached=False), Missing)
    assert objection(RUN, CLAIM, replace(TABLE, forgets=True), attached=False) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"table_uuid": "v"}, Contradiction), ({"snapshot_id": None, "snapshots": {}}, Missing)],
    ids=["another table", "nothing committed"],
)
def test_what_it_does_show_still_counts(changes: dict[str, object], expected: type) -> None:
    assert isinstance(objection(RUN, CLAIM, replace(TABLE, forgets=True, **changes), attached=False), expected)
    wrong = replace(TABLE, forgets=True, snapshot_id=1, snapshots={1: replace(OTHERS, snapshot_id=1)})
    assert isinstance(objection(RUN, CLAIM, wrong, attached=False), Contradiction)
