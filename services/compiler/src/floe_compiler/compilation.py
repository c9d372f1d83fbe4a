"""One compilation, stage by stage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, TypeVar, cast

import structlog
from opentelemetry import trace

from floe_compiler.core.assemble import assemble, check_row_owner
from floe_compiler.core.ports import Blobs, CheckedOut, DbtParser, ParsedProject, Sources
from floe_compiler.core.resolve import resolve
from floe_compiler.core.stages import Stage
from floe_compiler.errors import ProductMismatch, SpecMissing
from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment
from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.documents import read_floe_spec, read_platform_spec
from floe_contracts.errors import DocumentInvalid, FloeError, Permanent, Where
from floe_contracts.events import ArtifactCompiled, ArtifactRejected, Problem, SpecSubmitted
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.platform_spec import PlatformSpec
from floe_contracts.subjects import escape

log = structlog.get_logger(__name__)
tracer = trace.get_tracer(__name__)
ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class _Progress:
    stage: Stage = Stage.LOAD


class Compiler:
    """Compiles submissions. Holds nothing between two of them but its adapters."""

    def __init__(self, sources: Sources, parser: DbtParser, blobs: Blobs) -> None:
        self._sources = sources
        self._parser = parser
        self._blobs = blobs

    async def compile(self, submitted: SpecSubmitted) -> ArtifactCompiled | ArtifactRejected:
        """Compile one submission; what is wrong with it becomes a rejection.

        Raises:
            Transient: something needed is not there at the moment.
        """
        started = time.monotonic()
        progress = _Progress()
        try:
            artifact = await self._stages(submitted, progress)
        except Permanent as refusal:
            return ArtifactRejected(
                tenant=submitted.tenant,
                product=submitted.product,
                submission=submitted.submission,
                source=submitted.source,
                stage=progress.stage.value,
                problems=tuple(Problem.of(problem) for problem in _problems(refusal)),
            )
        return ArtifactCompiled(
            tenant=submitted.tenant,
            product=submitted.product,
            submission=submitted.submission,
            source=submitted.source,
            artifact_digest=artifact.digest(),
            artifact=artifact.to_document(),
            seconds=round(time.monotonic() - started, 3),
        )

    async def _stages(self, submitted: SpecSubmitted, progress: _Progress) -> CompiledArtifacts:
        with _stage(Stage.LOAD, progress):
            checked_out = await self._sources.check_out(
                tenant=submitted.tenant,
                product=submitted.product,
                bundle=submitted.bundle,
                platform=submitted.platform,
            )
            spec, platform = _read(checked_out, submitted.product)
        with _stage(Stage.RESOLVE, progress):
            resolved = resolve(spec, platform)
        with _stage(Stage.COMPILE, progress):
            place = f"{escape(submitted.tenant)}/{escape(submitted.product)}"
            parsed = await _all(
                self._environment(spec, checked_out, place, name, one) for name, one in resolved.items()
            )
        with _stage(Stage.GENERATE, progress):
            artifact = assemble(
                spec,
                bundle=submitted.bundle,
                platform=digest_of(checked_out.platform_yaml.encode()),
                tools=self._parser.tools(),
                environments=dict(zip(resolved, parsed, strict=True)),
            )
            await self._blobs.put(artifact.to_bytes())
            return artifact

    async def _environment(
        self, spec: FloeSpec, checked_out: CheckedOut, place: str, name: str, compiled: CompiledEnvironment
    ) -> CompiledEnvironment:
        path = spec.dbt.path
        with _placed_in(path):
            project = await self._parser.parse(
                checked_out.folder / path,
                place=place,
                environment=name,
                product=spec.metadata.name,
                compiled=compiled,
            )
        check_row_owner(spec, project.graph)
        # A large manifest takes a while to write; the heartbeats of this and other services go on meanwhile.
        manifest, nodes = await asyncio.to_thread(_parts, project)
        stored = await asyncio.gather(self._blobs.put(manifest), self._blobs.put(nodes))
        return compiled.model_copy(update={"manifest": stored[0], "nodes": stored[1]})


def _parts(project: ParsedProject) -> tuple[bytes, bytes]:
    """The manifest and the node graph as they are stored."""
    graph = project.graph.model_dump(mode="json", exclude_none=True)
    return canonical_json(project.manifest), canonical_json(graph)


def _problems(refusal: Permanent) -> tuple[FloeError, ...]:
    return refusal.problems if isinstance(refusal, DocumentInvalid) else (refusal,)


def _read(checked_out: CheckedOut, product: str) -> tuple[FloeSpec, PlatformSpec]:
    if checked_out.floe_yaml is None:
        raise SpecMissing(
            "the bundle has no floe.yaml at its top",
            where=Where("floe.yaml"),
            hint="publish the folder that holds floe.yaml",
        )
    spec = read_floe_spec(checked_out.floe_yaml)
    platform = read_platform_spec(checked_out.platform_yaml)
    if spec.metadata.name != product:
        raise ProductMismatch(
            f"it was submitted as {product!r}, and its floe.yaml says {spec.metadata.name!r}",
            where=Where("floe.yaml", path="metadata.name"),
            hint="submit it under the name that floe.yaml gives it",
        )
    return spec, platform


@contextmanager
def _placed_in(folder: str) -> Iterator[None]:
    """Dbt names files from its project's folder; people know them from the product's."""
    try:
        yield
    except Permanent as refusal:
        for problem in _problems(refusal):
            if problem.where is not None and problem.where.file is not None:
                file = (PurePosixPath(folder) / problem.where.file).as_posix()
                problem.where = replace(problem.where, file=file)
        raise


async def _all(works: Iterable[Coroutine[Any, Any, ResultT]]) -> list[ResultT]:
    """Wait for all, also when one fails: the next submission may not begin while dbt still reads this one's files."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast("list[ResultT]", results)


@contextmanager
def _stage(stage: Stage, progress: _Progress) -> Iterator[None]:
    progress.stage = stage
    started = time.monotonic()
    with tracer.start_as_current_span(f"compile {stage}"):
        yield
    log.info("stage done", stage=stage.value, seconds=round(time.monotonic() - started, 3))
