"""Launching runs as Kubernetes Jobs, one for each attempt."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import structlog

from floe_contracts.runs import RunRecord
from floe_executor.adapters.launchers.cluster import Cluster
from floe_executor.adapters.launchers.job import job_name, job_of, selector
from floe_executor.adapters.launchers.settings import KubernetesSettings
from floe_executor.clock import now
from floe_executor.core.job_states import launch_of
from floe_executor.core.ports import Launch, LaunchState

log = structlog.get_logger(__name__)

TimeoutOf = Callable[[RunRecord], Awaitable[int | None]]


class KubernetesLauncher:
    """Fulfils `Launcher`."""

    def __init__(self, settings: KubernetesSettings, timeout_of: TimeoutOf) -> None:
        """Prepare; the cluster is looked for at the first call.

        Args:
            settings: what the Jobs are made of.
            timeout_of: the seconds that the product gives a run, if it does.
        """
        self._settings = settings
        self._timeout_of = timeout_of
        self._cluster: Cluster | None = None
        self._lock = threading.Lock()

    async def launch(self, record: RunRecord) -> None:
        attempt = record.attempt + 1
        job = job_of(record, attempt, self._settings, await self._timeout_of(record))
        made = await asyncio.to_thread(lambda: self._connected().create_job(job))
        log.info(
            "job launched" if made else "job was launched before", run_id=record.run_id, job=job_name(record, attempt)
        )

    async def state(self, record: RunRecord) -> Launch:
        return await asyncio.to_thread(self._look, record, record.attempt + 1)

    async def end(self, record: RunRecord) -> None:
        await asyncio.to_thread(self._delete_all, selector(record))

    async def close(self) -> None:
        """Give the connections to the cluster back."""
        if self._cluster is not None:
            await asyncio.to_thread(self._cluster.close)

    def _look(self, record: RunRecord, attempt: int) -> Launch:
        cluster = self._connected()
        job = cluster.job(job_name(record, attempt))
        if job is None:
            return Launch(LaunchState.ABSENT)
        pods = cluster.pods(selector(record, attempt))
        return launch_of(job, pods, now=now(), start_seconds=self._settings.start_seconds)

    def _delete_all(self, labels: str) -> None:
        cluster = self._connected()
        for job in cluster.jobs(labels):
            cluster.delete_job(job["metadata"]["name"])

    def _connected(self) -> Cluster:
        with self._lock:
            if self._cluster is None:
                self._cluster = Cluster(self._settings)
            return self._cluster
