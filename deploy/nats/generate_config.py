#!/usr/bin/env python3
"""Write `nats-server.conf`: one identity for each service, with the least subjects that it needs.

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
from floe_contracts import subjects
from floe_contracts.subjects import EventKind

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
    "semantic": (EventKind.SEMANTIC_RENDERED, EventKind.SEMANTIC_FAILED),
    # What it finds out about columns, beside what producers tell.
    "lineage": ("lineage",),
    # No service: people at the command line, who submit, ask for runs, and look.
    "cli": (EventKind.SPEC_SUBMITTED, EventKind.RUN_REQUESTED, EventKind.CANCELLATION_REQUESTED),
}
ANSWERS = ("catalog", "lineage")
"""Services that answer requests."""
ASKS = {"cli": ("catalog", "lineage"), "gateway": ("lineage",)}
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
    "cli": (topology.ARTIFACTS, topology.EVENTS, topology.LINEAGE, topology.DLQ),
}
"""Streams that a service reads with consumers which it makes and drops by itself."""
MOVES = {"lineage": topology.LINEAGE}
"""A stream whose own consumers a service may set back, so that what they have read comes again."""
LOOKS_UP = {"compiler": ((topology.ARTIFACTS, EventKind.ARTIFACT_COMPILED),)}
"""Kinds of events whose last one a service asks a stream for, by subject."""
OPERATOR = "operator"
"""Brings the topology onto the bus; no service has its key."""


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
    hear = [f"{subjects.ROOT}.{kind}.{service}.>" for kind in ("request", "flow") if service in ANSWERS]
    if service in ANSWERS:
        allow.append(f"{subjects.ROOT}.answer.{service}.>")
    for asked in ASKS.get(service, ()):
        allow += [f"{subjects.ROOT}.{kind}.{asked}.>" for kind in ("request", "flow")]
        hear.append(f"{subjects.ROOT}.answer.{asked}.{service}.>")
    return Rights(service, tuple(dict.fromkeys(allow)), tuple(deny), tuple(hear))


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


def config(lineage_backends: Sequence[str] = LINEAGE_BACKENDS) -> str:
    """The whole file."""
    declared = topology.declared(ChassisSettings(), lineage_backends)
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
accounts {{
  SYS {{}}
  FLOE {{
    jetstream: enabled
    users: [
      # Brings the topology onto the bus, without limits.
      {{ nkey: {_variable(OPERATOR)} }}
{users}
    ]
  }}
}}
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


def _listed(names: Iterable[str]) -> str:
    return "".join(f'\n              "{name}"' for name in names) + "\n            "


def _variable(identity: str) -> str:
    return f"$FLOE_NKEY_{identity.upper()}"


def main(arguments: Sequence[str]) -> int:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lineage-backend", action="append", help="a name of FLOE_LINEAGE_BACKENDS; repeatable")
    parser.add_argument("--output", type=Path, default=TARGET)
    options = parser.parse_args(arguments)
    options.output.write_text(config(options.lineage_backend or LINEAGE_BACKENDS), encoding="utf-8")
    print(f"{options.output} written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
