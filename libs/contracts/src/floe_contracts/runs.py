"""The state of a run, as it stands in the bucket `floe_runs` under `<tenant>.<environment>.<product>.<run id>`.

The executor writes it by compare-and-set; anybody may read it.
"""

from __future__ import annotations

from enum import StrEnum

from floe_contracts.events import Data, FirstMajor
from floe_contracts.openlineage.naming import Place
from floe_contracts.subjects import escape


class RunStatus(StrEnum):
    """Where a run is in its life."""

    QUEUED = "queued"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        """Whether nothing follows."""
        return self in {RunStatus.COMPLETED, RunStatus.FAILED}


class RunRecord(Data):
    """One run."""

    version: FirstMajor = "1.0"
    run_id: str
    tenant: str
    environment: str
    product: str
    artifact_digest: str
    status: RunStatus
    attempt: int = 0
    cause: str
    requested_at: str
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
