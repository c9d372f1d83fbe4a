"""MetricFlow's saved queries: which members of which cubes they ask for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from floe_semantic.core.rendering.cubes.members import Cube
from floe_semantic.core.rendering.metricflow.elements import SavedQuery, SemanticModel
from floe_semantic.core.rendering.metricflow.semantic_models import SemanticLayer, read_elements
from floe_semantic.core.rendering.sql.identifiers import cube_name
from floe_semantic.core.rendering.untranslatable import Untranslatable

_GRAINS: Final = frozenset({"second", "minute", "hour", "day", "week", "month", "quarter", "year"})
_LINKABLE: Final = frozenset({"primary", "unique", "natural"})
_METRIC_TIME: Final = "metric_time"
_OBJECT: Final = re.compile(
    r"""(?P<kind>TimeDimension|Dimension|Entity)\(\s*(['"])(?P<path>[^'"]*)\2
    (?:\s*,\s*(?:time_granularity_name\s*=\s*)?(['"])(?P<grain>[a-z]+)\4)?\s*\)
    (?:\.grain\(\s*(['"])(?P<cut>[a-z]+)\6\s*\))?""",
    re.VERBOSE,
)
_PLAIN: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Grouping:
    """A dimension of the cube over the model `node_id`; a time is cut to `grain`."""

    node_id: str
    member: str
    grain: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """What a saved query asks for.

    Attributes:
        measures: unique ids of models, with the names of measures of their cubes.
    """

    unique_id: str
    name: str
    title: str
    description: str
    measures: tuple[tuple[str, str], ...]
    groupings: tuple[Grouping, ...]

    def members(self) -> dict[str, frozenset[str]]:
        """All members by the unique id of their model."""
        pairs = {*self.measures, *((item.node_id, item.member) for item in self.groupings)}
        return {
            node_id: frozenset(name for found, name in pairs if found == node_id)
            for node_id in {one for one, _ in pairs}
        }


def saved_queries(
    documents: Iterable[dict[str, Any]],
    layer: SemanticLayer,
    cubes: Mapping[str, Cube],
    metrics: Mapping[str, tuple[str, str]],
    skipped: list[str],
) -> tuple[Query, ...]:
    """The saved queries of a project, as far as there are members for what they ask for.

    Args:
        documents: as the manifest has them.
        layer: the semantic models.
        cubes: by the unique id of their model.
        metrics: unique id of the model and name of the measure, by the metric that it serves.
        skipped: is told what cannot be had, and of conditions, which a view does not make.
    """
    queries: list[Query] = []
    for query in read_elements(SavedQuery, documents, skipped):
        parameters = query.query_params
        measures = tuple(sorted({metrics[name] for name in parameters.metrics if name in metrics}))
        lost = sorted(set(parameters.metrics) - set(metrics))
        skipped += [f"{query.unique_id}: without metric {name}, which is not served" for name in lost]
        if not measures:
            skipped.append(f"{query.unique_id}: no view, because none of its metrics is served")
            continue
        groupings: set[Grouping] = set()
        for spelled in parameters.group_by:
            try:
                groupings.update(_groupings(spelled, layer, cubes, {node_id for node_id, _ in measures}))
            except Untranslatable as reason:
                skipped.append(f"{query.unique_id}: without {spelled}: {reason}")
        if parameters.where is not None and parameters.where.where_filters:
            skipped.append(f"{query.unique_id}: its conditions are left to those who query the view")
        queries.append(
            Query(
                unique_id=query.unique_id,
                name=query.name,
                title=query.label or "",
                description=query.description or "",
                measures=measures,
                groupings=tuple(sorted(groupings, key=lambda item: (item.node_id, item.member, item.grain or ""))),
            )
        )
    return tuple(queries)


def _groupings(
    spelled: str, layer: SemanticLayer, cubes: Mapping[str, Cube], of_metrics: Collection[str]
) -> Iterator[Grouping]:
    kind, path, grain = _read(spelled)
    if grain is not None and grain not in _GRAINS:
        raise Untranslatable(f"Cube has no grain {grain}")
    # A model of the metrics comes first: an entity stands in many models.
    node_ids = sorted(layer.models, key=lambda node_id: (node_id not in of_metrics, node_id))
    if path == _METRIC_TIME:
        yield from (_metric_time(node_id, layer, cubes, grain) for node_id in node_ids if node_id in of_metrics)
        return
    for node_id in node_ids:
        for model in layer.models[node_id]:
            name = _entity(model, path) if kind == "Entity" else _dimension(model, path)
            member = _member(cubes[node_id], name, by_column=kind == "Entity") if name is not None else None
            if member is not None:
                yield Grouping(node_id, member, grain)
                return
    raise Untranslatable("no cube has it")


def _read(spelled: str) -> tuple[str, str, str | None]:
    found = _OBJECT.fullmatch(spelled.strip())
    if found is not None:
        return found["kind"], found["path"], found["grain"] or found["cut"]
    if not _PLAIN.fullmatch(spelled.strip()):
        raise Untranslatable("it is not spelled as a Dimension, TimeDimension or Entity")
    path, _, last = spelled.strip().rpartition("__")
    return ("Dimension", path, last) if path and last in _GRAINS else ("Dimension", spelled.strip(), None)


def _metric_time(node_id: str, layer: SemanticLayer, cubes: Mapping[str, Cube], grain: str | None) -> Grouping:
    for model in layer.models[node_id]:
        times = [model.defaults.agg_time_dimension] if model.defaults else []
        times += [measure.agg_time_dimension for measure in model.measures]
        for name in times:
            member = _member(cubes[node_id], name) if name else None
            if member is not None:
                return Grouping(node_id, member, grain or "day")
    raise Untranslatable(f"{node_id} has no time that its metrics run over")


def _dimension(model: SemanticModel, path: str) -> str | None:
    *entities, name = path.split("__")
    own = {item.name for item in model.entities if item.type in _LINKABLE} | {model.primary_entity}
    if entities and entities[-1] not in own:
        return None
    return name if any(item.name == name for item in model.dimensions) else None


def _entity(model: SemanticModel, path: str) -> str | None:
    name = path.split("__")[-1]
    return next((item.sql for item in model.entities if item.name == name), None)


def _member(cube: Cube, name: str, *, by_column: bool = False) -> str | None:
    if by_column:
        return next((item.name for item in cube.dimensions if item.sql == cube.scope.column(name).sql), None)
    # A name that is taken elsewhere has underscores behind it.
    names = {item.name.casefold(): item.name for item in cube.dimensions}
    wanted = cube_name(name).casefold()
    while wanted not in names and any(taken.startswith(f"{wanted}_") for taken in names):
        wanted += "_"
    return names.get(wanted)
