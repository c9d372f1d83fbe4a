"""What floe does for Nessie, against the server for tests made to behave as Nessie does there."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import ListType, LongType, NestedField, StringType, StructType

from floe_lakehouse.catalog_kinds.client_credentials import Client, ClientCredentials
from floe_lakehouse.catalog_kinds.nessie import NessieClient
from floe_lakehouse.catalogs import ensure_namespace
from floe_lakehouse.errors import SnapshotMissing
from floe_lakehouse.history.past_snapshots import find_snapshot
from floe_lakehouse.history.references import branch_snapshot, tag_snapshot
from floe_lakehouse.history.rollback import rollback_table
from floe_lakehouse.maintenance.expiry import ExpiryOptions, expire_snapshots
from floe_lakehouse.maintenance.orphan_files import remove_orphans
from floe_lakehouse.testing import rest_answers, rest_commits
from floe_lakehouse.testing.lake_under_test import LakeUnderTest
from floe_lakehouse.testing.rest_server import RestServer

NESTED = Schema(
    NestedField(1, "id", LongType(), required=False),
    NestedField(
        2,
        "lines",
        ListType(3, StructType(NestedField(4, "sku", StringType(), required=False)), element_required=False),
        required=False,
    ),
)


@pytest.fixture
def client(server: RestServer) -> NessieClient:
    tokens = f"{server.url}/v1/oauth/tokens"
    identity = ClientCredentials(Client(server.client_id, server.client_secret, tokens, {}))
    return NessieClient("nessie", identity=identity, uri=server.url, warehouse="lake")


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The bodies of the commits that the server gets."""
    got: list[dict[str, Any]] = []
    commit = rest_commits.commit_table

    def note(catalog: SqlCatalog, identifier: tuple[str, ...], body: dict[str, Any]) -> None:
        got.append(body)
        commit(catalog, identifier, body)

    monkeypatch.setattr(rest_commits, "commit_table", note)
    return got


def test_a_commit_has_one_update_of_properties_and_names_the_last_column(
    client: NessieClient, commits: list[dict[str, Any]]
) -> None:
    ensure_namespace(client, ("acme", "shop"), {})
    with client.create_table_transaction(("acme", "shop", "orders"), NESTED, properties={"a": "1"}) as creation:
        creation.set_properties({"b": "2"})
        creation.set_properties({"a": "3"})

    updates = {update["action"]: update for update in commits[0]["updates"]}
    assert len(updates) == len(commits[0]["updates"])
    assert updates["add-schema"]["last-column-id"] == 4
    assert updates["set-properties"]["updates"].items() >= {"a": "3", "b": "2"}.items()
    assert client.load_table(("acme", "shop", "orders")).properties["a"] == "3"


def test_files_stand_under_their_table_though_each_planned_creation_has_a_place_of_its_own(
    server: RestServer, client: NessieClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read = rest_answers.creation

    def elsewhere(body: dict[str, Any]) -> rest_answers.Creation:
        made = read(body)
        location = f"{(tmp_path / 'warehouse').as_uri()}/{made.name}_{uuid.uuid4()}"
        return replace(made, arguments={**made.arguments, "location": location})

    monkeypatch.setattr(rest_answers, "creation", elsewhere)
    lake = LakeUnderTest(server.properties, tmp_path)
    lake.catalog = client
    lake.land("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) t(id, word)")
    lake.land("SELECT 2 AS id, 'B' AS word", mode="upsert", unique_key=("id",))

    table = lake.table()
    assert lake.rows() == [(1, "a"), (2, "B")]
    for task in table.scan().plan_files():
        assert task.file.file_path.startswith(f"{table.location()}/data/")


def test_what_nessie_keeps_in_its_own_commits_is_neither_named_nor_removed(
    server: RestServer, client: NessieClient, tmp_path: Path
) -> None:
    """A server that would do it all is not even asked."""
    lake = LakeUnderTest(server.properties, tmp_path)
    first, second = lake.land("SELECT 1 AS id"), lake.land("SELECT 2 AS id")
    lake.stage("SELECT 3 AS id")  # a file that nothing reaches
    before = stored(tmp_path)
    ever = 2**62

    def never() -> None:
        raise AssertionError("nothing is committed")

    reports = [
        expire_snapshots(client, lake.orders, ExpiryOptions(ever, 1), fence=never),
        expire_snapshots(client, lake.orders, ExpiryOptions(ever, 1), fence=never, dry_run=True),
        remove_orphans(client, lake.orders, ever, fence=never),
        rollback_table(client, lake.orders, first.snapshot_id, fence=never),
        tag_snapshot(client, lake.orders, "release", second.snapshot_id, fence=never),
        branch_snapshot(client, lake.orders, "audit", None, remove=True, fence=never),
    ]

    assert {report.outcome for report in reports} == {"unsupported"}
    assert {str(report.reason).partition(",")[0] for report in reports} == {
        "this catalog keeps the past of tables in commits of its own"
    }
    assert stored(tmp_path) == before
    assert len(lake.table().snapshots()) == 2
    with pytest.raises(SnapshotMissing) as missing:
        find_snapshot(client.load_table(lake.orders), "12345")
    assert "its own tools" in str(missing.value.hint)


def stored(folder: Path) -> set[Path]:
    """The files of the lake."""
    return {path for path in (folder / "warehouse").rglob("*") if path.is_file()}
