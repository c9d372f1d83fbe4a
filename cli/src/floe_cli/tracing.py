"""The chain of ids of a run: commit -> artifact -> run -> snapshots -> lineage -> Cube bundle, each link verified."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from floe_chassis.blobs import BlobStore
from floe_chassis.source_bundles import bundle_digest
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import EVENTS, LINEAGE
from floe_cli.stack.connection import Connection
from floe_contracts import subjects
from floe_contracts.artifacts import CompiledArtifacts, read_artifact
from floe_contracts.cloudevents import decode
from floe_contracts.digests import PREFIX
from floe_contracts.errors import ContractError, FloeError, WrongUsage
from floe_contracts.events import Event, RunCancelled, RunCompleted, RunFailed, SemanticRendered, TableCommitted
from floe_contracts.openlineage.envelope import RUN_HEADER

_Outcome = RunCompleted | RunFailed | RunCancelled
"""How a run ended that had begun; one whose place was taken has left nothing to trace."""


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain."""

    name: str
    id: str
    verified: bool
    evidence: str

    def to_document(self) -> dict[str, str | bool]:
        """The link as JSON values."""
        return asdict(self)


async def trace_run(connection: Connection, run_id: str, path: Path) -> list[Link]:
    """The links of a run that has ended.

    Raises:
        WrongUsage: there is no such run, or it has not ended.
    """
    events = await _events(connection, run_id)
    outcome = next((event for event in events if isinstance(event, _Outcome)), None)
    if outcome is None:
        raise WrongUsage(f"there is no ended run {run_id!r}", hint=f"floe status {path} lists the runs")
    blobs = connection.blobs()
    artifact_link, artifact = await _artifact(blobs, outcome.artifact_digest)
    lineage = await _lineage(connection, run_id)
    links = [artifact_link, Link("run", run_id, True, f"{outcome.kind.value}, attempt {outcome.attempt}")]
    if artifact is not None:
        links.insert(0, await _source(blobs, artifact, path))
        if artifact.sources.packages is not None:
            links.insert(1, await _bundle(blobs, "dbt packages", artifact.sources.packages))
    links += _snapshots(outcome, events, lineage)
    links.append(_lineage_link(outcome, lineage))
    if (rendered := await _rendered(connection, outcome)) is not None:
        links.append(await _bundle(blobs, "Cube bundle", rendered.bundle_digest))
    return links


async def _artifact(blobs: BlobStore, digest: str) -> tuple[Link, CompiledArtifacts | None]:
    try:
        artifact = read_artifact(await blobs.get(digest), digest)
    except FloeError as error:
        return Link("artifact", digest, False, str(error)), None
    return Link("artifact", digest, True, "the stored bytes have this digest"), artifact


async def _source(blobs: BlobStore, artifact: CompiledArtifacts, path: Path) -> Link:
    link = await _bundle(blobs, "source", artifact.sources.bundle)
    if not link.verified:
        return link
    try:
        here = await bundle_digest(path)
    except (FloeError, OSError):
        return link
    same = "the files here have it too" if here == link.id else f"the files here have changed since ({here})"
    return Link(link.name, link.id, True, f"{link.evidence}; {same}")


async def _bundle(blobs: BlobStore, name: str, digest: str) -> Link:
    """A bundle document and all of its files, read back and verified by the store."""
    try:
        files: Any = json.loads(await blobs.get(digest))["files"]
        digests = files.values() if isinstance(files, dict) else [PREFIX + file["sha256"] for file in files]
        for file in digests:
            await blobs.get(file)
    except FloeError as error:
        return Link(name, digest, False, str(error))
    return Link(name, digest, True, f"the document and its {len(digests)} files have their digests")


def _snapshots(outcome: _Outcome, events: list[Event], lineage: list[dict[str, Any]]) -> list[Link]:
    committed = {(event.identifier, event.snapshot_id): event for event in events if isinstance(event, TableCommitted)}
    told = {
        (output["name"], output["facets"]["version"]["datasetVersion"])
        for event in lineage
        for output in event["outputs"]
        if "version" in output["facets"]
    }
    links = []
    for table in outcome.tables:
        event = committed.get((table.identifier, table.snapshot_id))
        in_lineage = (table.identifier, str(table.snapshot_id)) in told
        read_back = event is not None and event.artifact_digest == outcome.artifact_digest
        evidence = [
            f"{table.rows:,} rows",
            "the catalog read run and artifact from it" if read_back else "the catalog has not told of it",
            "a lineage event names it" if in_lineage else "no lineage event names it",
        ]
        text = f"{table.identifier} @ {table.snapshot_id}"
        links.append(Link("snapshot", text, read_back and in_lineage, "; ".join(evidence)))
    return links


def _lineage_link(outcome: _Outcome, lineage: list[dict[str, Any]]) -> Link:
    complete = len(lineage) == outcome.lineage_events
    digests = {event["run"]["facets"].get("floe_artifact", {}).get("digest") for event in lineage}
    same = digests == {outcome.artifact_digest}
    evidence = "all are on the stream and name the artifact" if complete and same else f"{len(lineage)} on the stream"
    return Link("lineage", f"{outcome.lineage_events} events", complete and same, evidence)


async def _events(connection: Connection, run_id: str) -> list[Event]:
    pattern = f"{subjects.ROOT}.*.*.{subjects.escape(connection.settings.tenant)}.>"
    found = []
    async for message in read_stream(connection.bus.js, EVENTS, pattern):
        try:
            event = decode(message.subject, message.headers, message.data).event
        except ContractError:
            continue  # a newer floe may publish kinds that this one does not know
        if getattr(event, "run_id", None) == run_id:
            found.append(event)
    return found


async def _lineage(connection: Connection, run_id: str) -> list[dict[str, Any]]:
    pattern = subjects.lineage_pattern(tenant=connection.settings.tenant)
    return [
        json.loads(message.data)
        async for message in read_stream(connection.bus.js, LINEAGE, pattern)
        if (message.headers or {}).get(RUN_HEADER) == run_id
    ]


async def _rendered(connection: Connection, outcome: _Outcome) -> SemanticRendered | None:
    pattern = subjects.pattern(
        SemanticRendered.kind, tenant=outcome.tenant, environment=outcome.environment, product=outcome.product
    )
    found = None
    async for message in read_stream(connection.bus.js, EVENTS, pattern):
        event = decode(message.subject, message.headers, message.data).event
        if isinstance(event, SemanticRendered) and event.artifact_digest == outcome.artifact_digest:
            found = event
    return found
