"""The streams that others read, as an AsyncAPI 3 document."""

from __future__ import annotations

import json
from typing import Any, Final

from floe_chassis import topology
from floe_chassis.settings import ChassisSettings
from floe_contracts import events, subjects, subscribers
from floe_contracts.cloudevents import MESSAGE_ID, SPEC_VERSION, event_type, schema_uri
from floe_contracts.events import EVENTS
from floe_contracts.openlineage import envelope
from floe_contracts.subjects import EventKind
from reference_generator.schemas import schema_of

NAME: Final = "asyncapi.json"
_SCHEMAS: Final = "../../libs/contracts/src/floe_contracts/schemas"
_OPENLINEAGE: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs"
_DRAFT: Final = "application/schema+json;version=draft-2020-12"
_READ: Final = (topology.EVENTS, topology.ARTIFACTS)
_WRITTEN: Final = "A byte outside of [a-z0-9-] is written _hh, in hexadecimal."
_PARAMETERS: Final = {
    "tenant": f"Whose it is. {_WRITTEN}",
    "environment": f"The environment that it happened in. {_WRITTEN}",
    "product": f"The product; of lineage from a producer that is not floe, its name after a hyphen. {_WRITTEN}",
    "detail": f"The dbt node, or the table. {_WRITTEN}",
    "job": f"The job; the dataset, of an event without one. Names of over 500 bytes end in their digest. {_WRITTEN}",
    "eventType": "start, running, complete, fail, abort or other; job and dataset of events without a run.",
}
_TEXT: Final = {"type": "string"}


def asyncapi() -> str:
    """The document, as JSON."""
    return json.dumps(_document(), indent=2, ensure_ascii=False) + "\n"


def _document() -> dict[str, Any]:
    kinds = [kind for kind in EVENTS if _stream(kind) in _READ]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "floe",
            "version": events.VERSION,
            "description": (
                "What floe tells on NATS JetStream. Each channel is a subject of a stream, so readers get what was "
                "told before, too. An external subscriber reads the lineage of a tenant in an account of its own; the "
                "other channels are for readers in floe's account."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "nats": _server("nats", "4222", "Clients of NATS."),
            "websocket": _server("wss", "9222", "The same over WebSocket, where the bus has such a listener."),
        },
        "channels": {"lineage": _lineage_channel()} | {kind.value: _event_channel(kind) for kind in kinds},
        "operations": {"receive-lineage": _lineage_operation()}
        | {f"receive-{kind}": _operation(kind) for kind in kinds},
        "components": {
            "messages": _lineage_messages() | {kind.value: _event_message(kind) for kind in kinds},
            "parameters": {name: {"description": text} for name, text in _PARAMETERS.items()},
            "schemas": {"cloud-event-headers": _event_headers(), "lineage-headers": _lineage_headers()},
            "securitySchemes": {
                "nkey": {
                    "type": "asymmetricEncryption",
                    "description": "An nkey; its seed signs what the server sends.",
                }
            },
        },
    }


def _server(protocol: str, port: str, description: str) -> dict[str, Any]:
    return {
        "host": "{host}:{port}",
        "protocol": protocol,
        "description": description,
        "variables": {"host": {"default": "localhost"}, "port": {"default": port}},
        "security": [{"$ref": "#/components/securitySchemes/nkey"}],
    }


def _lineage_channel() -> dict[str, Any]:
    names = ("tenant", "environment", "product", "job", "eventType")
    return {
        "address": ".".join([subjects.ROOT, "lineage", *(f"{{{name}}}" for name in names)]),
        "title": "Lineage",
        "description": "OpenLineage events, of floe's runs and of every other producer that sends its own.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _lineage_messages()},
        "parameters": _parameters(names),
        "x-floe-stream": topology.LINEAGE,
    }


def _lineage_operation() -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": {"$ref": "#/channels/lineage"},
        "summary": "Read lineage, from the past on.",
        "x-floe-subscriber": {
            "consumer": subscribers.consumer("name").replace("name", "{name}"),
            "jetstream-domain": subscribers.DOMAIN,
        },
    }


def _lineage_messages() -> dict[str, Any]:
    texts = {
        "RunEvent": "What a run did.",
        "JobEvent": "What is known of a job, without a run; what floe finds out about columns comes so.",
        "DatasetEvent": "What is known of a dataset, without a run.",
    }
    return {
        name: {
            "name": name,
            "title": text,
            "contentType": "application/json",
            "headers": {"$ref": "#/components/schemas/lineage-headers"},
            "payload": {"schemaFormat": _DRAFT, "schema": {"$ref": f"{_OPENLINEAGE}/{name}"}},
        }
        for name, text in texts.items()
    }


def _lineage_headers() -> dict[str, Any]:
    texts = {
        MESSAGE_ID: "The bus stores one event with it within ten minutes.",
        envelope.RUN_HEADER: "The run of the product that it belongs to; of another producer's event, its own run.",
        envelope.ROOT_RUN_HEADER: "The run at the top of the chain.",
        envelope.NAMESPACE_HEADER: "The job's namespace, or the dataset's; percent-encoded.",
        envelope.JOB_HEADER: "The job's name, or the dataset's; percent-encoded.",
        envelope.EVENT_TYPE_HEADER: "START, RUNNING, COMPLETE, FAIL, ABORT or OTHER; JOB and DATASET without a run.",
        envelope.FACET_ERRORS_HEADER: "How many problems the facets have of an event that came over HTTP.",
        envelope.REPLAY_HEADER: "The consumer that gets it again; whoever else reads has had it before.",
        "traceparent": "The trace of OpenTelemetry that it belongs to.",
    }
    return {"type": "object", "properties": {name: _TEXT | {"description": text} for name, text in texts.items()}}


def _event_channel(kind: EventKind) -> dict[str, Any]:
    names = kind.scope.names
    return {
        "address": ".".join([subjects.ROOT, kind.value, *(f"{{{name}}}" for name in names)]),
        "messages": {kind.value: {"$ref": f"#/components/messages/{kind.value}"}},
        "parameters": _parameters(names),
        "x-floe-stream": _stream(kind),
    }


def _operation(kind: EventKind) -> dict[str, Any]:
    return {"action": "receive", "channel": {"$ref": f"#/channels/{kind.value}"}}


def _event_message(kind: EventKind) -> dict[str, Any]:
    return {
        "name": event_type(kind),
        "title": kind.value,
        "summary": schema_of(EVENTS[kind])["description"],
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/cloud-event-headers"},
        "payload": {
            "schemaFormat": _DRAFT,
            "schema": {"$ref": f"{_SCHEMAS}/{schema_uri(kind).partition('/schemas/')[2]}"},
        },
    }


def _event_headers() -> dict[str, Any]:
    texts = {
        "ce-specversion": f"{SPEC_VERSION}: a CloudEvent in binary mode; values are percent-encoded.",
        "ce-id": f"Names the cause, and equals {MESSAGE_ID}.",
        "ce-source": "The service that says it.",
        "ce-type": "The type; its last part is the major.",
        "ce-time": "When it was said, as RFC 3339.",
        "ce-dataschema": "The address of the schema.",
        "ce-causeid": "The id of the event that led to this one.",
        "traceparent": "The trace of OpenTelemetry that it belongs to.",
    }
    properties = {name: _TEXT | {"description": text} for name, text in texts.items()}
    return {"type": "object", "required": list(texts)[:5], "properties": properties}


def _parameters(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/parameters/{name}"} for name in names}


def _stream(kind: EventKind) -> str:
    """The stream that holds the events of a kind."""
    declared = topology.declared(ChassisSettings())
    subject = f"{subjects.ROOT}.{kind.value}."
    return next(
        stream.name
        for stream in declared.streams
        for pattern in stream.subjects
        if subject.startswith(pattern.removesuffix(">"))
    )
