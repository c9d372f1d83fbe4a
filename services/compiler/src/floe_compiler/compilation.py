"""One compilation, stage by stage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import PurePosixPath
from typing import Any, TypeVar, cast

import structlog
from opentelemetry import trace

from floe_compiler.core.annotations import annotate, check_annotations
from floe_compiler.core.approvals import check_approvals
from floe_compiler.core.assemble import assemble, check_row_owner
from floe_compiler.core.data_contracts.checking import check_contract
from floe_compiler.core.data_contracts.discovery import named_contracts
from floe_compiler.core.data_contracts.reading import DataContract
from floe_compiler.core.data_contracts.results import contract_results
from floe_compiler.core.governance.enforce import refusal
from floe_compiler.core.places import with_lines
from floe_compiler.core.ports import Blobs, CheckedOut, DbtParser, Packages, ParsedProject, ReadContracts, Sources
from floe_compiler.core.resolve import resolve
from floe_compiler.core.stages import Stage
from floe_compiler.errors import ProductMismatch, SpecMissing
from floe_compiler.governing import govern, store_report
from floe_compiler.outcomes import planned_or_compiled
from floe_compiler.planning import Planned, Planner
from floe_compiler.transforms import check_transforms
from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment, Tools
from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.documents import read_both, read_floe_spec
from floe_contracts.enforcement import EnforcementSummary
from floe_contracts.errors import DocumentInvalid, FloeError, Permanent, Where
from floe_contracts.events import ArtifactCompiled, ArtifactPlanned, ArtifactRejected, Problem, SpecSubmitted
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.governance import known_classifications
from floe_contracts.nodes import NodeGraph
from floe_contracts.platform.resolution import ResolvedPlatform, resolve_platform
from floe_contracts.platform_spec import PlatformSpec
from floe_contracts.subjects import escape

log = structlog.get_logger(__name__)
tracer = trace.get_tracer(__name__)
ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class _Progress:
    stage: Stage = Stage.LOAD
    enforcement: EnforcementSummary | None = None


@dataclass(frozen=True, slots=True)
class _Documents:
    spec: FloeSpec
    resolved: ResolvedPlatform
    contracts: tuple[DataContract, ...] = ()

    @property
    def platform(self) -> PlatformSpec:
        """The platform with all that it inherits."""
        return self.resolved.spec


@dataclass(frozen=True, slots=True)
class _Resolved:
    """An environment with its profiles, and the dbt project as it is there, annotated."""

    environment: CompiledEnvironment
    manifest: bytes
    graph: NodeGraph


@dataclass(frozen=True, slots=True)
class _Compiled:
    artifact: CompiledArtifacts
    parts: tuple[bytes, ...]


class Compiler:
    """Compiles submissions. Holds nothing between two of them but its adapters."""

    def __init__(
        self,
        sources: Sources,
        read_contracts: ReadContracts,
        parser: DbtParser,
        packages: Packages,
        blobs: Blobs,
        planner: Planner,
    ) -> None:
        self._sources = sources
        self._read_contracts = read_contracts
        self._parser = parser
        self._packages = packages
        self._blobs = blobs
        self._planner = planner

    async def compile(
        self, submitted: SpecSubmitted, *, today: date
    ) -> ArtifactCompiled | ArtifactPlanned | ArtifactRejected:
        """Compile one submission; what is wrong with it becomes a rejection, and a dry run is only planned.

        Args:
            submitted: the submission.
            today: the day of the event: exceptions to rules end on a day, and a redelivery must find the same.

        Raises:
            Transient: something needed is not there at the moment.
        """
        started = time.monotonic()
        progress = _Progress()
        try:
            artifact, planned = await self._stages(submitted, today, progress)
        except Permanent as refusal:
            return ArtifactRejected(
                tenant=submitted.tenant,
                product=submitted.product,
                submission=submitted.submission,
                source=submitted.source,
                stage=progress.stage.value,
                problems=tuple(Problem.of(problem) for problem in _problems(refusal)),
                dry_run=submitted.dry_run,
                enforcement=progress.enforcement,
            )
        seconds = round(time.monotonic() - started, 3)
        return planned_or_compiled(submitted, artifact, planned, progress.enforcement, seconds=seconds)

    async def _stages(
        self, submitted: SpecSubmitted, today: date, progress: _Progress
    ) -> tuple[CompiledArtifacts, Planned | None]:
        with _stage(Stage.LOAD, progress):
            checked_out = await self._load(submitted)
        with _stage(Stage.VALIDATE, progress), _lines(checked_out):
            documents = _validate(checked_out, submitted.product)
            contracts = await self._read_contracts(checked_out.folder, named_contracts(documents.spec))
            documents = replace(documents, contracts=contracts)
        with _stage(Stage.RESOLVE, progress), _lines(checked_out, documents):
            packages = await self._provide_packages(documents.spec, checked_out)
            environments = await self._resolve(submitted, checked_out, documents)
        with _stage(Stage.ENFORCE, progress), _lines(checked_out, documents):
            _enforce(documents, environments)
            await self._govern(documents, environments, checked_out, today, progress)
        with _stage(Stage.COMPILE, progress):
            compiled = await asyncio.to_thread(
                _compile, documents, environments, submitted, packages, self._parser.tools()
            )
            graphs = {name: resolved.graph for name, resolved in environments.items()}
            planned = await self._planner.plan(submitted, compiled.artifact, graphs)
        with _stage(Stage.GENERATE, progress):
            await self._generate(compiled)
        return compiled.artifact, planned

    async def _load(self, submitted: SpecSubmitted) -> CheckedOut:
        checked_out = await self._sources.check_out(
            tenant=submitted.tenant,
            product=submitted.product,
            bundle=submitted.bundle,
            platform=submitted.platform,
            platform_parents=submitted.platform_parents,
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
        refused = [
            *check_approvals(documents.spec, documents.resolved),
            *check_transforms(documents.spec, lambda path: (checked_out.folder / path).is_file()),
        ]
        if refused:
            raise DocumentInvalid(refused)
        profiles = resolve(documents.spec, documents.platform)
        place = f"{escape(submitted.tenant)}/{escape(submitted.product)}"
        parsed = await _all(
            self._parse(documents, checked_out, place, name, environment) for name, environment in profiles.items()
        )
        return {
            name: _Resolved(environment, project.manifest, annotate(documents.spec, project.graph))
            for (name, environment), project in zip(profiles.items(), parsed, strict=True)
        }

    async def _provide_packages(self, spec: FloeSpec, checked_out: CheckedOut) -> str | None:
        """The dbt packages that the submission did not bring along; before the project is parsed."""
        with _placed_in(spec.dbt.path):
            return await self._packages.provide(checked_out.folder, spec.dbt.path)

    async def _parse(
        self, documents: _Documents, checked_out: CheckedOut, place: str, name: str, compiled: CompiledEnvironment
    ) -> ParsedProject:
        path = documents.spec.dbt.path
        with _placed_in(path):
            return await self._parser.parse(
                checked_out.folder / path,
                place=place,
                environment=name,
                product=documents.spec.metadata.name,
                compiled=compiled,
                classifications=known_classifications(documents.platform.governance),
            )

    async def _govern(
        self,
        documents: _Documents,
        environments: Mapping[str, _Resolved],
        checked_out: CheckedOut,
        today: date,
        progress: _Progress,
    ) -> None:
        """Hold the project against the rules; the report is stored also when it refuses.

        Raises:
            GovernanceRefused: with every finding that a strict rule makes.
        """
        graphs = {name: resolved.graph for name, resolved in environments.items()}
        report = await asyncio.to_thread(
            govern, documents.spec, documents.platform, graphs, folder=checked_out.folder, today=today
        )
        classifications = known_classifications(documents.platform.governance)
        results = contract_results(documents.contracts, graphs, classifications)
        report = report.model_copy(update={"data_contracts": results})
        progress.enforcement = await store_report(report, self._blobs)
        if refused := refusal(report):
            raise refused

    async def _generate(self, compiled: _Compiled) -> None:
        """Store the parts, and the artifact last: whoever finds it finds everything that it names."""
        await asyncio.gather(*(self._blobs.put(part) for part in compiled.parts))
        await self._blobs.put(compiled.artifact.to_bytes())


def _validate(checked_out: CheckedOut, product: str) -> _Documents:
    """Both documents, or all problems of both."""
    spec, platform = read_both(
        partial(read_floe_spec, checked_out.floe_yaml or ""),
        partial(resolve_platform, checked_out.platform_yaml, "platform.yaml", checked_out.platform_parents.__getitem__),
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
        classifications = known_classifications(documents.platform.governance)
        for contract in documents.contracts:
            found += check_contract(contract, resolved.graph, classifications).problems
        problems |= {str(problem): problem for problem in found}
    if problems:
        raise DocumentInvalid(problems.values())


def _compile(
    documents: _Documents,
    environments: Mapping[str, _Resolved],
    submitted: SpecSubmitted,
    packages: str | None,
    tools: Tools,
) -> _Compiled:
    """The artifact and the bytes of its parts. A large manifest takes a while to write: not for the event loop."""
    parts: list[bytes] = []
    compiled: dict[str, CompiledEnvironment] = {}
    for name, resolved in environments.items():
        manifest = resolved.manifest
        nodes = canonical_json(resolved.graph.model_dump(mode="json", exclude_none=True))
        parts += [manifest, nodes]
        digests = {"manifest": digest_of(manifest), "nodes": digest_of(nodes)}
        compiled[name] = resolved.environment.model_copy(update=digests)
    artifact = assemble(
        documents.spec,
        documents.platform,
        bundle=submitted.bundle,
        packages=packages,
        platform_digest=documents.resolved.digest,
        tools=tools,
        environments=compiled,
        data_contracts=tuple(contract.compiled for contract in documents.contracts),
    )
    return _Compiled(artifact, tuple(parts))


def _problems(refusal: Permanent) -> tuple[FloeError, ...]:
    return refusal.problems if isinstance(refusal, DocumentInvalid) else (refusal,)


@contextmanager
def _lines(checked_out: CheckedOut, documents: _Documents | None = None) -> Iterator[None]:
    """Problems that know only their field get its line."""
    texts = {"floe.yaml": checked_out.floe_yaml or "", "platform.yaml": checked_out.platform_yaml}
    try:
        yield
    except Permanent as refusal:
        with_lines(_problems(refusal), texts, {"platform.yaml": documents.resolved.tree} if documents else {})
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
