"""Work on one attempt of a run: what is built, then the build itself.

Everything that a later attempt needs is in the run's record: the attempt, what was built so far, and the landing
journal once all is staged. Every write of the record is a compare-and-set.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from floe_chassis import fault_points
from floe_contracts.runs import RunRecord
from floe_dbt.errors import DbtWarehouseUnreachable
from floe_executor.adapters.project_sources import ProjectSources
from floe_executor.adapters.state.run_store import RunStore
from floe_executor.clock import now
from floe_executor.core import partitions
from floe_executor.core.environment_support import check_support
from floe_executor.core.lineage import RunLineage
from floe_executor.core.node_reports import NodeDone, NodeReport, outcomes
from floe_executor.core.ports import Builder, BuildRequest
from floe_executor.core.retries import BuiltSoFar
from floe_executor.core.selection import Selection, check_options, narrowed, select
from floe_executor.errors import DbtBuildFailed, NothingSelected, PartitionUnknown
from floe_executor.runs.attempt import Attempt
from floe_executor.runs.chain import root_of
from floe_executor.runs.earlier_builds import EarlierBuilds
from floe_executor.runs.landings import Landings
from floe_executor.runs.products import Product


class Attempts:
    """Works on attempts.

    Attributes:
        landings: what lands that they have built.
    """

    def __init__(
        self,
        *,
        store: RunStore,
        sources: ProjectSources,
        earlier: EarlierBuilds,
        builder: Builder,
        landings: Landings,
    ) -> None:
        self._store = store
        self._sources = sources
        self._earlier = earlier
        self._builder = builder
        self.landings = landings

    async def begin(self, attempt: Attempt, product: Product, *, again: bool) -> None:
        """Tell that the run began; `again`: an earlier attempt may have told it, and left nodes open."""
        record, window = attempt.stored.record, None
        if record.options.partition is not None:
            with contextlib.suppress(PartitionUnknown):  # preparing tells it
                definition = product.artifact.orchestration.partitions
                window = partitions.window(definition, record.options.partition, now())
        lineage = RunLineage(
            record,
            product.artifact,
            product.environment,
            product.graph,
            window=(window.start, window.end) if window else None,
            root=await root_of(self._store, record),
        )
        await attempt.telling.run_began(lineage, again=again)

    async def prepare(self, attempt: Attempt, product: Product) -> tuple[BuildRequest, Selection]:
        """Check out what is to be built.

        Raises:
            Permanent: the product cannot be built here, or not as the request says.
            Transient: a part of it cannot be read at the moment.
        """
        record, artifact = attempt.stored.record, product.artifact
        check_support(artifact, product.environment)
        check_options(record.options)
        definition = artifact.orchestration.partitions
        variables = partitions.variables(definition, record.options.partition, now())
        if definition is not None and definition.name is not None and record.options.partition is not None:
            await self._store.add_partition(record.place, definition.name, record.options.partition)
        attempt.earlier, new = await self._earlier.of_run(record, product)
        selection = select(record.options, product.graph, attempt.earlier, variables=variables, new=new)
        async with self.landings.place(attempt.lease):
            project = await self._sources.check_out(record.place, artifact)
        manifest = await self._sources.manifest(product.environment.manifest)
        request = BuildRequest(
            record,
            artifact,
            product.environment,
            product.graph,
            manifest,
            project,
            arguments=selection.arguments,
            selected=selection.only,
        )
        return request, selection

    async def built_before(self, record: RunRecord, product: Product) -> BuiltSoFar | None:
        """What earlier attempts of a run have built; once all is staged, the journal says it.

        Raises:
            FloeError: it is not known, or cannot be read at the moment.
        """
        if record.landing is not None:
            return await self.landings.built(record.landing)
        return (await self._earlier.of_run(record, product))[0]

    async def build(self, attempt: Attempt, request: BuildRequest, selection: Selection) -> None:
        """Build, unless an earlier attempt has staged what it built already.

        Raises:
            NothingSelected: the request's selection matches nothing.
            Permanent: the build failed.
            Transient: it failed for a reason that may pass.
        """
        record = attempt.stored.record
        if record.landing:
            return
        if selection.empty:
            attempt.whole = True
        else:
            await self._build(attempt, request)
        if narrowed(record.options) and not attempt.built.nodes:
            raise NothingSelected(
                "the selection of the run matches nothing, so nothing was built or tested",
                hint="`dbt ls` with the same selection shows what it names",
            )
        await fault_points.reach("after-build")

    async def land(self, attempt: Attempt, request: BuildRequest) -> None:
        """Land what is built, and show it; raises what `Landings.land` raises."""
        await self.landings.land(attempt, request)
        await self._builder.landed(request, attempt.tables)

    async def _build(self, attempt: Attempt, request: BuildRequest) -> None:
        """Run dbt; its reports leave while it works."""
        reports: list[NodeReport] = []
        waiting: asyncio.Queue[NodeReport | None] = asyncio.Queue()

        async def tell() -> None:
            while (report := await waiting.get()) is not None:
                await attempt.telling.node(report)
                reports.append(report)
                if isinstance(report, NodeDone):
                    await fault_points.reach("mid-build")

        telling = asyncio.create_task(tell())
        started = time.monotonic()
        built = failed = False
        try:
            await self._builder.build(request, waiting.put_nowait)
            built = True
        except (DbtBuildFailed, DbtWarehouseUnreachable):
            failed = True
            raise
        finally:
            waiting.put_nowait(None)
            (broken,) = await asyncio.gather(telling, return_exceptions=True)
            attempt.nodes = outcomes(reports)
            # A failed dbt came to its end, and tells of every node; or it came to none, and knows of nothing built.
            # What was not told counts as not built: the next attempt builds and tells it.
            told = broken is None
            attempt.whole = told and (built or (failed and any(isinstance(report, NodeDone) for report in reports)))
            attempt.build_seconds = time.monotonic() - started
        telling.result()
