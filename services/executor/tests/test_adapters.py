from __future__ import annotations

import json
import os
import shutil
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest

from floe_chassis.blobs import BlobStore
from floe_chassis.bus import Bus
from floe_chassis.source_bundles import pack
from floe_chassis.topology import RUNS_BUCKET
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.digests import canonical_json
from floe_contracts.errors import LeaseLost, Where
from floe_contracts.nodes import Node, NodeGraph
from floe_contracts.openlineage.naming import Place, run_id
from floe_contracts.runs import RunRecord, RunStatus, run_key
from floe_executor.adapters.building.dbt_process import DbtCommand, DbtProcess
from floe_executor.adapters.building.dbt_reports import ReportReader
from floe_executor.adapters.landing.iceberg_landing import IcebergLander
from floe_executor.adapters.landing.warehouse_files import database_file
from floe_executor.adapters.open_lineage import lineage_of, open_starts, outgoing_lineage
from floe_executor.adapters.project_sources import ProjectSources
from floe_executor.adapters.state.run_store import RunStore
from floe_executor.core import run_states
from floe_executor.core.lineage import LineageEvent
from floe_executor.core.node_reports import NodeBegan, NodeDone, NodeStatus
from floe_executor.core.ports import BuildRequest
from floe_executor.errors import RunChanged
from floe_lakehouse.compiled_catalogs import CatalogHandles
from floe_lakehouse.errors import NewerRunLanded

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


# ---- the records of runs


@pytest.mark.bus
async def test_a_run_is_added_once_and_waits_until_it_is_settled(store: RunStore, run_record: RunRecord) -> None:
    added = await store.add(run_record)
    later = run_record.model_copy(update={"requested_at": "2030-01-01T00:00:00+00:00"})
    assert await store.add(later) == added
    assert [stored async for stored in store.pending()] == [added]
    await store.settle(run_record)
    assert [stored async for stored in store.pending()] == []
    assert (await store.read(run_key(run_record.place, run_record.run_id))).record == run_record


@pytest.mark.bus
async def test_a_run_that_has_ended_does_not_wait_again(store: RunStore, run_record: RunRecord) -> None:
    ended = run_record.model_copy(update={"status": RunStatus.COMPLETED})
    await store.add(ended)
    assert [stored async for stored in store.pending()] == []


@pytest.mark.bus
async def test_only_one_of_two_workers_writes_the_next_state(store: RunStore, run_record: RunRecord) -> None:
    seen = await store.add(run_record)
    first = await store.update(seen, run_states.started(run_record, NOW))
    assert first.revision > seen.revision
    assert await store.update(seen, first.record) == first  # asked again, after an answer that was lost
    with pytest.raises(RunChanged, match=run_record.run_id):
        await store.update(seen, run_states.staged(run_record, "sha256:journal", 1))
    assert await store.read(run_key(run_record.place, run_record.run_id)) == first


@pytest.mark.bus
async def test_the_oldest_request_comes_first_and_a_marker_of_nothing_is_swept(
    bus: Bus, store: RunStore, run_record: RunRecord
) -> None:
    for day, cause in ((3, "c"), (1, "a"), (2, "b")):
        changes = {"run_id": run_id(run_record.place, cause), "requested_at": f"2026-11-0{day}T00:00:00+00:00"}
        await store.add(run_record.model_copy(update=changes))
    bucket = await bus.key_value(RUNS_BUCKET)
    await bucket.put("pending.default.dev.shop.nothing", b"")
    assert [stored.record.run_id async for stored in store.pending()] == [
        run_id(run_record.place, cause) for cause in "abc"
    ]
    assert len([stored async for stored in store.pending()]) == 3
    assert "pending.default.dev.shop.nothing" not in await bucket.keys()


# ---- lineage on the stream


@pytest.mark.bus
async def test_what_a_dead_worker_left_open_is_found(bus: Bus, run_record: RunRecord) -> None:
    def event(kind: str, run: str) -> LineageEvent:
        job = {"namespace": "floe://default/dev", "name": f"job {run}"}
        return {"eventType": kind, "run": {"runId": run}, "job": job, "eventTime": kind}

    async def publish(record: RunRecord, kind: str, run: str) -> None:
        message = outgoing_lineage(record, event(kind, run))
        await bus.publish_raw(message.subject, message.body.encode(), message.headers, message.id)

    other = run_record.model_copy(update={"run_id": run_id(run_record.place, "other")})
    for kind, run in (("START", run_record.run_id), ("START", "a"), ("START", "b"), ("COMPLETE", "a")):
        await publish(run_record, kind, run)
    await publish(other, "START", "c")
    await publish(run_record, "START", "b")  # the same event again is stored once
    assert [found["run"]["runId"] async for found in lineage_of(bus, run_record)] == [run_record.run_id, "a", "b", "a"]
    assert [found["run"]["runId"] for found in await open_starts(bus, run_record)] == ["b"]


# ---- dbt as a process


@pytest.fixture
def command(tmp_path: Path) -> Callable[[str], DbtCommand]:
    """A command that runs a shell script in dbt's place."""

    def make(script: str) -> DbtCommand:
        executable = tmp_path / "dbt"
        executable.write_text(f"#!/bin/sh\n{script}\n")
        executable.chmod(executable.stat().st_mode | stat.S_IXUSR)
        project = tmp_path / "project"
        project.mkdir(exist_ok=True)
        return DbtCommand(
            executable=executable,
            environment={"PATH": os.environ["PATH"], "SHOWN": "yes"},
            project=project,
            target=tmp_path / "target",
            parsed=tmp_path / "parsed",
        )

    return make


def line(message: str, level: str = "info") -> str:
    return f"echo '{json.dumps({'info': {'name': 'X', 'level': level, 'msg': message}, 'data': {}})}'"


def test_events_are_read_and_the_rest_are_last_words(command: Callable[[str], DbtCommand]) -> None:
    script = "\n".join(
        [line("one"), "echo plain", "echo '[1]'", line("two", "error"), "echo $SHOWN $HOME to stderr >&2", "exit 2"]
    )
    process = DbtProcess(command(script))
    assert [event["info"]["msg"] for event in process.events()] == ["one", "two"]
    assert process.wait() == 2
    assert process.last_words() == "plain\ntwo\nyes to stderr"


def test_only_the_last_words_are_kept(command: Callable[[str], DbtCommand]) -> None:
    process = DbtProcess(command("for n in $(seq 1 100); do echo word $n; done"))
    assert list(process.events()) == []
    assert process.last_words().splitlines() == [f"word {number}" for number in range(81, 101)]


def test_the_partial_parse_goes_from_one_run_to_the_next(command: Callable[[str], DbtCommand], tmp_path: Path) -> None:
    script = 'cat "$DBT_TARGET_PATH/partial_parse.msgpack"; echo parsed > "$DBT_TARGET_PATH/partial_parse.msgpack"'
    for number, words in (("1", "No such file"), ("2", "parsed")):
        process = DbtProcess(command(f"{script}; exit {'1' if number == '1' else '0'}"))
        list(process.events())
        process.wait()
        assert words in process.last_words()
    process = DbtProcess(command('echo half > "$DBT_TARGET_PATH/partial_parse.msgpack"; exit 2'))
    list(process.events())
    process.wait()
    assert (tmp_path / "parsed" / "partial_parse.msgpack").read_text() == "parsed\n"


def test_killing_ends_dbt_and_all_that_it_started(command: Callable[[str], DbtCommand]) -> None:
    process = DbtProcess(command('sleep 1000 &\necho "{\\"info\\": {\\"msg\\": \\"$!\\"}}"\nwait'))
    events = process.events()
    started = psutil.Process(int(next(events)["info"]["msg"]))
    killing = threading.Thread(target=process.kill)
    killing.start()
    assert list(events) == []
    assert process.wait() == -9
    killing.join()
    process.kill()  # once more changes nothing
    _, alive = psutil.wait_procs([started], timeout=60)
    assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []


# ---- what dbt says of its nodes


def raw(name: str, unique_id: str, msg: str = "", **data: Any) -> dict[str, Any]:
    node = {"unique_id": unique_id, "resource_type": "model", **data.pop("node", {})}
    return {"info": {"name": name, "msg": msg, "ts": "2026-11-20T09:30:00Z"}, "data": {"node_info": node, **data}}


def test_a_failure_is_explained_after_it_was_told(tmp_path: Path) -> None:
    model = tmp_path / "models" / "deep" / "a.sql"
    model.parent.mkdir(parents=True)
    model.write_text("{{ config(materialized='table') }}\n\n  select nope from {{ ref('b') }}\nwhere true\n")
    reader = ReportReader("dbt", tmp_path)
    assert reader.read(raw("MainReportVersion", "", "running")) is None
    began = reader.read(raw("LogStartLine", "model.shop.a"))
    assert began == NodeBegan("model.shop.a", NOW)
    done = reader.read(
        raw("LogModelResult", "model.shop.a", "ERROR", execution_time=1.5, node={"node_status": "error"})
    )
    assert isinstance(done, NodeDone)
    assert (done.status, done.message, done.seconds) == (NodeStatus.FAILED, "ERROR", 1.5)
    skipped = reader.read(raw("SkippingDetails", "model.shop.b", "SKIP"))
    assert isinstance(skipped, NodeDone)
    assert skipped.status is NodeStatus.SKIPPED
    text = 'Runtime Error (models/deep/a.sql)\n  Binder Error\n  LINE 10:    select nope from "shop"."main"."b"'
    assert reader.read(raw("RunResultError", "model.shop.a", text)) is None
    assert reader.read(raw("RunResultError", "model.shop.never_failed", text)) is None
    (failed,) = reader.failed()
    assert failed.message == text
    assert reader.where_of(failed) == Where("dbt/models/deep/a.sql", 3)
    assert ReportReader(".", tmp_path).where_of(failed) == Where("models/deep/a.sql", 3)
    model.write_text("select nope from {{ ref('b') }}\nunion all select nope from c\nselect nope from d\n")
    assert ReportReader(".", tmp_path).where_of(failed) == Where("models/deep/a.sql", 1)
    model.write_text("select nope from {{ ref('b') }}\nselect nope from {{ ref('c') }}\n")
    assert ReportReader(".", tmp_path).where_of(failed) == Where("models/deep/a.sql")
    model.unlink()
    assert ReportReader(".", tmp_path).where_of(failed) == Where("models/deep/a.sql")


def test_a_success_needs_no_words(tmp_path: Path) -> None:
    reader = ReportReader("dbt", tmp_path)
    done = reader.read(raw("LogModelResult", "model.shop.a", "OK", node={"node_status": "success"}))
    assert isinstance(done, NodeDone)
    assert (done.status, done.message) == (NodeStatus.SUCCESS, None)
    assert reader.where_of(done) is None


# ---- landing


def build_request(record: RunRecord, artifact: CompiledArtifacts, tmp_path: Path) -> BuildRequest:
    return BuildRequest(
        record, artifact, artifact.environments["dev"], NodeGraph(project="shop", nodes=(), checks=()), {}, tmp_path
    )


async def test_staged_rows_become_the_table_once_and_only_under_the_lease(
    run_record: RunRecord, artifact: CompiledArtifacts, place: Place, tmp_path: Path
) -> None:
    database = database_file(tmp_path / "warehouse", place)
    assert database == tmp_path / "warehouse" / "default" / "dev" / "shop.duckdb"
    database.parent.mkdir(parents=True)
    with duckdb.connect(str(database)) as connection:
        connection.execute("create table orders as select 1 as id, 'ann' as customer")
    local = {"uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"file://{tmp_path}/lake"}
    lander = IcebergLander(
        CatalogHandles(local, lambda tenant: {}.__getitem__),
        lambda at: database_file(tmp_path / "warehouse", at),
        secrets=lambda tenant: {}.__getitem__,
    )
    orders = Node(
        unique_id="model.shop.orders",
        name="orders",
        resource_type="model",
        materialized="table",
        database="shop",
        schema_name="main",
        identifier="orders",
        path="models/orders.sql",
    )
    request = build_request(run_record, artifact, tmp_path)
    (staged,) = await lander.stage(request, [orders])

    def lost() -> None:
        raise LeaseLost("somebody else has it")

    with pytest.raises(LeaseLost):
        await lander.switch(request, staged, token=5, fence=lost)
    landed = await lander.switch(request, staged, token=5, fence=lambda: None)
    assert (landed.table.identifier, landed.table.rows) == ("default.dev.shop.main.orders", 1)
    assert [(name, kind) for name, kind, _ in landed.columns] == [("id", "int"), ("customer", "string")]
    assert await lander.switch(request, staged, token=6, fence=lost) == landed

    older = build_request(
        run_record.model_copy(update={"run_id": run_id(run_record.place, "older")}), artifact, tmp_path
    )
    (late,) = await lander.stage(older, [orders])
    with pytest.raises(NewerRunLanded):
        await lander.switch(older, late, token=4, fence=lambda: None)


# ---- sources


async def test_manifests_are_read_once_as_long_as_they_are_kept(blobs: BlobStore, tmp_path: Path) -> None:
    sources = ProjectSources(blobs, tmp_path)
    digests = [await blobs.put(canonical_json({"number": number})) for number in range(9)]
    first = await sources.manifest(digests[0])
    assert await sources.manifest(digests[0]) is first
    for digest in digests[1:]:
        await sources.manifest(digest)
    assert await sources.manifest(digests[0]) == first
    assert await sources.manifest(digests[0]) is not first


async def test_packages_of_the_artifact_stand_beside_the_project(
    artifact: CompiledArtifacts, run_record: RunRecord, blobs: BlobStore, tmp_path: Path
) -> None:
    source = tmp_path / "source" / "dbt"
    (source / "dbt_packages" / "utils").mkdir(parents=True)
    (source / "dbt_packages" / "utils" / "dbt_project.yml").write_text("name: utils")
    packages = await pack(source.parent, blobs, below="dbt/dbt_packages")
    shutil.rmtree(source / "dbt_packages")
    (source / "dbt_project.yml").write_text("name: shop")
    parts = artifact.sources.model_copy(update={"bundle": await pack(source.parent, blobs), "packages": packages})
    sources = ProjectSources(blobs, tmp_path / "work")
    folder = await sources.check_out(run_record.place, artifact.model_copy(update={"sources": parts}))
    assert (folder / "dbt_project.yml").is_file()
    assert (folder / "dbt_packages" / "utils" / "dbt_project.yml").is_file()
