"""The commands that speak to a bus, against a real one, with the test in the place of the services."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.blobs import BlobStore, open_blobs
from floe_chassis.bus import Bus
from floe_chassis.dead_letters import REPLAY_FOR
from floe_chassis.settings import ChassisSettings
from floe_chassis.source_bundles import pack
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import LINEAGE, RUNS_BUCKET, SPECS
from floe_cli.exit_codes import ExitCode
from floe_contracts import subjects
from floe_contracts.artifacts import CompiledArtifacts, DbtProject, ProductIdentity, Serving, Sources, Tools
from floe_contracts.cloudevents import decode
from floe_contracts.digests import PREFIX, canonical_json, digest_of, short
from floe_contracts.events import (
    ArtifactCompiled,
    LandedTable,
    RunCompleted,
    RunSeconds,
    SemanticRendered,
    SourceReference,
    SpecSubmitted,
    TableCommitted,
)
from floe_contracts.openlineage import dataset_facets, run_facets
from floe_contracts.openlineage.envelope import RUN_HEADER
from floe_contracts.openlineage.events import EventType, run_event, to_bytes
from floe_contracts.openlineage.naming import Place, iceberg_dataset, run_id
from floe_contracts.runs import RunRecord, RunStatus, run_key

pytestmark = pytest.mark.bus

Floe = Callable[..., Any]
PLACE = Place("default", "dev", "shop")
RUN = run_id(PLACE, "shop:s1:run")
SNAPSHOT = 2**62 + 1
IDENTIFIER = "default.dev.shop.main.orders"


@pytest.fixture
def blobs(configured: ChassisSettings) -> BlobStore:
    return open_blobs(configured.blobs_url)


async def specs(bus: Bus) -> list[SpecSubmitted]:
    read = read_stream(bus.js, SPECS, "floe.v1.spec.submitted.>")
    events = [decode(message.subject, message.headers, message.data).event async for message in read]
    return [event for event in events if isinstance(event, SpecSubmitted)]


async def test_a_product_is_published_with_the_documents_above_its_platform(
    bus: Bus, blobs: BlobStore, floe: Floe, product: Any, platform_yaml: str, tmp_path: Path
) -> None:
    above = platform_yaml.replace("metadata:", "scope: enterprise\nmetadata:")
    (tmp_path / "enterprise.yaml").write_text(above)
    header = "apiVersion: floe.dev/v1\nkind: PlatformSpec\nmetadata: {name: own, version: 1.0.0, owner: me}\n"
    own = header + "scope: domain\nparent: {file: ../enterprise.yaml}\n"
    said = await asyncio.to_thread(floe, "publish", product({"platform.yaml": own}), "--submission", "mine")
    assert said.code == 0, said.err
    (event,) = await specs(bus)
    assert event.platform == digest_of(own.encode())
    assert event.platform_parents == {"../enterprise.yaml": digest_of(above.encode())}
    assert await blobs.get(event.platform_parents["../enterprise.yaml"]) == above.encode()


async def test_a_product_is_published_with_its_files(
    bus: Bus, blobs: BlobStore, floe: Floe, product: Any, platform_yaml: str
) -> None:
    folder = product({"platform.yaml": platform_yaml})
    said = await asyncio.to_thread(floe, "publish", folder, "--submission", "mine")
    assert said.code == 0, said.err
    (event,) = await specs(bus)
    assert (event.tenant, event.product, event.submission) == ("default", "shop", "mine")
    assert event.platform == digest_of(platform_yaml.encode())
    assert said.out == f"published shop, submission mine, bundle {event.bundle}\n"
    assert await blobs.has(event.bundle)
    again = await asyncio.to_thread(floe, "publish", folder, "--submission", "mine")
    assert again.out == said.out
    assert len(await specs(bus)) == 1
    await asyncio.to_thread(floe, "publish", folder)
    assert len(await specs(bus)) == 2


async def test_publishing_needs_a_blob_store(
    bus: Bus, configured: ChassisSettings, floe: Floe, product: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLOE_BLOBS_URL")
    said = await asyncio.to_thread(floe, "publish", product())
    assert said.code == ExitCode.WRONG_USAGE
    assert "set FLOE_BLOBS_URL" in said.err
    assert await specs(bus) == []


async def test_the_topology_is_applied_once(bus: Bus, configured: ChassisSettings, floe: Floe) -> None:
    await bus.js.delete_stream(SPECS)
    said = await asyncio.to_thread(floe, "topology", "apply", "--dry-run")
    assert "created   stream   FLOE_SPECS" in said.out
    assert (await asyncio.to_thread(floe, "topology", "apply")).code == 0
    said = await asyncio.to_thread(floe, "topology", "apply")
    assert {line.split()[0] for line in said.out.splitlines()} == {"unchanged"}
    said = await asyncio.to_thread(floe, "topology", "apply", "--lineage-backend", "elsewhere", "--dry-run")
    assert "created   consumer lineage-elsewhere" in said.out


async def test_the_topology_has_a_consumer_for_each_backend_of_a_platform(
    bus: Bus, configured: ChassisSettings, floe: Floe, platform_yaml: str, tmp_path: Path
) -> None:
    backend = "observability: {lineage: {archive: {type: folder, options: {path: /tmp/lineage}}}}\n"
    (tmp_path / "platform.yaml").write_text(platform_yaml + backend)
    said = await asyncio.to_thread(floe, "topology", "apply", "--platform", tmp_path / "platform.yaml")
    assert said.code == 0, said.err
    assert "created   consumer lineage-archive" in said.out
    assert "lineage-file" in said.out


async def test_a_difference_of_the_topology_is_shown(
    bus: Bus, configured: ChassisSettings, floe: Floe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOE_ACK_WAIT", "7")
    said = await asyncio.to_thread(floe, "topology", "apply", "--dry-run")
    assert "updated   consumer compiler\n            ack_wait: 2.0 -> 7.0\n" in said.out


async def test_status_of_an_empty_bus(bus: Bus, configured: ChassisSettings, floe: Floe) -> None:
    said = await asyncio.to_thread(floe, "status")
    assert (said.code, said.out) == (0, "no product has been compiled yet\n")


# ---- a whole chain, published as the services would


@dataclass(frozen=True, slots=True)
class Chain:
    """A run and all that belongs to it."""

    folder: Path
    artifact: CompiledArtifacts
    bundle: str
    cubes: str


@pytest.fixture
async def chain(bus: Bus, blobs: BlobStore, product: Any) -> Chain:
    folder = product()
    source = await pack(folder, blobs)
    artifact = CompiledArtifacts(
        product=ProductIdentity(name="shop", version="1.0.0", description="", owner="me", labels={}),
        sources=Sources(bundle=source, platform=digest_of(b"platform")),
        tools=Tools(dbt_core="1.11.0", adapters={}),
        transforms=(DbtProject(path="dbt"),),
        landing=("table",),
        serving=Serving(cube=True),
        environments={},
    )
    digest = await blobs.put(artifact.to_bytes())
    compiled = ArtifactCompiled(
        tenant="default",
        product="shop",
        submission="s1",
        artifact_digest=digest,
        artifact=artifact.to_document(),
        seconds=0.1,
    )
    await bus.publish(compiled, id=f"shop:s1:{short(digest)}")
    cube = await blobs.put(b"cubes: []")
    cubes = await blobs.put(canonical_json({"version": "1.0", "files": {"model/orders.yml": cube}}))
    where = {"tenant": "default", "environment": "dev", "product": "shop"}
    table = {"identifier": IDENTIFIER, "table_uuid": "u", "snapshot_id": SNAPSHOT, "rows": 1234, "files": 1, "bytes": 9}
    completed = RunCompleted(
        **where,
        run_id=RUN,
        artifact_digest=digest,
        attempt=1,
        nodes=(),
        tables=(LandedTable(**table, unique_id="model.shop.orders"),),
        lineage_events=2,
        seconds=RunSeconds(run=1.0, land=0.5),
    )
    committed = TableCommitted(**where, **table, operation="append", run_id=RUN, artifact_digest=digest)
    rendered = SemanticRendered(
        **where, artifact_digest=digest, bundle_digest=cubes, cubes=("orders",), views=(), skipped=()
    )
    for event in (completed, committed, rendered):
        await bus.publish(event, id=f"{event.kind}")
    for kind in ("START", "COMPLETE"):
        await publish_lineage(bus, kind, digest)
    record = RunRecord(
        run_id=RUN,
        **where,
        artifact_digest=digest,
        status=RunStatus.COMPLETED,
        attempt=1,
        cause="shop:s1:run",
        requested_at="2026-11-20T09:30:00+00:00",
        ended_at="2026-11-20T09:31:00+00:00",
    )
    await (await bus.key_value(RUNS_BUCKET)).put(run_key(PLACE, RUN), record.model_dump_json().encode())
    return Chain(folder, artifact, source, cubes)


async def publish_lineage(bus: Bus, kind: EventType, digest: str, run: str = RUN) -> None:
    output = dataset_facets.dataset(
        iceberg_dataset(PLACE, IDENTIFIER), {"version": dataset_facets.version(str(SNAPSHOT))}
    )
    event = run_event(
        kind,
        time=datetime.now(UTC),
        place=PLACE,
        job="shop",
        run_id=run,
        run_facets={"floe_artifact": run_facets.artifact(digest, 1)},
        job_facets={},
        outputs=[output] if kind == "COMPLETE" else [],
    )
    subject = subjects.lineage("default", "dev", "shop", "shop", kind)
    await bus.publish_raw(subject, to_bytes(event), {RUN_HEADER: run}, f"{run}:{kind}")


def blob_file(settings: ChassisSettings, digest: str) -> Path:
    return Path((settings.blobs_url or "").removeprefix("file://")) / "sha256" / digest.removeprefix(PREFIX)


async def trace(floe: Floe, folder: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    said = await asyncio.to_thread(floe, "trace", RUN, folder, "--json")
    document = json.loads(said.out)
    assert document["run_id"] == RUN
    assert all(set(link) == {"name", "id", "verified", "evidence"} for link in document["links"])
    return said.code, {link["name"]: link for link in document["links"]}


async def test_the_status_shows_the_live_artifact_and_its_runs(chain: Chain, floe: Floe) -> None:
    digest = chain.artifact.digest()
    said = await asyncio.to_thread(floe, "status", chain.folder)
    assert said.out.splitlines() == [
        f"shop  artifact {digest}",
        f"  completed dev  run {RUN}  attempt 1  2026-11-20T09:31:00+00:00",
        f"  Cube      dev  bundle {short(chain.cubes)}, no Cube has answered with it yet",
    ]
    document = json.loads((await asyncio.to_thread(floe, "status", "--json")).out)
    assert document["products"] == {"shop": digest}
    assert [(run["run_id"], run["status"]) for run in document["runs"]] == [(RUN, "completed")]
    assert [(one["product"], one["environment"], one["status"]) for one in document["served"]] == [
        ("shop", "dev", "rendered")
    ]


async def test_every_link_of_a_run_is_verified(chain: Chain, floe: Floe, bus: Bus) -> None:
    future = {"ce-type": "dev.floe.run.superseded.v1", "ce-specversion": "1.0"}
    await bus.publish_raw("floe.v1.run.superseded.default.dev.shop", b"{}", future, "of a newer floe")
    code, links = await trace(floe, chain.folder)
    assert code == 0
    assert list(links) == ["source", "artifact", "run", "snapshot", "lineage", "Cube bundle"]
    assert [name for name, link in links.items() if not link["verified"]] == []
    assert links["source"]["id"] == chain.bundle
    assert links["source"]["evidence"].endswith("the files here have it too")
    assert links["artifact"]["id"] == chain.artifact.digest()
    assert links["snapshot"]["id"] == f"{IDENTIFIER} @ {SNAPSHOT}"
    assert links["Cube bundle"]["id"] == chain.cubes
    said = await asyncio.to_thread(floe, "trace", RUN, chain.folder)
    assert said.out.count("✓") == 6
    assert "1,234 rows" in said.out


async def test_a_folder_that_changed_since_is_told(chain: Chain, floe: Floe) -> None:
    (chain.folder / "dbt/models/orders.sql").write_text("select 2 as id")
    code, links = await trace(floe, chain.folder)
    assert code == 0
    assert "the files here have changed since (sha256:" in links["source"]["evidence"]
    code, links = await trace(floe, chain.folder / "nowhere")
    assert "files here" not in links["source"]["evidence"]


@pytest.mark.parametrize("part", ["artifact", "source", "Cube bundle"])
async def test_a_tampered_blob_is_found(chain: Chain, floe: Floe, configured: ChassisSettings, part: str) -> None:
    digest = {"artifact": chain.artifact.digest(), "source": chain.bundle, "Cube bundle": chain.cubes}[part]
    file = blob_file(configured, digest)
    file.write_bytes(file.read_bytes() + b" ")
    code, links = await trace(floe, chain.folder)
    assert code == ExitCode.RUN_FAILED
    assert links[part]["verified"] is False
    assert "FLOE-BLOB-002" in links[part]["evidence"]
    assert [name for name, link in links.items() if not link["verified"]] == [part]


async def test_a_tampered_file_of_the_source_is_found(
    chain: Chain, floe: Floe, configured: ChassisSettings, blobs: BlobStore
) -> None:
    files = json.loads(await blobs.get(chain.bundle))["files"]
    model = next(file for file in files if file["path"] == "dbt/models/orders.sql")
    blob_file(configured, PREFIX + model["sha256"]).write_bytes(b"select 'forged'")
    code, links = await trace(floe, chain.folder)
    assert code == ExitCode.RUN_FAILED
    assert links["source"]["verified"] is False


async def test_lineage_that_is_not_the_runs_own_is_found(chain: Chain, floe: Floe, bus: Bus) -> None:
    await publish_lineage(bus, "ABORT", digest_of(b"another artifact"))
    code, links = await trace(floe, chain.folder)
    assert code == ExitCode.RUN_FAILED
    assert (links["lineage"]["id"], links["lineage"]["evidence"]) == ("2 events", "3 on the stream")
    said = await asyncio.to_thread(floe, "trace", RUN, chain.folder)
    assert said.out.count("✗") == 1


async def publish_strange(bus: Bus, product: str) -> None:
    """Events that have the run's id, and nothing else of one of floe's own."""
    bodies = (b"rubbish", b"[1]", b'{"run": [], "outputs": {}}', b'{"run": {"facets": []}, "outputs": [1, {}]}')
    for number, body in enumerate(bodies):
        subject = subjects.lineage("default", "dev", product, "load", "COMPLETE")
        await bus.publish_raw(subject, body, {RUN_HEADER: RUN}, f"strange {number} of {product}")


async def test_what_others_say_of_a_run_neither_counts_nor_breaks_the_trace(chain: Chain, floe: Floe, bus: Bus) -> None:
    await publish_strange(bus, "-airflow")
    code, links = await trace(floe, chain.folder)
    assert (code, links["lineage"]["id"]) == (0, "2 events")
    await publish_strange(bus, "shop")
    code, links = await trace(floe, chain.folder)
    assert code == ExitCode.RUN_FAILED
    assert [name for name, link in links.items() if not link["verified"]] == ["lineage"]
    assert links["lineage"]["evidence"] == "6 on the stream"


async def test_what_one_backend_gets_again_is_not_counted_twice(chain: Chain, floe: Floe, bus: Bus) -> None:
    (message, *_) = [m async for m in read_stream(bus.js, LINEAGE, subjects.lineage_pattern())]
    await bus.publish_raw(message.subject, message.data, {RUN_HEADER: RUN, REPLAY_FOR: "lineage-http"}, "again")
    code, _ = await trace(floe, chain.folder)
    assert code == 0
    said = await asyncio.to_thread(floe, "lineage", "export", "--run", RUN, chain.folder)
    assert len(said.out.splitlines()) == 2


async def test_a_run_is_traced_by_any_id_of_its_chain(chain: Chain, floe: Floe) -> None:
    for identity in (RUN[:8], str(SNAPSHOT), chain.artifact.digest(), chain.bundle, short(chain.cubes)):
        said = await asyncio.to_thread(floe, "trace", identity, chain.folder, "--json")
        assert (said.code, json.loads(said.out)["run_id"]) == (0, RUN), said.err


@pytest.mark.parametrize("kept", [True, False], ids=["as announced", "rewritten"])
async def test_the_commit_is_the_first_link_and_its_tree_is_read_again(
    chain: Chain, floe: Floe, bus: Bus, kept: bool
) -> None:
    def git(*arguments: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        done = subprocess.run(["git", *who, *arguments], cwd=chain.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    if not kept:
        (chain.folder / "dbt/models/orders.sql").write_text("select 2 as id")
    git("add", ".")
    git("commit", "-q", "-m", "shop")
    commit = git("rev-parse", "HEAD")
    compiled = ArtifactCompiled(
        tenant="default",
        product="shop",
        submission=commit,
        artifact_digest=chain.artifact.digest(),
        artifact=chain.artifact.to_document(),
        source=SourceReference(repository="shop", ref="refs/heads/main", commit=commit),
        seconds=0.1,
    )
    await bus.publish(compiled, id=f"shop:{commit}")
    said = await asyncio.to_thread(floe, "trace", commit, chain.folder, "--json")
    link = json.loads(said.out)["links"][0]
    assert (link["name"], link["id"], link["verified"]) == ("commit", f"{commit} of shop", kept)
    assert said.code == (0 if kept else ExitCode.RUN_FAILED)
    said = await asyncio.to_thread(floe, "trace", commit[:9], chain.folder.parent, "--json")
    link = json.loads(said.out)["links"][0]
    assert link["verified"]
    assert "no clone that has it is here" in link["evidence"]


async def test_an_artifact_that_was_announced_wrongly_is_found(chain: Chain, floe: Floe, bus: Bus) -> None:
    forged = ArtifactCompiled(
        tenant="default",
        product="shop",
        submission="s2",
        artifact_digest=chain.artifact.digest(),
        artifact=chain.artifact.to_document() | {"landing": []},
        source=SourceReference(repository="shop", commit="0" * 40),
        seconds=0.1,
    )
    await bus.publish(forged, id="forged")
    code, links = await trace(floe, chain.folder)
    assert code == ExitCode.RUN_FAILED
    assert "another digest" in links["commit"]["evidence"]


async def test_a_run_that_nobody_knows_cannot_be_traced(chain: Chain, floe: Floe) -> None:
    for arguments in (["trace", "nothing", chain.folder], ["lineage", "export", "--run", "nothing", chain.folder]):
        said = await asyncio.to_thread(floe, *arguments)
        assert said.code == ExitCode.WRONG_USAGE
        assert f"floe status {chain.folder} lists the runs" in said.err


async def test_the_lineage_of_a_run_is_exported_as_it_was_published(chain: Chain, floe: Floe, bus: Bus) -> None:
    await publish_lineage(bus, "START", chain.artifact.digest(), run=run_id(PLACE, "another"))
    said = await asyncio.to_thread(floe, "lineage", "export", "--run", RUN, chain.folder)
    assert [json.loads(line)["eventType"] for line in said.out.splitlines()] == ["START", "COMPLETE"]


async def test_what_is_exported_is_json_on_one_line_whatever_it_is(chain: Chain, floe: Floe, bus: Bus) -> None:
    subject = subjects.lineage("default", "dev", "-airflow", "load", "START")
    for number, body in enumerate((b'{"a":\n1}\n', b"\xff\n")):
        await bus.publish_raw(subject, body, {RUN_HEADER: "foreign"}, f"written {number}")
    said = await asyncio.to_thread(floe, "lineage", "export", "--run", "foreign", chain.folder)
    assert [json.loads(line) for line in said.out.splitlines()] == [{"a": 1}, "\ufffd\n"]


@pytest.mark.parametrize("options", [["--all"], ["--all", "--json"]])
async def test_lineage_is_followed_until_it_is_interrupted(chain: Chain, options: list[str]) -> None:
    following = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("floe"),
        *("lineage", "tail", str(chain.folder), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert following.stdout is not None
    lines = [(await asyncio.wait_for(following.stdout.readline(), 60)).decode() for _ in range(2)]
    following.send_signal(signal.SIGINT)
    _, said = await asyncio.wait_for(following.communicate(), 60)
    assert (following.returncode, said) == (ExitCode.INTERRUPTED, b"\ninterrupted\n")
    if "--json" in options:
        assert [json.loads(line)["eventType"] for line in lines] == ["START", "COMPLETE"]
    else:
        assert [line.split()[1:] for line in lines] == [["START", "shop"], ["COMPLETE", "shop"]]
