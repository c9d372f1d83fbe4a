"""The chain of ids of a run: commit -> artifact -> run -> snapshots -> lineage -> Cube bundle, each link verified."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from floe_chassis.blobs import BlobStore
from floe_chassis.dead_letters import is_for
from floe_chassis.source_bundles import bundle_digest
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import LINEAGE
from floe_cli.stack.connection import Connection
from floe_cli.tracing.commit_trees import digest_of_commit
from floe_cli.tracing.cube_verdicts import verdict_in_words
from floe_cli.tracing.history import History, Outcome, committed_by, read_history
from floe_cli.tracing.naming import find_run
from floe_contracts import subjects
from floe_contracts.artifacts import CompiledArtifacts, read_artifact
from floe_contracts.digests import PREFIX, canonical_json, digest_of
from floe_contracts.errors import FloeError
from floe_contracts.events import ArtifactCompiled, SemanticRendered, SourceReference, TableCommitted
from floe_contracts.openlineage.envelope import RUN_HEADER


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


async def trace(connection: Connection, identity: str, path: Path) -> tuple[str, list[Link]]:
    """The run that an id of the chain belongs to, and the links of it.

    Args:
        connection: to a stack, or to what it has stored.
        identity: see `naming.find_run`.
        path: the product's folder; in a clone of its repository the commit's tree is read there.

    Raises:
        WrongUsage: nothing that has ended has this id.
    """
    history = await read_history(connection)
    outcome = find_run(history, identity, f"floe status {path} lists the runs")
    blobs = connection.blobs()
    artifact_link, artifact = await _artifact(blobs, outcome.artifact_digest)
    links = [artifact_link]
    if artifact is not None:
        links = await _sources(history, outcome, artifact, blobs, path, identity) + links
    lineage = await _lineage(connection, outcome)
    links.append(Link("run", outcome.run_id, True, f"{outcome.kind.value}, attempt {outcome.attempt}"))
    links += _snapshots(outcome, await committed_by(connection, outcome.run_id), lineage)
    links.append(_lineage_link(outcome, lineage))
    if (rendered := _rendered(history, outcome)) is not None:
        link = await _bundle(blobs, "Cube bundle", rendered.bundle_digest)
        links.append(replace(link, evidence=f"{link.evidence}; {verdict_in_words(history.verdicts, rendered)}"))
    return outcome.run_id, links


async def _sources(
    history: History, outcome: Outcome, artifact: CompiledArtifacts, blobs: BlobStore, path: Path, identity: str
) -> list[Link]:
    """What the artifact was made of: the commit, if it came from one, the source, the packages."""
    links = [await _source(blobs, artifact, path)]
    named = [event for event in history.compiled if event.artifact_digest == outcome.artifact_digest]
    pushed = [event for event in named if event.source is not None and event.source.commit]
    asked = [event for event in pushed if event.source and (event.source.commit or "").startswith(identity.lower())]
    if pushed:
        links.insert(0, await _commit((asked or pushed)[-1], artifact, path))
    if artifact.sources.packages is not None:
        links.append(await _bundle(blobs, "dbt packages", artifact.sources.packages))
    return links


async def _commit(compiled: ArtifactCompiled, artifact: CompiledArtifacts, path: Path) -> Link:
    source = compiled.source or SourceReference(repository="")
    name = f"{source.commit} of {source.repository}"
    if digest_of(canonical_json(compiled.artifact)) != compiled.artifact_digest:
        return Link("commit", name, False, "the artifact that was announced for it has another digest")
    said = "the artifact was announced as made from it"
    found = await digest_of_commit(path, source.commit or "", source.folder)
    if found is None:
        return Link("commit", name, True, f"{said}; no clone that has it is here to compute its bundle again")
    same = found == artifact.sources.bundle
    again = "its tree, read again, is the source" if same else f"its tree, read again, is another source ({found})"
    return Link("commit", name, same, f"{said}; {again}")


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


def _snapshots(outcome: Outcome, events: list[TableCommitted], lineage: list[object]) -> list[Link]:
    committed = {(event.identifier, event.snapshot_id): event for event in events}
    told = {
        (_inside(output, "name"), _inside(output, "facets", "version", "datasetVersion"))
        for event in lineage
        for output in _listed(event, "outputs")
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


def _lineage_link(outcome: Outcome, lineage: list[object]) -> Link:
    complete = len(lineage) == outcome.lineage_events
    digests = {_inside(event, "run", "facets", "floe_artifact", "digest") for event in lineage}
    same = digests == {outcome.artifact_digest}
    evidence = "all are on the stream and name the artifact" if complete and same else f"{len(lineage)} on the stream"
    return Link("lineage", f"{outcome.lineage_events} events", complete and same, evidence)


async def _lineage(connection: Connection, outcome: Outcome) -> list[object]:
    """What stands on the stream for the run, whatever it is: other producers have places of their own there."""
    pattern = subjects.lineage_pattern(connection.settings.tenant, outcome.environment, outcome.product)
    return [
        _decoded(message.data)
        async for message in read_stream(connection.bus.js, LINEAGE, pattern)
        if (message.headers or {}).get(RUN_HEADER) == outcome.run_id and is_for(message.headers, "")
    ]


def _decoded(body: bytes) -> object:
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found


def _inside(document: object, *names: str) -> str | None:
    """The text that lies there; None where there is none."""
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    return document if isinstance(document, str) else None


def _listed(document: object, name: str) -> list[Any]:
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, list) else []


def _rendered(history: History, outcome: Outcome) -> SemanticRendered | None:
    place = (outcome.environment, outcome.product, outcome.artifact_digest)
    found = [each for each in history.rendered if (each.environment, each.product, each.artifact_digest) == place]
    return found[-1] if found else None
