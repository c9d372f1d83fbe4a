"""The state of a run, as it stands in the bucket `floe_runs` under `<tenant>.<environment>.<product>.<run id>`.

The executor writes it by compare-and-set; anybody may read it.
"""

from __future__ import annotations

from enum import StrEnum

from floe_contracts.events import Data, FirstMajor, RunOptions, SourceReference
from floe_contracts.openlineage.naming import Place
from floe_contracts.subjects import escape


class RunStatus(StrEnum):
    """Where a run is in its life."""

    QUEUED = "queued"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"

    @property
    def terminal(self) -> bool:
        """Whether nothing follows."""
        return self not in {RunStatus.QUEUED, RunStatus.STARTED}


class RunRecord(Data):
    """One run."""

    version: FirstMajor = "1.1"
    run_id: str
    tenant: str
    environment: str
    product: str
    artifact_digest: str
    status: RunStatus
    attempt: int = 0
    cause: str
    requested_at: str
    requester: str = ""
    reason: str = ""
    trigger: str = "manual"
    options: RunOptions = RunOptions()
    nominal_time: str | None = None
    caused_by: str | None = None
    chain: tuple[str, ...] = ()
    backfill: str | None = None
    source: SourceReference | None = None
    traceparent: str | None = None
    """W3C trace context of the request: the run is a part of that trace."""
    sequence: int = 0
    """Number of its request in the stream: the runs of a place are built in this order."""
    position: int = 0
    """Of a part of a backfill: its place among the others."""
    interruptions: int = 0
    """Attempts that ended because their worker was stopped: they are no failure of the run."""
    not_before: str | None = None
    """The next attempt begins no earlier."""
    built: str | None = None
    """Digest of what earlier attempts built well: the next one builds the rest."""
    started_at: str | None = None
    ended_at: str | None = None
    lineage_events: int = 0
    landing: str | None = None
    """Digest of the landing journal, once every table is staged: recovery completes it."""
    outcome: str | None = None
    """Digest of the terminal event's data, written before the event is published: recovery publishes it again."""

    @property
    def place(self) -> Place:
        """Where the run belongs."""
        return Place(self.tenant, self.environment, self.product)


def place_key(place: Place) -> str:
    """The key of a place in the bucket of leases, and the prefix of its runs."""
    return ".".join(escape(name) for name in (place.tenant, place.environment, place.product))


def run_key(place: Place, run_id: str) -> str:
    """The key of a run in the bucket of runs."""
    return f"{place_key(place)}.{run_id}"
