"""Landing the tables of a product's warehouse in Iceberg, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from contextvars import copy_context
from pathlib import Path
from typing import Final

import duckdb
from pyiceberg.catalog import Catalog

from floe_contracts.artifacts import CompiledEnvironment
from floe_contracts.events import LandedTable
from floe_contracts.nodes import Node
from floe_contracts.openlineage.naming import Place
from floe_executor.adapters.landing.row_sources import row_source
from floe_executor.core.landed_table import Commit, Landed
from floe_executor.core.landing_journal import StagedNode, planned_landing
from floe_executor.core.ports import BuildRequest
from floe_lakehouse import snapshots
from floe_lakehouse.compiled_catalogs import CatalogHandles
from floe_lakehouse.duckdb_files import Engine
from floe_lakehouse.identifiers import dotted, product_table
from floe_lakehouse.landing import switch_table
from floe_lakehouse.orphans import discard_staged
from floe_lakehouse.staged import LandingRequest, StagedTable
from floe_lakehouse.staging import Staging, open_staging

_STAGED_AT_ONCE: Final = 2
"""Tables that are copied at the same time, by one instance: they share the compute's threads and its memory limit."""
_INTERRUPTED_EVERY_SECONDS: Final = 0.1


class IcebergLander:
    """Fulfils `Lander`: from where `row_source` says to where the environment's catalog and storage are."""

    def __init__(
        self,
        handles: CatalogHandles,
        database_of: Callable[[Place], Path],
        secrets: Callable[[str], Callable[[str], str]],
    ) -> None:
        self._handles = handles
        self._database_of = database_of
        self._secrets = secrets

    async def stage(self, request: BuildRequest, nodes: Sequence[Node]) -> tuple[StagedNode, ...]:
        if not nodes:
            return ()
        landings = {node.unique_id: self._landing(request, node) for node in nodes}
        with ExitStack() as stack:
            opening = asyncio.ensure_future(asyncio.to_thread(self._open, request, landings.values(), stack))
            try:
                staging = await asyncio.shield(opening)
            finally:
                await asyncio.wait([opening])  # a thread cannot be cancelled; what it has opened is closed by the stack
            return await self._copy(request, landings, staging)

    async def _copy(
        self, request: BuildRequest, landings: Mapping[str, LandingRequest], staging: Staging
    ) -> tuple[StagedNode, ...]:
        opened: list[duckdb.DuckDBPyConnection] = []
        threads = ThreadPoolExecutor(_STAGED_AT_ONCE, thread_name_prefix="staging")
        copying = [
            threads.submit(copy_context().run, _stage, staging, unique_id, landing, opened.append)
            for unique_id, landing in landings.items()
        ]
        try:
            return tuple(await asyncio.gather(*map(asyncio.wrap_future, copying)))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            await self._undo(request, copying, opened)
            raise
        finally:
            threads.shutdown(wait=False)

    async def switch(
        self, request: BuildRequest, staged: StagedNode, *, token: int, fence: Callable[[], None]
    ) -> Landed:
        return await asyncio.to_thread(self._switch, request, staged, token, fence)

    async def discard(self, request: BuildRequest, staged: StagedNode) -> None:
        await asyncio.to_thread(lambda: discard_staged(self._catalog(request), StagedTable.from_json(staged.staged)))

    async def _undo(
        self, request: BuildRequest, staging: Sequence[Future[StagedNode]], opened: Sequence[duckdb.DuckDBPyConnection]
    ) -> None:
        """End the copies that still run, and remove what others wrote: no journal will ever name it."""
        while not all(one.done() for one in staging):
            for connection in tuple(opened):
                with suppress(duckdb.Error):  # it is closed already
                    connection.interrupt()
            await asyncio.sleep(_INTERRUPTED_EVERY_SECONDS)
        for one in staging:
            if not one.cancelled() and one.exception() is None:
                await self.discard(request, one.result())

    def _landing(self, request: BuildRequest, node: Node) -> LandingRequest:
        record = request.record
        plan = planned_landing(node, record.options)
        return LandingRequest(
            source=row_source(request, node, self._database_of, self._secrets(record.place.tenant)),
            identifier=product_table(record.place, node.schema_name, node.identifier),
            run_id=record.run_id,
            attempt=record.attempt,
            mode=plan.mode or "replace",
            unique_key=node.unique_key,
            watermark=plan.watermark,
            partition_by=plan.partition_by,
            allow_breaking=record.options.allow_breaking,
        )

    def _open(self, request: BuildRequest, landings: Collection[LandingRequest], stack: ExitStack) -> Staging:
        """What an environment builds stands in one warehouse."""
        warehouse = next(iter(landings)).source.warehouse
        tables = [landing.identifier for landing in landings]
        return stack.enter_context(open_staging(self._catalog(request), warehouse, tables))

    def _switch(self, request: BuildRequest, staged: StagedNode, token: int, fence: Callable[[], None]) -> Landed:
        place = request.record.place
        rows = StagedTable.from_json(staged.staged)
        landed = switch_table(
            self._catalog(request),
            rows,
            sequence=token,
            properties={
                snapshots.TENANT: place.tenant,
                snapshots.ENVIRONMENT: place.environment,
                snapshots.PRODUCT: place.product,
                snapshots.ARTIFACT_DIGEST: request.record.artifact_digest,
            },
            fence=fence,
            engine=_engine(request.environment),
        )
        table = LandedTable(
            identifier=dotted(landed.identifier),
            unique_id=staged.unique_id,
            table_uuid=landed.table_uuid,
            snapshot_id=landed.snapshot_id,
            rows=landed.rows,
            files=landed.files,
            bytes=landed.size_bytes,
            mode=landed.mode,
        )
        columns = [(field.name, field.type, "") for field in landed.fields]
        return Landed(
            table,
            columns,
            source_columns=[field.name for field in rows.schema.fields],
            created=landed.parent_snapshot_id is None,
            commit=_commit(landed.commit),
        )

    def _catalog(self, request: BuildRequest) -> Catalog:
        place = request.record.place
        return self._handles.open(place.tenant, place.environment, request.environment)


def _stage(
    staging: Staging,
    unique_id: str,
    landing: LandingRequest,
    on_open: Callable[[duckdb.DuckDBPyConnection], None],
) -> StagedNode:
    return StagedNode(unique_id=unique_id, staged=staging.stage(landing, on_open=on_open).to_json())


def _commit(commit: snapshots.SnapshotCommit | None) -> Commit | None:
    return Commit(commit.operation, commit.sequence_number, commit.summary) if commit else None


def _engine(environment: CompiledEnvironment) -> Engine:
    """What files are rewritten with: as much as DuckDB may take where it builds the tables too."""
    given = environment.compute.properties.get("memory_limit")
    return Engine(str(given), environment.compute.threads) if given else Engine()
