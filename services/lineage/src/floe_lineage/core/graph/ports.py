"""What the graph needs from outside."""

from __future__ import annotations

from typing import Protocol

from floe_lineage.core.columns.model import ColumnLineage, Statement


class ColumnReading(Protocol):
    """Reads SQL, elsewhere than where it is asked."""

    async def read(self, statement: Statement) -> ColumnLineage:
        """What a statement says of the columns of its output; never raises."""
        ...
