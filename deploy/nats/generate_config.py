#!/usr/bin/env python3
"""Write `nats-server.conf`: one identity for each service, with the least subjects that it needs.

An external subscriber of the lineage has an account of its own, which sees its own consumer and nothing else.
Subjects come from `floe_contracts.subjects`, streams and consumers from `floe_chassis.topology`; what a service
publishes stands here. Public keys come in as variables of the server's environment; the file holds no secret.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from floe_chassis import topology
from floe_chassis.settings import ChassisSettings
from floe_contracts import subjects, subscribers
from floe_contracts.errors import ContractError
from floe_contracts.subjects import EventKind
from floe_contracts.subscribers import Subscriber

TARGET = Path(__file__).with_name("nats-server.conf")
LINEAGE_BACKENDS = ("file", "http")
PUBLISHES: dict[str, tuple[str, ...]] = {
    # Lineage of foreign producers, beside specs.
    "gateway": (EventKind.SPEC_SUBMITTED, "lineage"),
    "compiler": (
        EventKind.ARTIFACT_COMPILED,
        EventKind.ARTIFACT_PLANNED,
        EventKind.ARTIFACT_REJECTED,
        EventKind.ARTIFACT_RETIRED,
    ),
    "executor": (
        # What schedules and triggers ask for stands in the same line as what people ask for.
        EventKind.RUN_REQUESTED,
        EventKind.RUN_QUEUED,
        EventKind.RUN_STARTED,
        EventKind.RUN_COMPLETED,
        EventKind.RUN_FAILED,
        EventKind.RUN_CANCELLED,
        EventKind.RUN_SUPERSEDED,
        EventKind.BACKFILL_COMPLETED,
        EventKind.NODE_STARTED,
        EventKind.NODE_COMPLETED,
        EventKind.NODE_FAILED,
        EventKind.NODE_SKIPPED,
        "lineage",
    ),
    "catalog": (
        EventKind.TABLE_CREATED,
        EventKind.TABLE_COMMITTED,
        EventKind.TABLE_SCHEMA_CHANGED,
        EventKind.TABLE_MAINTAINED,
        EventKind.TABLE_DROPPED,
        EventKind.TABLE_CHECKED,
    ),
    # Lineage of the queries that Cube answers.
    "semantic": (
        EventKind.SEMANTIC_RENDERED,
        EventKind.SEMANTIC_FAILED,
        EventKind.SEMANTIC_SYNCED,
        EventKind.SEMANTIC_SYNC_FAILED,
        EventKind.SEMANTIC_WITHDRAWN,
        "lineage",
    ),
    # What it finds out about columns, beside what producers tell.
    "lineage": ("lineage",),
    # No service: people at the command line, who submit, ask for runs, and look.
    "cli": (EventKind.SPEC_SUBMITTED, EventKind.RUN_REQUESTED, EventKind.CANCELLATION_REQUESTED),
}
ANSWERS = ("catalog", "lineage", "semantic")
"""Services that answer requests."""
ASKS = {"cli": ("catalog", "lineage", "semantic"), "gateway": ("lineage",)}
"""Which services an identity may ask."""
WRITES_BUCKETS = {
    "compiler": (topology.PRODUCTS_BUCKET, topology.COMPILATIONS_BUCKET),
    "executor": (topology.RUNS_BUCKET, topology.LEASES_BUCKET, topology.LIVE_PRODUCTS_BUCKET),
    "catalog": (
        topology.LEASES_BUCKET,
        topology.CATALOG_PRODUCTS_BUCKET,
        topology.TABLES_BUCKET,
        topology.SNAPSHOT_PINS_BUCKET,
    ),
    "lineage": (topology.LINEAGE_DATASETS_BUCKET, topology.LINEAGE_JOBS_BUCKET),
    "semantic": (topology.SEMANTIC_STATES_BUCKET, topology.CUBE_INSTANCES_BUCKET, topology.OPEN_QUERIES_BUCKET),
}
READS_BUCKETS = {
    # Of the run that builds a product just now only its id is told.
    "catalog": (topology.RUNS_BUCKET,),
    "cli": (topology.RUNS_BUCKET, topology.LIVE_PRODUCTS_BUCKET),
}
READS_BACK = {
    "gateway": (topology.LINEAGE,),
    "lineage": (
        topology.LINEAGE,
        f"KV_{topology.LINEAGE_DATASETS_BUCKET}",
        f"KV_{topology.LINEAGE_JOBS_BUCKET}",
    ),
    "executor": (topology.LINEAGE, topology.ARTIFACTS, topology.EVENTS),
    # Keys of a bucket are listed with a consumer; the newest artifacts are read again where somebody asks for a sync.
    "semantic": (
        topology.ARTIFACTS,
        f"KV_{topology.SEMANTIC_STATES_BUCKET}",
        f"KV_{topology.CUBE_INSTANCES_BUCKET}",
    ),
    "cli": (topology.ARTIFACTS, topology.EVENTS, topology.LINEAGE, topology.DLQ),
}
"""Streams that a service reads with consumers which it makes and drops by itself."""
MOVES = {"lineage": topology.LINEAGE}
"""A stream whose own consumers a service may set back, so that what they have read comes again."""
LOOKS_UP = {"compiler": ((topology.ARTIFACTS, EventKind.ARTIFACT_COMPILED),)}
"""Kinds of events whose last one a service asks a stream for, by subject."""
LOOKS_BACK = {"lineage": topology.LINEAGE}
"""A stream of which a service asks for messages by their sequence."""
OPERATOR = "operator"
"""Brings the topology onto the bus; no service has its key."""
OWN_API = "$JS.API."
CONNECTIONS = 16
SUBSCRIPTIONS = 64
PAYLOAD = 4096
"""What one subscriber may have open, and send at once, in bytes: it asks and acknowledges only."""


@dataclass(frozen=True)
class WebSocket:
    """A listener for clients that cannot open a plain connection; without TLS it takes this machine's alone."""

    port: int
    tls: bool


@dataclass(frozen=True)
class Rights:
    """What one identity may publish, and what it may hear beside its own inbox."""

    service: str
    allow: tuple[str, ...]
    deny: tuple[str, ...]
    hear: tuple[str, ...]


def rights(service: str, declared: topology.Topology) -> Rights:
    """The rights of one service."""
    own = [consumer for consumer in declared.consumers if consumer.name.partition("-")[0] == service]
    allow = [f"{subjects.ROOT}.{kind}.>" for kind in PUBLISHES[service]]
    for consumer in own:
        allow += _pulling(consumer)
        if MOVES.get(service) == consumer.stream:
            allow.append(f"$JS.API.CONSUMER.RESET.{consumer.stream}.{consumer.name}")
    if any(consumer.stream == topology.ADVISORIES for consumer in own):
        # It buries the letters of all consumers, and looks the messages up.
        allow.append(f"{subjects.ROOT}.dlq.>")
        allow += [f"$JS.API.STREAM.MSG.GET.{stream.name}" for stream in declared.streams]
    deny: list[str] = []
    for bucket in WRITES_BUCKETS.get(service, ()):
        allow += [f"$KV.{bucket}.>", *_reading_bucket(bucket)]
    for bucket in READS_BUCKETS.get(service, ()):
        allow += _reading_bucket(bucket)
    for stream in READS_BACK.get(service, ()):
        allow += _reading(stream)
        durable = [consumer for consumer in declared.consumers if consumer.stream == stream]
        deny += [subject for consumer in durable for subject in _meddling(consumer, pulling=consumer not in own)]
    for stream, kind in LOOKS_UP.get(service, ()):
        allow.append(f"$JS.API.DIRECT.GET.{stream}.{subjects.ROOT}.{kind}.>")
    if stream_looked_at := LOOKS_BACK.get(service):
        allow.append(f"$JS.API.STREAM.MSG.GET.{stream_looked_at}")
    says, hears = _conversing(service)
    return Rights(service, tuple(dict.fromkeys([*allow, *says])), tuple(deny), tuple(hears))


def _conversing(service: str) -> tuple[list[str], list[str]]:
    """What it publishes and hears to answer requests and to make them."""
    says = [f"{subjects.ROOT}.answer.{service}.>"] if service in ANSWERS else []
    hears = [f"{subjects.ROOT}.{kind}.{service}.>" for kind in ("request", "flow") if service in ANSWERS]
    for asked in ASKS.get(service, ()):
        says += [f"{subjects.ROOT}.{kind}.{asked}.>" for kind in ("request", "flow")]
        hears.append(f"{subjects.ROOT}.answer.{asked}.{service}.>")
    return says, hears


def _pulling(consumer: topology.Consumer) -> list[str]:
    place = f"{consumer.stream}.{consumer.name}"
    return [
        f"$JS.API.CONSUMER.INFO.{place}",
        f"$JS.API.CONSUMER.MSG.NEXT.{place}",
        f"$JS.ACK.{place}.>",
        subjects.dead_letter(consumer.stream, consumer.name),
    ]


def _reading(stream: str) -> list[str]:
    calls = ("CREATE", "INFO", "MSG.NEXT", "DELETE")
    return [f"$JS.API.CONSUMER.{call}.{stream}.>" for call in calls]


def _meddling(consumer: topology.Consumer, *, pulling: bool) -> list[str]:
    """What touches a consumer that only the operator may change; `pulling` takes its messages too."""
    place = f"{consumer.stream}.{consumer.name}"
    changing = [
        f"$JS.API.CONSUMER.CREATE.{place}",
        f"$JS.API.CONSUMER.CREATE.{place}.>",
        f"$JS.API.CONSUMER.DELETE.{place}",
    ]
    return [*changing, f"$JS.API.CONSUMER.MSG.NEXT.{place}"] if pulling else changing


def _reading_bucket(bucket: str) -> list[str]:
    return [f"$JS.API.STREAM.INFO.KV_{bucket}", f"$JS.API.STREAM.MSG.GET.KV_{bucket}"]


def imported(subscriber: Subscriber) -> tuple[str, ...]:
    """What a subscriber may ask of floe's account: to read its one consumer, and to set it back.

    It cannot make the consumer. Whoever does names where the server delivers, and what stays in flight.
    """
    place = f"{topology.LINEAGE}.{subscriber.consumer}"
    return (
        f"$JS.API.CONSUMER.INFO.{place}",
        f"$JS.API.CONSUMER.MSG.NEXT.{place}",
        f"$JS.API.CONSUMER.RESET.{place}",
        # The last event of those it may read; the server refuses every other question on such a subject.
        f"$JS.API.DIRECT.GET.{topology.LINEAGE}.{subscriber.filter}",
        f"$JS.ACK.{place}.>",
    )


def config(
    lineage_backends: Sequence[str] = LINEAGE_BACKENDS,
    subscribing: Sequence[Subscriber] = (),
    websocket: WebSocket | None = None,
) -> str:
    """The whole file."""
    declared = topology.declared(ChassisSettings(), lineage_backends, subscribing)
    users = "\n".join(_user(rights(service, declared)) for service in PUBLISHES)
    return f"""\
# Generated by deploy/nats/generate_config.py. Do not edit.
# The store's folder and the public keys (deploy/nats/generate_keys.py makes them) are variables of the environment.
listen: "0.0.0.0:4222"
http: "0.0.0.0:8222"
server_name: "floe"
jetstream {{
  store_dir: $FLOE_NATS_STORE
  # Every stored message is on the disk before it is acknowledged: a power failure loses nothing.
  sync_interval: always
}}
{_listening(websocket)}accounts {{
  SYS {{}}
  FLOE {{
    jetstream: enabled
    users: [
      # Brings the topology onto the bus, without limits.
      {{ nkey: {_variable(OPERATOR)} }}
{users}
    ]{_exports(subscribing)}
  }}
{"".join(_account(subscriber) for subscriber in subscribing)}}}
system_account: SYS
"""


def _user(granted: Rights) -> str:
    deny = f"\n            deny: [{_listed(granted.deny)}]" if granted.deny else ""
    return f"""\
      {{ nkey: {_variable(granted.service)}
        permissions: {{
          publish: {{
            allow: [{_listed(granted.allow)}]{deny}
          }}
          subscribe: {{
            allow: [{_listed([f"_INBOX_{granted.service}.>", *granted.hear])}]
          }}
        }}
      }}"""


def _exports(subscribing: Sequence[Subscriber]) -> str:
    if not subscribing:
        return ""
    takers: dict[str, list[str]] = {}
    for subscriber in subscribing:
        for subject in imported(subscriber):
            takers.setdefault(subject, []).append(_account_name(subscriber))
    lines = "".join(
        f'\n      {{ service: "{subject}"{_streaming(subject)}, accounts: [{", ".join(accounts)}] }}'
        for subject, accounts in takers.items()
    )
    return f"\n    exports: [{lines}\n    ]"


def _streaming(subject: str) -> str:
    return ", response_type: stream" if ".MSG.NEXT." in subject else ""


def _account(subscriber: Subscriber) -> str:
    subjects_here = [_seen_as(subject) for subject in imported(subscriber)]
    imports = "".join(
        f'\n      {{ service: {{ account: FLOE, subject: "{subject}" }}, to: "{_seen_as(subject)}" }}'
        for subject in imported(subscriber)
    )
    return f"""\
  # Reads {subscriber.filter}
  {_account_name(subscriber)} {{
    limits: {{ max_connections: {CONNECTIONS}, max_subscriptions: {SUBSCRIPTIONS}, max_payload: {PAYLOAD} }}
    users: [
      {{ nkey: {_variable(subscriber.consumer)}
        permissions: {{
          publish: {{
            allow: [{_listed(subjects_here)}]
          }}
          subscribe: {{
            allow: [{_listed(["_INBOX.>"])}]
          }}
        }}
      }}
    ]
    imports: [{imports}
    ]
  }}
"""


def _seen_as(subject: str) -> str:
    return subject.replace(OWN_API, f"{subscribers.API}.")


def _account_name(subscriber: Subscriber) -> str:
    return subscriber.consumer.replace("-", "_").upper()


def _listening(websocket: WebSocket | None) -> str:
    if websocket is None:
        return ""
    if not websocket.tls:
        return f'websocket {{\n  listen: "127.0.0.1:{websocket.port}"\n  no_tls: true\n}}\n'
    files = "cert_file: $FLOE_NATS_WEBSOCKET_CERTIFICATE, key_file: $FLOE_NATS_WEBSOCKET_KEY"
    return f'websocket {{\n  listen: "0.0.0.0:{websocket.port}"\n  tls: {{ {files} }}\n}}\n'


def _listed(names: Iterable[str]) -> str:
    return "".join(f'\n              "{name}"' for name in names) + "\n            "


def _variable(identity: str) -> str:
    return "$" + variable(identity)


def variable(identity: str) -> str:
    """The variable of the server's environment that holds the public key of an identity."""
    return f"FLOE_NKEY_{identity.upper().replace('-', '_')}"


def main(arguments: Sequence[str]) -> int:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lineage-backend", action="append", help="a name of FLOE_LINEAGE_BACKENDS; repeatable")
    parser.add_argument("--subscriber", action="append", help="name=tenant[/environment[/product]]; repeatable")
    listener = parser.add_mutually_exclusive_group()
    listener.add_argument("--websocket", type=int, metavar="PORT", help="a WebSocket listener with TLS")
    listener.add_argument("--websocket-plain", type=int, metavar="PORT", help="without TLS, for this machine alone")
    parser.add_argument("--output", type=Path, default=TARGET)
    options = parser.parse_args(arguments)
    try:
        subscribing = subscribers.read_subscribers(options.subscriber or ())
    except ContractError as error:
        parser.error(str(error))
    port = options.websocket or options.websocket_plain
    websocket = WebSocket(port, tls=options.websocket is not None) if port else None
    written = config(options.lineage_backend or LINEAGE_BACKENDS, subscribing, websocket)
    options.output.write_text(written, encoding="utf-8")
    print(f"{options.output} written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
