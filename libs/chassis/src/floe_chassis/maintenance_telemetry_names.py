"""The names of every span, attribute and metric of the maintenance of tables (floe's own).

Labels of metrics are bounded, as those of runs: never a tenant, a product, a table or an id.
"""

from __future__ import annotations

from typing import Final

SCOPE: Final = "floe.maintenance"

ACTION_SPAN: Final = "maintain"

ACTION: Final = "floe.maintenance.action"
OUTCOME: Final = "floe.maintenance.outcome"
REQUESTER: Final = "floe.maintenance.requester"
DRY_RUN: Final = "floe.maintenance.dry_run"
TABLE: Final = "floe.table"
TENANT: Final = "floe.tenant"
ENVIRONMENT: Final = "floe.environment"
PRODUCT: Final = "floe.product"
ERROR_TYPE: Final = "error.type"

ACTIONS: Final = "floe.maintenance.actions"
ACTION_DURATION: Final = "floe.maintenance.duration"
FILES_REMOVED: Final = "floe.maintenance.files_removed"
BYTES_REMOVED: Final = "floe.maintenance.bytes_removed"
SNAPSHOTS_REMOVED: Final = "floe.maintenance.snapshots_removed"
BYTES_REWRITTEN: Final = "floe.maintenance.bytes_rewritten"
