"""Which runs of a place wait for which, and what a new request does to those that wait."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from floe_contracts.runs import RunRecord, RunStatus
from floe_executor.core.backfills import BackfillRecord

Order = tuple[int, int, str, str]


def order(record: RunRecord) -> Order:
    """The order in which the runs of a place are built: that of the stream, in a backfill that of its partitions."""
    return (record.sequence, record.position, record.requested_at, record.run_id)


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of the runs of a place when a new one is asked for.

    Attributes:
        superseded: waiting runs whose place the new one takes.
        superseded_by: a newer run that waits already, and takes the place of the new one.
        rejected_for: the run that is in the way of the new one.
    """

    superseded: tuple[RunRecord, ...] = ()
    superseded_by: RunRecord | None = None
    rejected_for: RunRecord | None = None


def decide(policy: str, new: RunRecord, others: Iterable[RunRecord]) -> Decision:
    """What the queue policy says to a new run that still waits. Asked again, after a redelivery, it says the same.

    replace: the new one takes the place of all that wait there, whatever they would build, except parts of a backfill;
    the running one goes on. reject: it waits for nobody. Only runs that came before it are in its way.

    Args:
        policy: queue, replace or reject.
        new: the new run.
        others: the runs of the place that have not ended, and for each backfill a record in its name.
    """
    others = [
        other for other in others if new.run_id not in {other.run_id, other.backfill} and not other.status.terminal
    ]
    earlier = sorted((other for other in others if order(other) < order(new)), key=order)
    if policy == "reject" and earlier:
        return Decision(rejected_for=earlier[0])
    if policy != "replace":
        return Decision()
    waiting = [other for other in others if other.status is RunStatus.QUEUED and other.backfill is None]
    newer = max((other for other in waiting if order(other) > order(new)), key=order, default=None)
    superseded = tuple(other for other in earlier if other in waiting)
    return Decision(superseded=superseded, superseded_by=newer if new.backfill is None else None)


@dataclass(frozen=True, slots=True)
class Due:
    """The runs of a place that may work now, and when to look again because one waits until then."""

    runs: tuple[RunRecord, ...] = ()
    at: datetime | None = None


def due(
    pending: Iterable[RunRecord],
    backfills: Iterable[BackfillRecord],
    now: datetime,
    cancelled: Callable[[RunRecord], bool],
) -> Due:
    """The runs of one place that may work now: the first one, or as many parts of its backfill as may work at once.

    One that has begun comes before all that wait, and one that waits for its next attempt is not overtaken. One
    that has staged its tables is alone until they have landed: a copy that another one makes is newer, and lands later.

    Args:
        pending: the runs of the place that have not ended.
        backfills: those of the place that have not ended.
        now: the time.
        cancelled: whether somebody asked for the end of a run: that does not wait.
    """
    ordered = sorted(
        pending, key=lambda record: (record.status is RunStatus.QUEUED, record.landing is None, order(record))
    )
    if not ordered:
        return Due()
    first = ordered[0]
    ahead = next((one for one in backfills if one.sequence < first.sequence and one.unfinished), None)
    if first.status is RunStatus.QUEUED and ahead is not None and first.backfill != ahead.backfill:
        return Due()
    parts = next((one.parallel for one in backfills if one.backfill == first.backfill), 1)
    beside = first.backfill is not None and first.landing is None
    active = [record for record in ordered if record.backfill == first.backfill][:parts] if beside else [first]
    waits = [moment for record in active if (moment := later(record, now)) and not cancelled(record)]
    return Due(
        tuple(record for record in active if later(record, now) is None or cancelled(record)), min(waits, default=None)
    )


def later(record: RunRecord, now: datetime) -> datetime | None:
    """When the next attempt of a run may begin, if that is not yet."""
    if record.not_before is None:
        return None
    moment = datetime.fromisoformat(record.not_before)
    return moment if moment > now else None
