"""One compilation, stage by stage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from opentelemetry import trace

from floe_compiler.core.assemble import assemble, check_row_owner
from floe_compiler.core.ports import Blobs, CheckedOut, DbtParser, Sources
from floe_compiler.core.resolve import resolve
from floe_compiler.core.stages import Stage
from floe_compiler.errors import ProductMismatch, SpecMissing
from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment
from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.documents import read_floe_spec, read_platform_spec
from floe_contracts.errors import DocumentInvalid, Permanent, Where
from floe_contracts.events import ArtifactCompiled, ArtifactRejected, Problem, SpecSubmitted
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.platform_spec import PlatformSpec

log = structlog.get_logger(__name__)
tracer = trace.get_tracer(__name__)


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
            problems = refusal.problems if isinstance(refusal, DocumentInvalid) else (refusal,)
            return ArtifactRejected(
                tenant=submitted.tenant,
                product=submitted.product,
                submission=submitted.submission,
                source=submitted.source,
                stage=progress.stage.value,
                problems=tuple(Problem.of(problem) for problem in problems),
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
            place = f"{submitted.tenant}/{submitted.product}"
            parsed = await asyncio.gather(
                *(self._environment(spec, checked_out, place, name, one) for name, one in resolved.items())
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
        project = await self._parser.parse(
            checked_out.folder / spec.transforms[0].path,
            place=place,
            environment=name,
            product=spec.metadata.name,
            compiled=compiled,
        )
        check_row_owner(spec, project.graph)
        manifest, nodes = await asyncio.gather(
            self._blobs.put(canonical_json(project.manifest)),
            self._blobs.put(canonical_json(project.graph.model_dump(mode="json", exclude_none=True))),
        )
        return compiled.model_copy(update={"manifest": manifest, "nodes": nodes})


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
def _stage(stage: Stage, progress: _Progress) -> Iterator[None]:
    progress.stage = stage
    started = time.monotonic()
    with tracer.start_as_current_span(f"compile {stage}"):
        yield
    log.info("stage done", stage=stage.value, seconds=round(time.monotonic() - started, 3))
