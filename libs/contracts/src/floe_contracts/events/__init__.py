"""The data of every event (DESIGN section 3).

Writers are strict: an unknown field is an error. Readers are tolerant: `read` ignores the fields of a newer minor.
"""

from __future__ import annotations

from typing import Final

from floe_contracts.data import Data as Data
from floe_contracts.data import FirstMajor as FirstMajor
from floe_contracts.events.artifacts import ArtifactCompiled as ArtifactCompiled
from floe_contracts.events.artifacts import ArtifactPlanned as ArtifactPlanned
from floe_contracts.events.artifacts import ArtifactRejected as ArtifactRejected
from floe_contracts.events.artifacts import ArtifactRetired as ArtifactRetired
from floe_contracts.events.nodes import NodeCompleted as NodeCompleted
from floe_contracts.events.nodes import NodeEnded as NodeEnded
from floe_contracts.events.nodes import NodeEvent as NodeEvent
from floe_contracts.events.nodes import NodeFailed as NodeFailed
from floe_contracts.events.nodes import NodeSkipped as NodeSkipped
from floe_contracts.events.nodes import NodeStarted as NodeStarted
from floe_contracts.events.requests import CancellationRequested as CancellationRequested
from floe_contracts.events.requests import PartitionChoice as PartitionChoice
from floe_contracts.events.requests import RunOptions as RunOptions
from floe_contracts.events.requests import RunRequested as RunRequested
from floe_contracts.events.runs import BackfillCompleted as BackfillCompleted
from floe_contracts.events.runs import LandedTable as LandedTable
from floe_contracts.events.runs import NodeOutcome as NodeOutcome
from floe_contracts.events.runs import PartitionResult as PartitionResult
from floe_contracts.events.runs import RunCancelled as RunCancelled
from floe_contracts.events.runs import RunCompleted as RunCompleted
from floe_contracts.events.runs import RunEvent as RunEvent
from floe_contracts.events.runs import RunFailed as RunFailed
from floe_contracts.events.runs import RunQueued as RunQueued
from floe_contracts.events.runs import RunSeconds as RunSeconds
from floe_contracts.events.runs import RunStarted as RunStarted
from floe_contracts.events.runs import RunSuperseded as RunSuperseded
from floe_contracts.events.scopes import EnvironmentEvent as EnvironmentEvent
from floe_contracts.events.scopes import Event as Event
from floe_contracts.events.scopes import Problem as Problem
from floe_contracts.events.scopes import ProductEvent as ProductEvent
from floe_contracts.events.scopes import SourceReference as SourceReference
from floe_contracts.events.semantic import SemanticFailed as SemanticFailed
from floe_contracts.events.semantic import SemanticRendered as SemanticRendered
from floe_contracts.events.semantic import SemanticSynced as SemanticSynced
from floe_contracts.events.semantic import SemanticSyncFailed as SemanticSyncFailed
from floe_contracts.events.semantic import SemanticWithdrawn as SemanticWithdrawn
from floe_contracts.events.specs import LATEST as LATEST
from floe_contracts.events.specs import GitPushed as GitPushed
from floe_contracts.events.specs import SpecSubmitted as SpecSubmitted
from floe_contracts.events.specs import push_event_id as push_event_id
from floe_contracts.events.specs import submission_event_id as submission_event_id
from floe_contracts.events.tables import DriftKind as DriftKind
from floe_contracts.events.tables import MaintenanceAction as MaintenanceAction
from floe_contracts.events.tables import MaintenanceOutcome as MaintenanceOutcome
from floe_contracts.events.tables import TableChecked as TableChecked
from floe_contracts.events.tables import TableColumn as TableColumn
from floe_contracts.events.tables import TableCommitted as TableCommitted
from floe_contracts.events.tables import TableCreated as TableCreated
from floe_contracts.events.tables import TableDrift as TableDrift
from floe_contracts.events.tables import TableDropped as TableDropped
from floe_contracts.events.tables import TableEvent as TableEvent
from floe_contracts.events.tables import TableMaintained as TableMaintained
from floe_contracts.events.tables import TableSchema as TableSchema
from floe_contracts.events.tables import TableSchemaChanged as TableSchemaChanged
from floe_contracts.subjects import EventKind

VERSION: Final = "1.4"

EVENTS: dict[EventKind, type[Event]] = {
    model.kind: model
    for model in (
        GitPushed,
        SpecSubmitted,
        ArtifactCompiled,
        ArtifactPlanned,
        ArtifactRejected,
        ArtifactRetired,
        RunRequested,
        RunQueued,
        RunStarted,
        RunCompleted,
        RunFailed,
        RunCancelled,
        RunSuperseded,
        CancellationRequested,
        BackfillCompleted,
        NodeStarted,
        NodeCompleted,
        NodeFailed,
        NodeSkipped,
        TableCreated,
        TableCommitted,
        TableSchemaChanged,
        TableMaintained,
        TableDropped,
        TableChecked,
        SemanticRendered,
        SemanticFailed,
        SemanticSynced,
        SemanticSyncFailed,
        SemanticWithdrawn,
    )
}
