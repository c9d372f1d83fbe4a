"""Every stream, consumer and bucket of floe (DESIGN section 3), as data. `topology_apply` brings it onto a bus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from floe_chassis.settings import ChassisSettings
from floe_contracts.errors import ContractError
from floe_contracts.subjects import ROOT, EventKind, escape, unescape
from floe_contracts.subscribers import Subscriber

SPECS: Final = "FLOE_SPECS"
ARTIFACTS: Final = "FLOE_ARTIFACTS"
RUNS: Final = "FLOE_RUNS"
EVENTS: Final = "FLOE_EVENTS"
LINEAGE: Final = "FLOE_LINEAGE"
ADVISORIES: Final = "FLOE_ADVISORIES"
DLQ: Final = "FLOE_DLQ"
RUNS_BUCKET: Final = "floe_runs"
LEASES_BUCKET: Final = "floe_leases"
PRODUCTS_BUCKET: Final = "floe_products"
COMPILATIONS_BUCKET: Final = "floe_compilations"
LIVE_PRODUCTS_BUCKET: Final = "floe_live_products"
CATALOG_PRODUCTS_BUCKET: Final = "floe_catalog_products"
TABLES_BUCKET: Final = "floe_tables"
SNAPSHOT_PINS_BUCKET: Final = "floe_snapshot_pins"
LINEAGE_DATASETS_BUCKET: Final = "floe_lineage_datasets"
LINEAGE_JOBS_BUCKET: Final = "floe_lineage_jobs"
SEMANTIC_STATES_BUCKET: Final = "floe_semantic_states"
CUBE_INSTANCES_BUCKET: Final = "floe_cube_instances"
OPEN_QUERIES_BUCKET: Final = "floe_open_queries"

COMPILER: Final = "compiler"
CATALOG: Final = "catalog"
SEMANTIC: Final = "semantic"
EXECUTOR: Final = "executor"
EXECUTOR_ARTIFACTS: Final = "executor-artifacts"
EXECUTOR_UPSTREAMS: Final = "executor-upstreams"
EXECUTOR_CANCELLATIONS: Final = "executor-cancellations"
CATALOG_RUNS: Final = "catalog-runs"
DEAD_LETTERS: Final = "gateway-dead-letters"
LINEAGE_PREFIX: Final = "lineage-"
LINEAGE_GRAPH: Final = "lineage-graph"
"""Reads all lineage for what is known of datasets and jobs now; no backend is called `graph`."""

MAX_DELIVERIES: Final = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>"
MSG_TERMINATED: Final = "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>"

_MINUTE: Final = 60.0
_DAY: Final = 24 * 60 * _MINUTE
_LINEAGE_IN_FLIGHT: Final = 256

DeliverPolicy = Literal["all", "last_per_subject", "new"]


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream; times in seconds, -1 is no limit. Storage is file, retention is by limits."""

    name: str
    subjects: tuple[str, ...]
    max_age: float
    duplicate_window: float = 10 * _MINUTE
    max_msgs_per_subject: int = -1
    replicas: int = 1
    allow_direct: bool = False


@dataclass(frozen=True, slots=True)
class Consumer:
    """A durable pull consumer with explicit acknowledgement; `ack_wait` in seconds, `max_deliver` -1 is no limit."""

    name: str
    stream: str
    filters: tuple[str, ...]
    ack_wait: float
    max_deliver: int
    max_ack_pending: int | None = None
    deliver_policy: DeliverPolicy = "all"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A key-value bucket; keys vanish `ttl` seconds after they were last written, None keeps them."""

    name: str
    ttl: float | None = None
    replicas: int = 1


@dataclass(frozen=True, slots=True)
class Topology:
    """All that floe needs on a bus."""

    streams: tuple[Stream, ...]
    consumers: tuple[Consumer, ...]
    buckets: tuple[Bucket, ...]


def declared(
    settings: ChassisSettings, lineage_backends: Sequence[str] = (), subscribers: Sequence[Subscriber] = ()
) -> Topology:
    """The topology for these settings.

    Args:
        settings: ack_wait, max_deliver, lease_seconds and bus_replicas are used.
        lineage_backends: names of the configured lineage backends; each has a consumer of its own.
        subscribers: external subscribers of the lineage; each has a consumer of its own, too.
    """
    return Topology(
        streams=_streams(settings.bus_replicas),
        consumers=(
            *_consumers(settings),
            _lineage_reader(settings, LINEAGE_GRAPH),
            *(_lineage_consumer(settings, name) for name in lineage_backends),
            *(_lineage_reader(settings, item.consumer, item.filter) for item in subscribers),
        ),
        buckets=(
            Bucket(RUNS_BUCKET, replicas=settings.bus_replicas),
            Bucket(LEASES_BUCKET, ttl=settings.lease_seconds, replicas=settings.bus_replicas),
            Bucket(PRODUCTS_BUCKET, replicas=settings.bus_replicas),
            # A cache: what was not compiled for a month may be compiled once more.
            Bucket(COMPILATIONS_BUCKET, ttl=30 * _DAY, replicas=settings.bus_replicas),
            Bucket(LIVE_PRODUCTS_BUCKET, replicas=settings.bus_replicas),
            Bucket(CATALOG_PRODUCTS_BUCKET, replicas=settings.bus_replicas),
            Bucket(TABLES_BUCKET, replicas=settings.bus_replicas),
            # Whoever reads a snapshot renews its pin; a reader that died holds nothing for longer than this.
            Bucket(SNAPSHOT_PINS_BUCKET, ttl=10 * _MINUTE, replicas=settings.bus_replicas),
            Bucket(LINEAGE_DATASETS_BUCKET, replicas=settings.bus_replicas),
            Bucket(LINEAGE_JOBS_BUCKET, replicas=settings.bus_replicas),
            Bucket(SEMANTIC_STATES_BUCKET, replicas=settings.bus_replicas),
            # A Cube asks for its bundle every few seconds; one that is not heard of is gone.
            Bucket(CUBE_INSTANCES_BUCKET, ttl=_MINUTE, replicas=settings.bus_replicas),
            # A Cube tells of a long query each minute; when nobody watches for an hour, it is in no lineage.
            Bucket(OPEN_QUERIES_BUCKET, ttl=60 * _MINUTE, replicas=settings.bus_replicas),
        ),
    )


def lineage_consumer(backend: str) -> str:
    """Name of the consumer that forwards to a lineage backend.

    Raises:
        ContractError: the name is taken by floe's own reader.
    """
    name = LINEAGE_PREFIX + escape(backend)
    if name == LINEAGE_GRAPH:
        raise ContractError(f"no lineage backend can be called {backend!r}", hint="choose another name for it")
    return name


def consumer(name: str, settings: ChassisSettings) -> Consumer:
    """The declaration of one consumer.

    Raises:
        ContractError: the topology has no consumer of that name.
    """
    if name == LINEAGE_GRAPH:
        return _lineage_reader(settings, name)
    if name.startswith(LINEAGE_PREFIX):
        return _lineage_consumer(settings, unescape(name.removeprefix(LINEAGE_PREFIX)))
    found = next((item for item in _consumers(settings) if item.name == name), None)
    if found is None:
        raise ContractError(f"the topology has no consumer {name!r}", hint="declare it in floe_chassis.topology")
    return found


def _streams(replicas: int) -> tuple[Stream, ...]:
    runs = ("queued", "started", "completed", "failed", "cancelled", "superseded")
    nodes = ("started", "completed", "failed", "skipped")
    others = ("backfill", "table", "semantic")
    return (
        Stream(SPECS, _below("git.pushed", "spec.submitted"), 30 * _DAY, replicas=replicas),
        Stream(
            ARTIFACTS,
            _below("artifacts.compiled", "artifacts.planned", "artifacts.rejected", "artifacts.retired"),
            max_age=0,
            max_msgs_per_subject=20,
            replicas=replicas,
            allow_direct=True,
        ),
        Stream(RUNS, _below("run.requested", "cancellation.requested"), 30 * _DAY, replicas=replicas),
        Stream(
            EVENTS,
            _below(*(f"run.{verb}" for verb in runs), *(f"node.{verb}" for verb in nodes), *others),
            30 * _DAY,
            replicas=replicas,
        ),
        # Subscribers look up the last event of theirs.
        Stream(LINEAGE, _below("lineage"), 30 * _DAY, replicas=replicas, allow_direct=True),
        Stream(ADVISORIES, (MAX_DELIVERIES, MSG_TERMINATED), _DAY, replicas=replicas),
        # As long as an advisory may wait: the chassis' own dead letter and the advisory's are then always one.
        Stream(DLQ, _below("dlq"), 30 * _DAY, duplicate_window=_DAY, replicas=replicas),
    )


def _consumers(settings: ChassisSettings) -> tuple[Consumer, ...]:
    def finite(
        name: str,
        stream: str,
        *filters: str,
        max_ack_pending: int | None = None,
        deliver_policy: DeliverPolicy = "all",
    ) -> Consumer:
        return Consumer(name, stream, filters, settings.ack_wait, settings.max_deliver, max_ack_pending, deliver_policy)

    return (
        # One at a time, so that a submission which is delivered again cannot overtake the one after it: the newest
        # must be the last that is announced. Pushes stand in the same line: both may speak of one product.
        finite(COMPILER, SPECS, *_below(EventKind.SPEC_SUBMITTED, EventKind.GIT_PUSHED), max_ack_pending=1),
        # A reader that is added late begins with the newest artifact of each product.
        finite(
            CATALOG,
            ARTIFACTS,
            *_below(EventKind.ARTIFACT_COMPILED, EventKind.ARTIFACT_RETIRED),
            deliver_policy="last_per_subject",
        ),
        finite(
            SEMANTIC,
            ARTIFACTS,
            *_below(EventKind.ARTIFACT_COMPILED, EventKind.ARTIFACT_RETIRED),
            deliver_policy="last_per_subject",
        ),
        # One at a time too: the runs of a product are built in the order of their requests.
        finite(EXECUTOR, RUNS, *_below(EventKind.RUN_REQUESTED), max_ack_pending=1),
        finite(EXECUTOR_CANCELLATIONS, RUNS, *_below(EventKind.CANCELLATION_REQUESTED)),
        finite(
            EXECUTOR_ARTIFACTS,
            ARTIFACTS,
            *_below(EventKind.ARTIFACT_COMPILED, EventKind.ARTIFACT_RETIRED),
            deliver_policy="last_per_subject",
        ),
        # Only what happens from now on starts runs: a consumer that is made late must not build what is long past.
        finite(
            EXECUTOR_UPSTREAMS,
            EVENTS,
            *_below(EventKind.RUN_COMPLETED, EventKind.TABLE_COMMITTED),
            deliver_policy="new",
        ),
        finite(CATALOG_RUNS, EVENTS, *_below(EventKind.RUN_COMPLETED)),
        finite(DEAD_LETTERS, ADVISORIES, MAX_DELIVERIES, MSG_TERMINATED),
    )


def _lineage_consumer(settings: ChassisSettings, backend: str) -> Consumer:
    return _lineage_reader(settings, lineage_consumer(backend))


def _lineage_reader(settings: ChassisSettings, name: str, *filters: str) -> Consumer:
    # A backend may be away for days; the stream's age is the limit, not a number of deliveries.
    return Consumer(
        name,
        LINEAGE,
        filters or _below("lineage"),
        settings.ack_wait,
        max_deliver=-1,
        max_ack_pending=_LINEAGE_IN_FLIGHT,
    )


def _below(*kinds: str) -> tuple[str, ...]:
    return tuple(f"{ROOT}.{kind}.>" for kind in kinds)
