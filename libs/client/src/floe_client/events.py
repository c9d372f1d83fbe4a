"""One event of the lineage stream, as its reader gets it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final
from urllib.parse import unquote

from nats.aio.msg import Msg

from floe_contracts import subjects
from floe_contracts.errors import ContractError
from floe_contracts.openlineage.envelope import (
    EVENT_TYPE_HEADER,
    JOB_HEADER,
    NAMESPACE_HEADER,
    ROOT_RUN_HEADER,
    RUN_HEADER,
)
from floe_contracts.openlineage.naming import Place

_PLACE: Final = slice(3, 6)
_SUBJECT_TOKENS: Final = 8
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# $JS.ACK.<stream>.<consumer>.<deliveries>.<number>.<number for the consumer>.<time>.<pending>; a cluster of servers may
# put a domain and an account before the stream.
_PLAIN_REPLY: Final = 9
_TIME: Final = 7
_TIME_WITH_ACCOUNT: Final = 9


@dataclass(frozen=True)
class LineageEvent:
    """An event with what is known of it without decoding it.

    What comes straight from the bus is checked by nobody: headers may be missing, and the body may be anything.

    Attributes:
        sequence: its number in the stream; grows, and is never used twice.
        stored_at: when the bus stored it, in UTC.
        subject: where it was published.
        place: tenant, environment and product; a producer that is not floe has its name after a hyphen there. None if
            the subject does not name them.
        event_type: START, RUNNING, COMPLETE, FAIL, ABORT or OTHER; JOB and DATASET of events without a run.
        job: name of the job; of the dataset where there is no job.
        job_namespace: its namespace.
        run_id: the run of the product that it belongs to; of another producer's event, its own run.
        root_run_id: the run at the top of the chain.
        redelivered: whether it was handed out before, to a reader that did not finish with it.
        body: the OpenLineage event as its producer wrote it.
        headers: all headers, `traceparent` among them.
    """

    sequence: int
    stored_at: datetime
    subject: str
    place: Place | None
    event_type: str
    job: str | None
    job_namespace: str | None
    run_id: str | None
    root_run_id: str | None
    redelivered: bool
    body: bytes
    headers: Mapping[str, str]

    @cached_property
    def document(self) -> dict[str, Any]:
        """The body, decoded.

        Raises:
            ContractError: it is no JSON object.
        """
        try:
            found = json.loads(self.body)
        except ValueError as error:
            raise ContractError(f"event {self.sequence} of the lineage stream is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise ContractError(f"event {self.sequence} of the lineage stream is no JSON object")
        return found


def read_event(message: Msg) -> LineageEvent:
    """The event that a message of the stream holds."""
    headers = dict(message.headers or {})
    metadata = message.metadata
    tokens = message.subject.split(".")
    return LineageEvent(
        sequence=metadata.sequence.stream,
        stored_at=stored_at(message),
        subject=message.subject,
        place=_place(tokens),
        event_type=headers.get(EVENT_TYPE_HEADER) or tokens[-1].upper(),
        job=_unquoted(headers.get(JOB_HEADER)),
        job_namespace=_unquoted(headers.get(NAMESPACE_HEADER)),
        run_id=headers.get(RUN_HEADER),
        root_run_id=headers.get(ROOT_RUN_HEADER),
        redelivered=metadata.num_delivered > 1,
        body=message.data,
        headers=headers,
    )


def stored_at(message: Msg) -> datetime:
    """When the bus stored the message, cut to the microsecond: a reader that begins at this time gets it again."""
    tokens = message.reply.split(".")
    written = tokens[_TIME] if len(tokens) == _PLAIN_REPLY else tokens[_TIME_WITH_ACCOUNT]
    return _EPOCH + timedelta(microseconds=int(written) // 1000)


def _place(tokens: list[str]) -> Place | None:
    if len(tokens) != _SUBJECT_TOKENS:
        return None
    try:
        return Place(*(subjects.unescape(token) for token in tokens[_PLACE]))
    except ContractError:
        return None


def _unquoted(value: str | None) -> str | None:
    return None if value is None else unquote(value)
