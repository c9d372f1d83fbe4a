"""One compilation, stage by stage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, TypeVar, cast

import structlog
from opentelemetry import trace

from floe_compiler.core.annotations import annotate, check_annotations
from floe_compiler.core.assemble import assemble, check_row_owner
from floe_compiler.core.places import with_lines
from floe_compiler.core.ports import Blobs, CheckedOut, DbtParser, ParsedProject, Sources
from floe_compiler.core.resolve import resolve
from floe_compiler.core.stages import Stage
from floe_compiler.errors import ProductMismatch, SpecMissing
from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment
from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.documents import read_both, read_floe_spec, read_platform_spec
from floe_contracts.errors import DocumentInvalid, FloeError, Permanent, Where
from floe_contracts.events import ArtifactCompiled, ArtifactRejected, Problem, SpecSubmitted
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.nodes import NodeGraph
from floe_contracts.platform_spec import PlatformSpec
from floe_contracts.subjects import escape

log = structlog.get_logger(__name__)
tracer = trace.get_tracer(__name__)
ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class _Progress:
    stage: Stage = Stage.LOAD


@dataclass(frozen=True, slots=True)
class _Documents:
    spec: FloeSpec
    platform: PlatformSpec


@dataclass(frozen=True, slots=True)
class _Resolved:
    """An environment with its profiles, and the dbt project as it is there, annotated."""

    environment: CompiledEnvironment
    manifest: dict[str, Any]
    graph: NodeGraph


@dataclass(frozen=True, slots=True)
class _Compiled:
    artifact: CompiledArtifacts
    parts: tuple[bytes, ...]


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
            checked_out = await self._load(submitted)
        with _stage(Stage.VALIDATE, progress), _lines(checked_out):
            documents = _validate(checked_out, submitted.product)
        with _stage(Stage.RESOLVE, progress), _lines(checked_out):
            environments = await self._resolve(submitted, checked_out, documents)
        with _stage(Stage.ENFORCE, progress), _lines(checked_out):
            _enforce(documents, environments)
        with _stage(Stage.COMPILE, progress):
            compiled = await asyncio.to_thread(_compile, documents, environments, submitted, checked_out, self._parser)
        with _stage(Stage.GENERATE, progress):
            await self._generate(compiled)
        return compiled.artifact

    async def _load(self, submitted: SpecSubmitted) -> CheckedOut:
        checked_out = await self._sources.check_out(
            tenant=submitted.tenant,
            product=submitted.product,
            bundle=submitted.bundle,
            platform=submitted.platform,
        )
        if checked_out.floe_yaml is None:
            raise SpecMissing(
                "the bundle has no floe.yaml at its top",
                where=Where("floe.yaml"),
                hint="publish the folder that holds floe.yaml",
            )
        return checked_out

    async def _resolve(
        self, submitted: SpecSubmitted, checked_out: CheckedOut, documents: _Documents
    ) -> dict[str, _Resolved]:
        """The environments with their profiles, and the dbt project as it is in each."""
        profiles = resolve(documents.spec, documents.platform)
        place = f"{escape(submitted.tenant)}/{escape(submitted.product)}"
        parsed = await _all(
            self._parse(documents.spec, checked_out, place, name, environment) for name, environment in profiles.items()
        )
        return {
            name: _Resolved(environment, project.manifest, annotate(documents.spec, project.graph))
            for (name, environment), project in zip(profiles.items(), parsed, strict=True)
        }

    async def _parse(
        self, spec: FloeSpec, checked_out: CheckedOut, place: str, name: str, compiled: CompiledEnvironment
    ) -> ParsedProject:
        path = spec.dbt.path
        with _placed_in(path):
            return await self._parser.parse(
                checked_out.folder / path,
                place=place,
                environment=name,
                product=spec.metadata.name,
                compiled=compiled,
            )

    async def _generate(self, compiled: _Compiled) -> None:
        """Store the parts, and the artifact last: whoever finds it finds everything that it names."""
        await asyncio.gather(*(self._blobs.put(part) for part in compiled.parts))
        await self._blobs.put(compiled.artifact.to_bytes())


def _validate(checked_out: CheckedOut, product: str) -> _Documents:
    """Both documents, or all problems of both."""
    spec, platform = read_both(
        partial(read_floe_spec, checked_out.floe_yaml or ""), partial(read_platform_spec, checked_out.platform_yaml)
    )
    if spec.metadata.name != product:
        raise ProductMismatch(
            f"it was submitted as {product!r}, and its floe.yaml says {spec.metadata.name!r}",
            where=Where("floe.yaml", path="metadata.name"),
            hint="submit it under the name that floe.yaml gives it",
        )
    return _Documents(spec, platform)


def _enforce(documents: _Documents, environments: Mapping[str, _Resolved]) -> None:
    """Hold the project against what is said of it.

    Raises:
        DocumentInvalid: with everything that does not hold, each once, in whichever environments.
    """
    problems: dict[str, FloeError] = {}
    for resolved in environments.values():
        found = [*check_annotations(documents.spec, resolved.graph), *check_row_owner(documents.spec, resolved.graph)]
        problems |= {str(problem): problem for problem in found}
    if problems:
        raise DocumentInvalid(problems.values())


def _compile(
    documents: _Documents,
    environments: Mapping[str, _Resolved],
    submitted: SpecSubmitted,
    checked_out: CheckedOut,
    parser: DbtParser,
) -> _Compiled:
    """The artifact and the bytes of its parts. A large manifest takes a while to write: not for the event loop."""
    parts: list[bytes] = []
    compiled: dict[str, CompiledEnvironment] = {}
    for name, resolved in environments.items():
        manifest = canonical_json(resolved.manifest)
        nodes = canonical_json(resolved.graph.model_dump(mode="json", exclude_none=True))
        parts += [manifest, nodes]
        digests = {"manifest": digest_of(manifest), "nodes": digest_of(nodes)}
        compiled[name] = resolved.environment.model_copy(update=digests)
    artifact = assemble(
        documents.spec,
        documents.platform,
        bundle=submitted.bundle,
        platform_digest=digest_of(checked_out.platform_yaml.encode()),
        tools=parser.tools(),
        environments=compiled,
        data_contracts=(),
    )
    return _Compiled(artifact, tuple(parts))


def _problems(refusal: Permanent) -> tuple[FloeError, ...]:
    return refusal.problems if isinstance(refusal, DocumentInvalid) else (refusal,)


@contextmanager
def _lines(checked_out: CheckedOut) -> Iterator[None]:
    """Problems that know only their field get its line."""
    texts = {"floe.yaml": checked_out.floe_yaml or "", "platform.yaml": checked_out.platform_yaml}
    try:
        yield
    except Permanent as refusal:
        with_lines(_problems(refusal), texts)
        raise


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
