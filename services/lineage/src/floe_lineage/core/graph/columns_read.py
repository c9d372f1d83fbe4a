"""Where a column comes from, where it goes, and what it is because of that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from floe_contracts.lineage_requests import ColumnAnswer, DerivedClassification, PathStep, ReadColumn
from floe_contracts.lineage_states import DatasetState
from floe_contracts.suggestions import meant_or_known
from floe_lineage.core.graph.column_edges import WHOLE, Column, Edge
from floe_lineage.core.graph.views import seen_field, seen_node
from floe_lineage.core.graph.walking import MOST_COLUMN_EDGES, MOST_NODES, Seen
from floe_lineage.errors import ColumnUnknown

_MOST_NAMED: Final = 30


def read_column(seen: Seen, request: ReadColumn) -> ColumnAnswer:
    """All that a column has to do with: what its values are made of and go into, and what these depend on beside that.

    What a column of a landed table goes into begins at its relation, too.

    Edges are followed as long as they are direct; of the others those are shown that touch a column on the way. What is
    made by jobs of other environments alone is not shown.

    Raises:
        NameUnknown: no dataset is called so there.
        NameAmbiguous: several are.
        ColumnUnknown: it has no such column.
    """
    root = seen.dataset(request.dataset)
    state = seen.graph.datasets[root]
    column = (root, known_column(seen, state, request.field))
    edges: dict[Edge, None] = {}
    steps = {root: 0}
    if request.direction != "downstream":
        _follow(seen, [column], seen.graph.columns.before, lambda edge: edge.source, edges, steps)
    if request.direction != "upstream":
        columns = [column, *landed_from(seen, column)]
        _follow(seen, columns, seen.graph.columns.after, lambda edge: edge.target, edges, steps)
    kept = list(edges)[:MOST_COLUMN_EDGES]
    nodes = {root: 0} | {each: steps.get(each, 1) for edge in kept for each in (edge.source[0], edge.target[0])}
    order = sorted(nodes, key=lambda each: (nodes[each], seen.graph.datasets[each].name, each))
    return ColumnAnswer(
        root=root,
        field=seen_field(seen, state, column[1]),
        nodes=tuple(seen_node(seen, each, nodes[each]) for each in order[:MOST_NODES]),
        edges=tuple(edge.told() for edge in kept),
        derived=tuple(derived_of(seen, column)),
        truncated=len(edges) > len(kept) or len(order) > MOST_NODES,
    )


def landed_from(seen: Seen, column: Column) -> list[Column]:
    """The columns of relations that a column of a landed table was copied from."""
    relations = seen.landed_from(column[0])
    edges = (edge for edge in seen.graph.columns.before(column) if edge.direct and edge.source[0] in relations)
    return [edge.source for edge in edges if seen.shows_edge(edge)]


def known_column(seen: Seen, state: DatasetState, name: str) -> str:
    """The column of that name, as the dataset spells it.

    Raises:
        ColumnUnknown: it has none.
    """
    if seen.graph.columns.after((state.id, name)) or seen.graph.columns.before((state.id, name)):
        return name
    known = [field.name for field in state.fields]
    if name in known:
        return name
    near = [each for each in known if each.casefold() == name.casefold()]
    if len(near) == 1:
        return near[0]
    hint = meant_or_known(name, known) if len(known) <= _MOST_NAMED else f"it has {len(known)} columns"
    raise ColumnUnknown(f"{state.name} has no column {name!r}, as far as is known", hint=hint)


def derived_of(seen: Seen, column: Column) -> Iterable[DerivedClassification]:
    """What a column is because of others, with the path of each that can be seen from there.

    A path whose first column cannot be seen is left out: what comes next would stand there as the reason.
    """
    for name, reach in sorted(seen.derivations.of_column(column).items()):
        way = seen.derivations.path(column, name)
        begins = seen.graph.shows(way[0][0], seen.environment)
        path = tuple(
            PathStep(namespace=state.namespace, dataset=state.name, field=field)
            for dataset, field in (way if begins else ())
            if seen.graph.shows(dataset, seen.environment) and (state := seen.graph.datasets[dataset])
        )
        yield DerivedClassification(classification=name, path=path, masked=reach.masked)


def _follow(
    seen: Seen,
    columns: Sequence[Column],
    edges_of: Callable[[Column], Iterable[Edge]],
    far: Callable[[Edge], Column],
    found: dict[Edge, None],
    steps: dict[str, int],
) -> None:
    reached = set(columns)
    edge_of_walk = list(columns)
    distance = 0
    while edge_of_walk and len(found) <= MOST_COLUMN_EDGES:
        distance += 2  # a job lies between two datasets
        coming: list[Column] = []
        for each in edge_of_walk:
            whole = edges_of((each[0], WHOLE))
            for edge in sorted((*edges_of(each), *whole), key=repr):
                end = far(edge)
                if not (seen.graph.shows(end[0], seen.environment) and seen.shows_edge(edge)):
                    continue
                found.setdefault(edge)
                steps.setdefault(end[0], distance)
                if edge.direct and end not in reached:
                    reached.add(end)
                    coming.append(end)
        edge_of_walk = coming
