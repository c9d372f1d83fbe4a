"""One compilation, stage by stage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar, cast

from floe_compiler.core.annotations import annotate
from floe_compiler.core.approvals import check_approvals
from floe_compiler.core.cache_key import CachedCompilation, CompileInputs, cache_key, days_between
from floe_compiler.core.compiling import (
    Compiled,
    Documents,
    ResolvedEnvironment,
    compile_artifact,
    enforce_declarations,
    validate,
)
from floe_compiler.core.data_contracts.discovery import named_contracts
from floe_compiler.core.data_contracts.results import contract_results
from floe_compiler.core.governance.enforce import refusal
from floe_compiler.core.places import placed_in, placed_on_lines, problems_of
from floe_compiler.core.ports import (
    Blobs,
    CheckedOut,
    CompileCache,
    DbtParser,
    Packages,
    ParsedProject,
    ReadContracts,
    Sources,
)
from floe_compiler.core.rejections import told
from floe_compiler.core.resolve import resolve
from floe_compiler.core.stages import Stage
from floe_compiler.errors import SpecMissing
from floe_compiler.governing import govern, store_report
from floe_compiler.outcomes import planned_or_compiled
from floe_compiler.planning import Planned, Planner
from floe_compiler.progress import Progress, entered
from floe_compiler.transforms import check_transforms
from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment
from floe_contracts.errors import DocumentInvalid, Permanent, Where
from floe_contracts.events import ArtifactCompiled, ArtifactPlanned, ArtifactRejected, SpecSubmitted
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.governance.rules import known_classifications
from floe_contracts.subjects import escape
from floe_dbt.garbage import collecting_seldom

ResultT = TypeVar("ResultT")


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
        cache: CompileCache,
        code: str,
    ) -> None:
        """Compile by these adapters; `code` is the digest of the code that does, by which outcomes are remembered."""
        self._sources = sources
        self._read_contracts = read_contracts
        self._parser = parser
        self._packages = packages
        self._blobs = blobs
        self._planner = planner
        self._cache = cache
        self._code = code

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
        progress = Progress()
        try:
            with collecting_seldom():
                artifact, planned = await self._stages(submitted, today, progress)
        except Permanent as refusal:
            return ArtifactRejected(
                tenant=submitted.tenant,
                product=submitted.product,
                submission=submitted.submission,
                source=submitted.source,
                stage=progress.stage.value,
                problems=told(problems_of(refusal)),
                dry_run=submitted.dry_run,
                enforcement=progress.enforcement,
            )
        seconds = round(time.monotonic() - started, 3)
        return planned_or_compiled(submitted, artifact, planned, progress.enforcement, seconds=seconds)

    async def _stages(
        self, submitted: SpecSubmitted, today: date, progress: Progress
    ) -> tuple[CompiledArtifacts, Planned | None]:
        with entered(Stage.LOAD, progress):
            key = await self._cache_key(submitted)
            if (cached := await self._cache.find(key, today)) is not None:
                progress.enforcement = cached.enforcement
                return cached.artifact, await self._planner.plan(submitted, cached.artifact)
            checked_out = await self._load(submitted)
        with entered(Stage.VALIDATE, progress), placed_on_lines(checked_out):
            documents = validate(checked_out, submitted.product)
            contracts = await self._read_contracts(checked_out.folder, named_contracts(documents.spec))
            documents = replace(documents, contracts=contracts)
        with entered(Stage.RESOLVE, progress), placed_on_lines(checked_out, documents.resolved.tree):
            packages = await self._provide_packages(documents.spec, checked_out)
            environments = await self._resolve(submitted, checked_out, documents)
        with entered(Stage.ENFORCE, progress), placed_on_lines(checked_out, documents.resolved.tree):
            enforce_declarations(documents, environments)
            await self._govern(documents, environments, checked_out, today, progress)
        with entered(Stage.COMPILE, progress):
            compiled = await asyncio.to_thread(
                compile_artifact, documents, environments, submitted, packages, self._parser.tools()
            )
            graphs = {name: resolved.graph for name, resolved in environments.items()}
            planned = await self._planner.plan(submitted, compiled.artifact, graphs)
        with entered(Stage.GENERATE, progress):
            await self._generate(compiled)
            days = days_between(today, documents.last_days())
            await self._cache.remember(key, CachedCompilation(compiled.artifact, progress.enforcement, days))
        return compiled.artifact, planned

    async def _cache_key(self, submitted: SpecSubmitted) -> str:
        platforms = await self._sources.platforms(
            platform=submitted.platform, platform_parents=submitted.platform_parents
        )
        tools = self._parser.tools()
        return cache_key(
            CompileInputs(submitted.tenant, submitted.product, submitted.bundle, platforms, tools, self._code)
        )

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
        self, submitted: SpecSubmitted, checked_out: CheckedOut, documents: Documents
    ) -> dict[str, ResolvedEnvironment]:
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
            name: ResolvedEnvironment(environment, project.manifest, annotate(documents.spec, project.graph))
            for (name, environment), project in zip(profiles.items(), parsed, strict=True)
        }

    async def _provide_packages(self, spec: FloeSpec, checked_out: CheckedOut) -> str | None:
        """The dbt packages that the submission did not bring along; before the project is parsed."""
        with placed_in(spec.dbt.path):
            return await self._packages.provide(checked_out.folder, spec.dbt.path)

    async def _parse(
        self, documents: Documents, checked_out: CheckedOut, place: str, name: str, compiled: CompiledEnvironment
    ) -> ParsedProject:
        path = documents.spec.dbt.path
        with placed_in(path):
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
        documents: Documents,
        environments: Mapping[str, ResolvedEnvironment],
        checked_out: CheckedOut,
        today: date,
        progress: Progress,
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

    async def _generate(self, compiled: Compiled) -> None:
        """Store the parts, and the artifact last: whoever finds it finds everything that it names."""
        await asyncio.gather(*(self._blobs.put(part) for part in compiled.parts))
        await self._blobs.put(compiled.artifact.to_bytes())


async def _all(works: Iterable[Coroutine[Any, Any, ResultT]]) -> list[ResultT]:
    """Wait for all, also when one fails: the next submission may not begin while dbt still reads this one's files."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast("list[ResultT]", results)
