"""CloudEvents 1.0 on NATS: binary mode written, binary and structured read.

Attributes travel as `ce-<name>` headers, percent-encoded as version 1.0.3-wip of the NATS protocol binding says; a
message whose content type starts with `application/cloudevents` is structured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, Generic, TypeVar
from urllib.parse import unquote

from floe_contracts import subjects
from floe_contracts.errors import ContractError
from floe_contracts.events import EVENTS, VERSION, Event
from floe_contracts.subjects import EventKind

TYPE_PREFIX: Final = "dev.floe."
MAJOR: Final = "v1"
SPEC_VERSION: Final = "1.0"
SCHEMA_ROOT: Final = "https://floe.dev/schemas"
MESSAGE_ID: Final = "Nats-Msg-Id"
_SAFE: Final = frozenset(range(0x21, 0x7F)) - {ord('"'), ord("%")}

EventT = TypeVar("EventT", bound=Event)


@dataclass(frozen=True, slots=True)
class Attributes:
    """The context of an event.

    `id` names the cause of the event, never the content alone, and is the message id that the bus deduplicates by.
    `causeid` is the id of the event that led to this one.
    """

    id: str
    source: str
    time: datetime
    causeid: str | None = None
    traceparent: str | None = None

    @property
    def day(self) -> date:
        """The day of the event, in UTC."""
        return self.time.astimezone(UTC).date()


@dataclass(frozen=True, slots=True)
class Received(Generic[EventT]):
    """An event as it came in.

    `sequence` is its number in the stream that it was read from; None where it came another way.
    """

    event: EventT
    attributes: Attributes
    sequence: int | None = None


def event_type(kind: EventKind) -> str:
    """The `ce-type` of a kind of event."""
    return f"{TYPE_PREFIX}{kind.value}.{MAJOR}"


def schema_uri(kind: EventKind) -> str:
    """The `ce-dataschema` that is written for a kind of event."""
    return f"{SCHEMA_ROOT}/events/{kind.value}/{VERSION}.json"


def encode(event: Event, attributes: Attributes) -> tuple[dict[str, str], bytes]:
    """Headers and body of `event` in binary mode, the message id for deduplication among them."""
    context = {
        "specversion": SPEC_VERSION,
        "id": attributes.id,
        "source": attributes.source,
        "type": event_type(event.kind),
        "time": attributes.time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "dataschema": schema_uri(event.kind),
        "causeid": attributes.causeid,
        "traceparent": attributes.traceparent,
    }
    headers = {f"ce-{name}": _quote(value) for name, value in context.items() if value is not None}
    headers[MESSAGE_ID] = _quote(attributes.id)
    if attributes.traceparent:
        headers["traceparent"] = attributes.traceparent
    return headers, event.model_dump_json(exclude_none=True).encode()


def decode(subject: str, headers: Mapping[str, str] | None, body: bytes) -> Received[Event]:
    """Read a message of either mode.

    Raises:
        ContractError: no CloudEvent, a type or major that is unknown or does not fit the subject, or data that does
            not fulfil its contract.
    """
    lowered = {name.lower(): value for name, value in (headers or {}).items()}
    content_type = lowered.get("content-type") or lowered.get("ce-datacontenttype") or "application/json"
    if content_type.lower().startswith("application/cloudevents"):
        context, data = _structured(body)
    else:
        context = {name[3:]: unquote(value) for name, value in lowered.items() if name.startswith("ce-")}
        data = _json(body)
    place = subjects.parse(subject)
    kind = _kind(context.get("type"))
    if kind is not place.kind:
        raise ContractError(f"an event of type {context['type']!r} came on the subject of {place.kind}")
    event = EVENTS[kind].read(data)
    if event.subject() != subject:
        raise ContractError(f"the data speaks of {event.subject()!r}, but the event came on {subject!r}")
    return Received(event, _attributes(context))


def _kind(event_type_text: object) -> EventKind:
    if not isinstance(event_type_text, str) or not event_type_text.startswith(TYPE_PREFIX):
        raise ContractError(f"{event_type_text!r} is no event type of floe", hint="the attribute ce-type is required")
    name, _, major = event_type_text.removeprefix(TYPE_PREFIX).rpartition(".")
    if major != MAJOR:
        raise ContractError(
            f"{event_type_text!r} has the major {major!r}, and this version of floe reads {MAJOR!r}",
            hint="upgrade the service that reads, or publish the older major too",
        )
    try:
        return EventKind(name)
    except ValueError as error:
        raise ContractError(f"{event_type_text!r} is no known event type") from error


def _attributes(context: Mapping[str, Any]) -> Attributes:
    for name in ("specversion", "id", "source", "time"):
        if not isinstance(context.get(name), str) or not context[name]:
            raise ContractError(f"the attribute ce-{name} is missing")
    for name in ("causeid", "traceparent"):
        if not isinstance(context.get(name), str | None):
            raise ContractError(f"the attribute ce-{name} is no text: {context[name]!r}")
    if context["specversion"] != SPEC_VERSION:
        raise ContractError(f"CloudEvents {context['specversion']!r} is not {SPEC_VERSION!r}")
    try:
        time = datetime.fromisoformat(context["time"])
    except ValueError as error:
        raise ContractError(f"the attribute ce-time is no RFC 3339 time: {context['time']!r}") from error
    if time.tzinfo is None:
        raise ContractError(f"the attribute ce-time has no offset: {context['time']!r}")
    return Attributes(context["id"], context["source"], time, context.get("causeid"), context.get("traceparent"))


def _structured(body: bytes) -> tuple[dict[str, Any], Any]:
    document = _json(body)
    if not isinstance(document, dict):
        raise ContractError("a structured CloudEvent is a JSON object")
    data = document.pop("data", None)
    return document, data


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"the body is not JSON: {error}") from error


def _quote(value: str) -> str:
    return "".join(chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in value.encode())
