"""What was built before an attempt and stands: by earlier attempts of the run, or by the run that it retries."""

from __future__ import annotations

import json
from typing import Final

from floe_chassis.blobs import BlobStore
from floe_contracts.digests import canonical_json
from floe_contracts.events import RunFailed
from floe_contracts.runs import RunRecord, RunStatus
from floe_executor.adapters.state.run_store import RunStore
from floe_executor.core.retries import BuiltSoFar, all_ids, still_valid
from floe_executor.errors import DbtBuildFailed, RetryRefused
from floe_executor.runs.products import Product, Products

_NOTHING: Final[frozenset[str]] = frozenset()


class EarlierBuilds:
    """Writes down what attempts have built, and finds it again."""

    def __init__(self, blobs: BlobStore, store: RunStore, products: Products) -> None:
        self._blobs = blobs
        self._store = store
        self._products = products

    async def keep(self, built: BuiltSoFar) -> str | None:
        """The digest of what was built, for a later attempt; None where that is nothing."""
        if not built.nodes:
            return None
        return await self._blobs.put(canonical_json(built.model_dump(mode="json", exclude_none=True)))

    async def of_run(self, record: RunRecord, product: Product) -> tuple[BuiltSoFar | None, frozenset[str]]:
        """What is built already of what the run asks for, and the ids that are new since then.

        Raises:
            RetryRefused: it retries a run that is not there, or did not fail.
            Transient: what is known of it cannot be read at the moment.
        """
        if record.options.retry_of is None:
            return (await self._read(record.built) if record.built else None), _NOTHING
        retried = await self._retried(record, record.options.retry_of)
        before = product
        if retried.artifact_digest != record.artifact_digest:
            before = await self._products.read(retried.artifact_digest, retried.environment)
        new = all_ids(product.graph) - all_ids(before.graph)
        if record.built:
            return await self._read(record.built), new
        built = await self._of_retried(retried)
        if built is None:
            return None, new
        return still_valid(built.model_copy(update={"own": ()}), before.graph, product.graph), new

    async def _retried(self, record: RunRecord, run_id: str) -> RunRecord:
        found = await self._store.find(record.place, run_id)
        if found is None:
            raise RetryRefused(
                f"there is no run {run_id} of {record.product} in {record.environment}",
                hint="a run can be retried in its own product and environment only",
            )
        if found.record.status is not RunStatus.FAILED:
            raise RetryRefused(
                f"the run {run_id} is {found.record.status}, and only a failed run can be retried",
                hint="ask for a new run instead",
            )
        return found.record

    async def _of_retried(self, record: RunRecord) -> BuiltSoFar | None:
        if record.built:
            return await self._read(record.built)
        outcome = RunFailed.read(json.loads(await self._blobs.get(record.outcome or "")))
        if not outcome.nodes:
            return None
        whole = any(problem.code == DbtBuildFailed.code for problem in outcome.problems)
        return BuiltSoFar(nodes=outcome.nodes, whole=whole)

    async def _read(self, digest: str) -> BuiltSoFar:
        return BuiltSoFar.model_validate_json(await self._blobs.get(digest), extra="ignore")
