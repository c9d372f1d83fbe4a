"""The names of every span, attribute and metric of a run (OpenTelemetry semantic conventions, and floe's own).

Labels of metrics are bounded: environments are declared, and everything else is one of a few words. Never a tenant, a
product, a table or an id.
"""

from __future__ import annotations

from typing import Final

SCOPE: Final = "floe.runs"

RUN: Final = "run"
NODE: Final = "node"
LANDING: Final = "landing"

RUN_ID: Final = "floe.run.id"
ATTEMPT: Final = "floe.run.attempt"
STATUS: Final = "floe.run.status"
TRIGGER: Final = "floe.run.trigger"
PARTITION: Final = "floe.run.partition"
TENANT: Final = "floe.tenant"
ENVIRONMENT: Final = "floe.environment"
PRODUCT: Final = "floe.product"
ARTIFACT: Final = "floe.artifact.digest"
NODE_ID: Final = "floe.node.id"
NODE_STATUS: Final = "floe.node.status"
RESOURCE_TYPE: Final = "floe.node.resource_type"
ROWS: Final = "floe.rows"
BYTES: Final = "floe.bytes"
SNAPSHOT: Final = "floe.snapshot.id"
OPENLINEAGE_RUN: Final = "openlineage.run_id"
OPENLINEAGE_JOB: Final = "openlineage.job.name"
OPENLINEAGE_NAMESPACE: Final = "openlineage.job.namespace"
DB_SYSTEM: Final = "db.system.name"
DB_COLLECTION: Final = "db.collection.name"
DB_NAMESPACE: Final = "db.namespace"
ERROR_TYPE: Final = "error.type"

RUNS: Final = "floe.runs"
RUN_ATTEMPTS: Final = "floe.run.attempts"
CIRCLES_ENDED: Final = "floe.run.circles_ended"
RUN_DURATION: Final = "floe.run.duration"
QUEUE_DURATION: Final = "floe.run.queue.duration"
NODES: Final = "floe.nodes"
NODE_DURATION: Final = "floe.node.duration"
LANDED_TABLES: Final = "floe.landing.tables"
LANDED_ROWS: Final = "floe.landing.rows"
LANDED_BYTES: Final = "floe.landing.bytes"
