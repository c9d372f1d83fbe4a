"""Bringing a topology onto a bus, and telling where the bus differs from it.

Speaks the JetStream API's own JSON: what the topology does not declare is passed through untouched, also what a newer
server knows and the client library does not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from nats.errors import Error as NatsError

from floe_chassis.bus import Bus
from floe_chassis.errors import TopologyConflict
from floe_chassis.topology import Bucket, Consumer, Stream, Topology
from floe_contracts.errors import Unreachable

Kind = Literal["stream", "consumer", "bucket"]
Action = Literal["created", "updated", "unchanged"]
Difference = Mapping[str, tuple[Any, Any]]

_NANOSECONDS: Final = 1_000_000_000
_DURATIONS: Final = frozenset({"max_age", "duplicate_window", "ack_wait"})
_UNORDERED: Final = frozenset({"subjects", "filter_subjects"})
_MISSING: Final = frozenset({10014, 10059})
_BUCKET_DUPLICATES: Final = 120.0
_TIMEOUT: Final = 5.0


@dataclass(frozen=True, slots=True)
class Change:
    """What was done, or would be done, to one part of the topology.

    Attributes:
        fields: differing field -> (what the bus has, what the topology wants); times in seconds.
    """

    kind: Kind
    name: str
    action: Action
    fields: Difference = field(default_factory=lambda: MappingProxyType({}))


async def apply(bus: Bus, topology: Topology, *, dry_run: bool = False) -> list[Change]:
    """Create what is missing and update what differs, streams and buckets before consumers.

    Args:
        bus: connected, with administrative rights.
        topology: what there should be. What it does not declare is left alone.
        dry_run: only tell.

    Raises:
        TopologyConflict: a difference that the server does not change in place.
        Unreachable: the bus does not answer.
    """
    changes = [await _apply_stream(bus, "stream", item.name, stream_fields(item), dry_run) for item in topology.streams]
    changes += [
        await _apply_stream(bus, "bucket", item.name, bucket_fields(item), dry_run) for item in topology.buckets
    ]
    changes += [await _apply_consumer(bus, item, dry_run) for item in topology.consumers]
    return changes


async def consumer_config(bus: Bus, stream: str, name: str) -> Mapping[str, Any] | None:
    """The configuration of a consumer as the bus has it, or None. Needs no more rights than pulling does.

    Raises:
        Unreachable: the bus does not answer.
    """
    answer = await _ask(bus, f"CONSUMER.INFO.{stream}.{name}")
    config: Mapping[str, Any] | None = None if answer is None else answer["config"]
    return config


def difference(have: Mapping[str, Any], want: Mapping[str, Any]) -> Difference:
    """The declared fields that differ, times in seconds. The server leaves out what is zero or empty."""
    return {
        name: (_readable(name, have.get(name)), _readable(name, value))
        for name, value in want.items()
        if _comparable(name, have.get(name)) != _comparable(name, value)
    }


def stream_fields(stream: Stream) -> dict[str, Any]:
    """What the topology declares of a stream, in the API's terms."""
    return {
        "name": stream.name,
        "subjects": list(stream.subjects),
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "max_age": _nanoseconds(stream.max_age),
        "duplicate_window": _nanoseconds(stream.duplicate_window),
        "max_msgs_per_subject": stream.max_msgs_per_subject,
        "num_replicas": stream.replicas,
        "allow_direct": stream.allow_direct,
    }


def bucket_fields(bucket: Bucket) -> dict[str, Any]:
    """What the topology declares of a bucket: the stream behind it."""
    ttl = bucket.ttl or 0.0
    return {
        "name": f"KV_{bucket.name}",
        "subjects": [f"$KV.{bucket.name}.>"],
        "storage": "file",
        "discard": "new",
        "max_age": _nanoseconds(ttl),
        "duplicate_window": _nanoseconds(min(ttl or _BUCKET_DUPLICATES, _BUCKET_DUPLICATES)),
        "max_msgs_per_subject": 1,
        "num_replicas": bucket.replicas,
        # Reads come from the leader alone: a lease that a follower has not heard of must not be seen as ours.
        "allow_direct": False,
        "allow_rollup_hdrs": True,
        "allow_msg_ttl": True,
        "deny_delete": True,
    }


def consumer_fields(consumer: Consumer) -> dict[str, Any]:
    """What the topology declares of a consumer."""
    fields: dict[str, Any] = {
        "durable_name": consumer.name,
        "name": consumer.name,
        "ack_policy": "explicit",
        "deliver_policy": consumer.deliver_policy,
        "ack_wait": _nanoseconds(consumer.ack_wait),
        "max_deliver": consumer.max_deliver,
        "filter_subject": consumer.filters[0] if len(consumer.filters) == 1 else "",
        "filter_subjects": list(consumer.filters) if len(consumer.filters) > 1 else [],
    }
    if consumer.max_ack_pending is not None:
        fields["max_ack_pending"] = consumer.max_ack_pending
    return fields


async def _apply_stream(
    bus: Bus, kind: Literal["stream", "bucket"], name: str, want: dict[str, Any], dry_run: bool
) -> Change:
    stream = want["name"]
    answer = await _ask(bus, f"STREAM.INFO.{stream}")
    if answer is None:
        if not dry_run:
            await _tell(bus, kind, name, f"STREAM.CREATE.{stream}", want)
        return Change(kind, name, "created")
    fields = difference(answer["config"], want)
    if not fields:
        return Change(kind, name, "unchanged")
    if not dry_run:
        await _tell(bus, kind, name, f"STREAM.UPDATE.{stream}", answer["config"] | want, fields)
    return Change(kind, name, "updated", fields)


async def _apply_consumer(bus: Bus, consumer: Consumer, dry_run: bool) -> Change:
    want = consumer_fields(consumer)
    have = await consumer_config(bus, consumer.stream, consumer.name)
    fields: Difference = {} if have is None else difference(have, want)
    if have is not None and not fields:
        return Change("consumer", consumer.name, "unchanged")
    if not dry_run:
        document = {
            "stream_name": consumer.stream,
            "config": want if have is None else {**have, **want},
            "action": "create" if have is None else "update",
        }
        subject = f"CONSUMER.CREATE.{consumer.stream}.{consumer.name}"
        await _tell(bus, "consumer", consumer.name, subject, document, fields)
    return Change("consumer", consumer.name, "created" if have is None else "updated", fields)


async def _ask(bus: Bus, subject: str) -> dict[str, Any] | None:
    answer = await _request(bus, subject, None)
    error = answer.get("error")
    if error is None:
        return answer
    if error.get("err_code") in _MISSING:
        return None
    raise Unreachable(f"{subject}: {error.get('description')}")


async def _tell(
    bus: Bus, kind: Kind, name: str, subject: str, document: Mapping[str, Any], fields: Difference | None = None
) -> None:
    answer = await _request(bus, subject, document)
    error = answer.get("error")
    if error is None:
        return
    if error.get("code") == 503:
        raise Unreachable(f"{kind} {name}: {error.get('description')}")
    differing = ", ".join(f"{item} {have!r} -> {want!r}" for item, (have, want) in (fields or {}).items())
    raise TopologyConflict(
        f"{kind} {name}: {error.get('description')}" + (f" ({differing})" if differing else ""),
        hint=f"delete the {kind} and apply again; deleting a consumer loses its position, a stream or bucket its data",
    )


async def _request(bus: Bus, subject: str, document: Mapping[str, Any] | None) -> dict[str, Any]:
    if not bus.connected:
        # The client would keep the request and send it whenever it reconnects.
        raise Unreachable(f"the bus at {bus.address} is not connected")
    body = b"" if document is None else json.dumps(document).encode()
    try:
        message = await bus.nc.request(f"$JS.API.{subject}", body, timeout=_TIMEOUT)
    except (NatsError, OSError, TimeoutError) as error:
        raise Unreachable(f"the bus does not answer {subject}: {error}", hint=f"is {bus.address} up?") from error
    answer: dict[str, Any] = json.loads(message.data)
    return answer


def _nanoseconds(seconds: float) -> int:
    return round(seconds * _NANOSECONDS)


def _readable(name: str, value: Any) -> Any:
    return value / _NANOSECONDS if name in _DURATIONS and value is not None else value


def _comparable(name: str, value: Any) -> Any:
    if name in _UNORDERED:
        return sorted(value or [])
    return value or None
