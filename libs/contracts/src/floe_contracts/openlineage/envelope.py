"""What the bus has to know of an OpenLineage event: its subject, its headers and its message id.

Subject and headers let readers choose without decoding. Foreign producers and floe's own events are told alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from floe_contracts import subjects
from floe_contracts.openlineage.naming import Place

RUN_HEADER: Final = "Floe-Run-Id"
"""The run that the event belongs to: of floe's own events that of the product, else that of the event."""
ROOT_RUN_HEADER: Final = "Floe-Root-Run-Id"
"""The run at the top of the chain that the event's parent facet tells of."""
NAMESPACE_HEADER: Final = "Floe-Job-Namespace"
JOB_HEADER: Final = "Floe-Job"
"""The job's name, or the dataset's; bytes beside printable ASCII are written as in URLs."""
EVENT_TYPE_HEADER: Final = "Floe-Event-Type"
"""START, RUNNING, COMPLETE, FAIL, ABORT or OTHER; JOB and DATASET for events without a run."""
REPLAY_HEADER: Final = "Floe-Replay-For"
"""The consumer that gets an event again; whoever else reads the stream has had it before."""
FACET_ERRORS_HEADER: Final = "Floe-Facet-Errors"
"""How many problems the facets have of an event that another producer sent over HTTP."""

JOB: Final = "JOB"
DATASET: Final = "DATASET"
_WITHOUT_TYPE: Final = "OTHER"
_PLAIN: Final = " !#$&'()*+,/:;=?@[]{}<>|\\^`~\"-._"


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event as far as it is read on its way."""

    event_type: str
    namespace: str
    name: str
    """Of the job, or of the dataset where there is no job."""
    run_id: str | None = None
    root_run_id: str | None = None


def read_envelope(event: Mapping[str, Any]) -> Envelope:
    """The envelope of an event whose core is right (`core_check.check_core`)."""
    if "dataset" in event:
        dataset = event["dataset"]
        return Envelope(DATASET, dataset["namespace"], dataset["name"])
    job = event["job"]
    if "run" not in event:
        return Envelope(JOB, job["namespace"], job["name"])
    run = event["run"]
    event_type = event.get("eventType") or _WITHOUT_TYPE
    return Envelope(event_type, job["namespace"], job["name"], run["runId"], _root(run))


def message_subject(envelope: Envelope, place: Place) -> str:
    """Where the event is published; a foreign producer has a place, too (`naming.foreign_place`)."""
    return subjects.lineage(place.tenant, place.environment, place.product, envelope.name, envelope.event_type)


def message_headers(envelope: Envelope) -> dict[str, str]:
    """The headers by which readers choose."""
    headers = {
        "Content-Type": "application/json",
        NAMESPACE_HEADER: _printable(envelope.namespace),
        JOB_HEADER: _printable(envelope.name),
        EVENT_TYPE_HEADER: envelope.event_type,
    }
    if envelope.run_id is not None:
        headers[RUN_HEADER] = envelope.run_id
        headers[ROOT_RUN_HEADER] = envelope.root_run_id or envelope.run_id
    return headers


def content_id(envelope: Envelope, body: bytes) -> str:
    """A message id that is the same for the same bytes, so that a producer may send an event again.

    The same as that of the NATS transport proposed for the OpenLineage clients (OpenLineage pull request 4972).
    """
    digest = hashlib.sha256(body).hexdigest()
    if envelope.run_id is None:
        return f"{envelope.event_type.lower()}:{digest}"
    return f"{envelope.run_id}:{envelope.event_type}:{digest}"


def _root(run: Mapping[str, Any]) -> str:
    """The root run that the parent facet tells of; else the parent, else the run itself."""
    parent = (run.get("facets") or {}).get("parent")
    for holder in ((parent or {}).get("root"), parent):
        told = holder.get("run") if isinstance(holder, Mapping) else None
        identity = told.get("runId") if isinstance(told, Mapping) else None
        if isinstance(identity, str) and identity.isascii() and identity.isprintable() and identity:
            return identity
    found: str = run["runId"]
    return found


def _printable(text: str) -> str:
    return quote(text, safe=_PLAIN)
