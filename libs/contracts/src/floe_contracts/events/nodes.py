"""What happens to each node of a run while it builds."""

from __future__ import annotations

from pydantic import Field

from floe_contracts.events.runs import RunEvent
from floe_contracts.subjects import EventKind


class NodeEvent(RunEvent):
    """An event of one dbt node in one attempt of a run."""

    attempt: int = Field(description="Attempt of the run, from 1.")
    unique_id: str = Field(description="The dbt node.")

    def detail(self) -> str:
        """The node's unique id."""
        return self.unique_id


class NodeStarted(NodeEvent):
    """dbt began the node."""

    kind = EventKind.NODE_STARTED


class NodeEnded(NodeEvent):
    """dbt is done with the node."""

    seconds: float = Field(description="Time that the node took.")
    message: str | None = Field(default=None, description="What dbt says about the node.")
    rows: int | None = Field(default=None, description="Rows of the table that it built, where they are known.")
    failures: int | None = Field(default=None, description="Rows that a test found.")


class NodeCompleted(NodeEnded):
    """The node ended well, or with a warning."""

    kind = EventKind.NODE_COMPLETED

    status: str = Field(description="success or warned")


class NodeFailed(NodeEnded):
    """The node failed."""

    kind = EventKind.NODE_FAILED


class NodeSkipped(NodeEnded):
    """The node did not run, because something before it failed."""

    kind = EventKind.NODE_SKIPPED
