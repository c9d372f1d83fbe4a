"""What floe.yaml says of models, checked against the dbt project as it really is, and put on its nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from floe_compiler.errors import DependencyUnmet, ModelUnknown, PortColumnUnknown
from floe_contracts.errors import FloeError, Where
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.nodes import Node, NodeGraph, QualityCheck
from floe_contracts.product.transforms import DbtTransform, ModelAnnotation
from floe_contracts.product.transforms import QualityCheck as WrittenCheck
from floe_contracts.suggestions import did_you_mean, meant_or_known


def annotate(spec: FloeSpec, graph: NodeGraph) -> NodeGraph:
    """`graph` with the tiers, tags, computes and quality checks that floe.yaml adds to its models.

    A model that floe.yaml does not name keeps what the dbt project says.
    """
    annotations = spec.dbt.models
    return graph.model_copy(
        update={"nodes": tuple(_annotated(node, annotations.get(node.name)) for node in graph.nodes)}
    )


def _annotated(node: Node, annotation: ModelAnnotation | None) -> Node:
    if annotation is None or node.resource_type == "source":
        return node
    added = {
        "tier": annotation.tier or node.tier,
        "tags": tuple(sorted({*node.tags, *annotation.tags})),
        "compute": annotation.compute,
        "quality_checks": tuple(quality_check(check) for check in annotation.quality_checks),
    }
    return node.model_copy(update=added)


def quality_check(check: WrittenCheck) -> QualityCheck:
    """A quality check as the artifact has it."""
    return QualityCheck(**check.model_dump(mode="json", by_alias=False))


def check_annotations(spec: FloeSpec, graph: NodeGraph) -> Iterator[FloeError]:
    """Everything that floe.yaml says of models and that does not fit the project."""
    built = {node.name: node for node in graph.nodes if node.resource_type != "source"}
    parents = {node.unique_id: node.depends_on for node in graph.nodes}
    for index, transform in enumerate(spec.transforms):
        if isinstance(transform, DbtTransform):
            for name, annotation in transform.models.items():
                place = f"transforms.{index}.models.{name}"
                if name not in built:
                    yield _unknown(name, built, place)
                else:
                    yield from _unmet(name, annotation.depends_on, built, parents, f"{place}.dependsOn")
        else:
            if transform.name in built:
                yield ModelUnknown(
                    f"the dbt project has a model {transform.name!r}, too",
                    where=_at(f"transforms.{index}.name"),
                    hint="give one of them another name",
                )
            known = [*built, *(other.name for other in spec.python)]
            for number, dependency in enumerate(transform.depends_on):
                if dependency not in known:
                    yield _unknown(dependency, known, f"transforms.{index}.dependsOn.{number}")
    yield from _check_serving(spec, built)


def _unmet(
    name: str,
    wanted: tuple[str, ...],
    built: Mapping[str, Node],
    parents: Mapping[str, tuple[str, ...]],
    place: str,
) -> Iterator[FloeError]:
    ancestors = _ancestors(built[name].unique_id, parents) if wanted else set()
    for number, dependency in enumerate(wanted):
        if dependency not in built:
            yield _unknown(dependency, built, f"{place}.{number}")
        elif built[dependency].unique_id not in ancestors:
            yield DependencyUnmet(
                f"{name} is not built from {dependency}: the dbt project does not read it there",
                where=_at(f"{place}.{number}"),
                hint=f"read it with ref('{dependency}'), or take it out of dependsOn",
            )


def _check_serving(spec: FloeSpec, built: Mapping[str, Node]) -> Iterator[FloeError]:
    tables = [*built, *(transform.name for transform in spec.python)]
    for index, port in enumerate(spec.output_ports):
        model = port.model or port.name
        if model not in tables:
            yield _unknown(model, tables, f"outputPorts.{index}.{'model' if port.model else 'name'}")
        elif model in built and (documented := {column.name for column in built[model].columns}):
            for number, column in enumerate(port.columns):
                if column.name not in documented:
                    yield PortColumnUnknown(
                        f"{model} documents no column {column.name!r}",
                        where=_at(f"outputPorts.{index}.schema.{number}.name"),
                        hint=did_you_mean(column.name, documented) or "document it in the model's properties file",
                    )
    for index, destination in enumerate(spec.destinations):
        for number, model in enumerate(destination.models):
            if model not in tables:
                yield _unknown(model, tables, f"destinations.{index}.models.{number}")


def _unknown(name: str, known: Iterable[str], place: str) -> ModelUnknown:
    return ModelUnknown(f"there is no model {name!r}", where=_at(place), hint=meant_or_known(name, known))


def _at(path: str) -> Where:
    return Where("floe.yaml", path=path)


def _ancestors(unique_id: str, parents: Mapping[str, tuple[str, ...]]) -> set[str]:
    """The ids of all nodes that a node is built from, however far up."""
    found: set[str] = set()
    waiting = [unique_id]
    while waiting:
        new = set(parents.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found
