"""What columns are because of the columns that they are made of.

What an owner says of a column holds for every column that is made of its values, through any number of datasets, until
a mere count of them. Where values are made unreadable on the way, that is told with it. A column has one path for each
classification: one without masking before one with it, then the shortest.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from floe_lineage.core.graph.column_edges import Column
from floe_lineage.core.graph.tenant_graph import TenantGraph

OPEN: Final = "public"
"""What anybody may see says nothing of what is made of it."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How a classification came to a column."""

    masked: bool
    steps: int
    previous: Column


class Derivations:
    """What the columns of one tenant are because of others, kept up to the graph."""

    def __init__(self, graph: TenantGraph) -> None:
        """Begin with a graph of which nothing is computed; `recompute` with whatever changes in it."""
        self._graph = graph
        self._reached: dict[Column, dict[str, Reach]] = {}
        self._fields: dict[str, set[str]] = {}

    def of_column(self, column: Column) -> dict[str, Reach]:
        """Classification -> how it came there; without those that the owner gave the column."""
        return self._reached.get(column, {})

    def of_dataset(self, dataset_id: str) -> Iterable[str]:
        """The columns of a dataset that are something because of others."""
        return self._fields.get(dataset_id, ())

    def path(self, column: Column, classification: str) -> tuple[Column, ...]:
        """The columns from the one whose owner says so to `column`."""
        found = [column]
        while (reach := self.of_column(found[-1]).get(classification)) is not None:
            found.append(reach.previous)
        return tuple(reversed(found))

    def recompute(self, changed: Iterable[Column]) -> set[str]:
        """Compute what follows from columns that are declared or made otherwise than before.

        Returns:
            Ids of the datasets whose columns may be something else now, or be so by another path.
        """
        region = self._region(changed)
        names = {name for column in region for name in self._arriving(column)}
        fresh: dict[Column, dict[str, Reach]] = {}
        for name in sorted(names):
            self._spread(name, region, fresh)
        for column in region:
            if column in fresh:
                self._reached[column] = fresh[column]
                self._fields.setdefault(column[0], set()).add(column[1])
            elif self._reached.pop(column, None) is not None:
                self._fields[column[0]].discard(column[1])
        return {dataset for dataset, _ in region}

    def downstream(self, columns: Iterable[Column]) -> set[str]:
        """Ids of the datasets with columns that are made of these."""
        return {dataset for dataset, _ in self._region(columns)}

    def _region(self, changed: Iterable[Column]) -> set[Column]:
        """The columns and all that is made of their values."""
        found = set(changed)
        waiting = list(found)
        while waiting:
            for edge in self._graph.columns.after(waiting.pop()):
                if edge.carries and edge.target not in found:
                    found.add(edge.target)
                    waiting.append(edge.target)
        return found

    def _declared(self, column: Column) -> tuple[str, ...]:
        return tuple(name for name in self._graph.declared.get(column, ()) if name != OPEN)

    def _arriving(self, column: Column) -> Iterator[str]:
        """What may come to a column from its owner, or from columns before it."""
        yield from self._declared(column)
        for edge in self._graph.columns.before(column):
            if edge.carries:
                yield from self._declared(edge.source)
                yield from self._reached.get(edge.source, ())

    def _spread(self, name: str, region: set[Column], fresh: dict[Column, dict[str, Reach]]) -> None:
        """Shortest paths of one classification within the region, from what stands in it or just before it."""
        order = list(self._beginnings(name, region))
        heapq.heapify(order)
        done: set[Column] = set()
        while order:
            masked, steps, column, previous = heapq.heappop(order)
            if column in done:
                continue
            done.add(column)
            if steps:
                fresh.setdefault(column, {})[name] = Reach(masked, steps, previous)
            for edge in self._graph.columns.after(column):
                if edge.carries and edge.target not in done:
                    heapq.heappush(order, (masked or edge.masking, steps + 1, edge.target, column))

    def _beginnings(self, name: str, region: set[Column]) -> Iterator[tuple[bool, int, Column, Column]]:
        """Where a classification stands in a region, or comes into it: masked, steps, column, the one before."""
        for column in region:
            if name in self._declared(column):
                yield False, 0, column, column
                continue
            for edge in self._graph.columns.before(column):
                if not edge.carries or edge.source in region:
                    continue
                if name in self._declared(edge.source):
                    yield edge.masking, 1, column, edge.source
                elif (reach := self._reached.get(edge.source, {}).get(name)) is not None:
                    yield reach.masked or edge.masking, reach.steps + 1, column, edge.source
