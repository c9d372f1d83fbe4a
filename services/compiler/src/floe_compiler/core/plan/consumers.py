"""What a change means for those who read the tables, the Cube members and the exposures of one environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from floe_compiler.core.plan.columns import LostColumn, lost_columns
from floe_compiler.core.plan.view import EnvironmentView, relation
from floe_contracts.nodes import Exposure
from floe_contracts.plans import BUILDING, Impact, PlannedNode, Severity


def consumer_impacts(
    before: EnvironmentView, after: EnvironmentView, planned: Mapping[str, PlannedNode]
) -> Iterator[Impact]:
    """Impacts on tables, dbt's contracts, Cube members and exposures.

    Args:
        before: the environment as it is.
        after: the environment as it would be.
        planned: what becomes of the nodes, by unique id.
    """
    yield from _tables(before, after)
    yield from _columns(before, after)
    yield from _rebuilt(before, after, planned)
    yield from _cube(before, after)
    yield from _exposures(before, after, planned)


def _tables(before: EnvironmentView, after: EnvironmentView) -> Iterator[Impact]:
    present = {relation(node) for node in after.landed()}
    now = {node.unique_id: node for node in after.graph.nodes}
    for node in before.landed():
        if relation(node) in present:
            continue
        left = now.get(node.unique_id)
        if left is None:
            text = f"{node.unique_id} is gone, and nothing updates its table any more"
        elif after.lands(left):
            text = f"the table is {relation(left)} now"
        else:
            text = f"{node.name} is {left.materialized} now, and does not land as a table any more"
        yield Impact(kind="table", severity="breaking", subject=relation(node), message=text)


def _columns(before: EnvironmentView, after: EnvironmentView) -> Iterator[Impact]:
    """Columns that the readers of landed tables miss; those of served models are Cube members, too."""
    now = {node.unique_id: node for node in after.graph.nodes}
    for node in before.landed():
        left = now.get(node.unique_id)
        if left is None or not after.lands(left):
            continue
        if node.contract_enforced and not left.contract_enforced:
            yield Impact(
                kind="contract", severity="warning", subject=node.name, message="dbt no longer enforces its columns"
            )
        for lost in lost_columns(node, left):
            subject = f"{node.name}.{lost.name}"
            if node.contract_enforced:
                yield Impact(kind="contract", severity="breaking", subject=subject, message=lost.message)
            elif node.unique_id not in before.served():
                yield Impact(kind="table", severity="warning", subject=subject, message=lost.message)


def _rebuilt(before: EnvironmentView, after: EnvironmentView, planned: Mapping[str, PlannedNode]) -> Iterator[Impact]:
    earlier = {node.unique_id for node in before.graph.nodes}
    for node in after.graph.nodes:
        one = planned.get(node.unique_id)
        if node.materialized == "incremental" and node.unique_id in earlier and one and "sql" in one.changes:
            text = "it is incremental: rows of earlier runs stay as the old SQL made them, until a full refresh"
            yield Impact(kind="table", severity="warning", subject=relation(node), message=text)


def _cube(before: EnvironmentView, after: EnvironmentView) -> Iterator[Impact]:
    served = after.served()
    for unique_id, node in before.served().items():
        left = served.get(unique_id)
        if left is None:
            yield Impact(kind="cube", severity="breaking", subject=node.name, message="Cube no longer serves the model")
            continue
        for lost in lost_columns(node, left):
            severity: Severity = "breaking" if lost.certain else "warning"
            yield Impact(kind="cube", severity=severity, subject=f"{node.name}.{lost.name}", message=lost.message)
    if before.artifact.serving.cube and after.artifact.serving.cube:
        names = {str(metric["name"]) for metric in after.graph.metrics}
        for metric in before.graph.metrics:
            if str(metric["name"]) not in names:
                yield Impact(
                    kind="cube", severity="breaking", subject=str(metric["name"]), message="the metric is gone"
                )


def _exposures(before: EnvironmentView, after: EnvironmentView, planned: Mapping[str, PlannedNode]) -> Iterator[Impact]:
    earlier = {node.unique_id: node for node in before.graph.nodes}
    now = {node.unique_id: node for node in after.graph.nodes}
    present = {exposure.unique_id for exposure in after.graph.exposures}
    for exposure in before.graph.exposures:
        if exposure.unique_id not in present:
            yield _exposure(exposure, "info", "the exposure is gone")
            continue
        lost = {
            name: [*lost_columns(earlier[name], now[name])]
            for name in exposure.depends_on
            if name in now and name in earlier
        }
        yield from _reads(exposure, lost, planned)


def _reads(
    exposure: Exposure, lost: Mapping[str, list[LostColumn]], planned: Mapping[str, PlannedNode]
) -> Iterator[Impact]:
    """The worst that befalls what an exposure reads."""
    read = [planned[name] for name in exposure.depends_on if name in planned]
    gone = [node.name for node in read if node.action == "removed"]
    without = [f"{_name_within(name)}.{column.name}" for name, columns in lost.items() for column in columns]
    changed = [node.name for node in read if (BUILDING - {"upstream"}) & set(node.changes)]
    below = [node for node in read if node.runs and node.because]
    if gone:
        yield _exposure(exposure, "breaking", f"it reads {', '.join(gone)}, which is gone")
    elif without:
        yield _exposure(exposure, "warning", f"it reads {', '.join(without)}, which is gone or of another type")
    elif changed:
        yield _exposure(exposure, "warning", f"it reads {', '.join(changed)}, which changes")
    elif below:
        cause = below[0].because[0]
        yield _exposure(exposure, "info", f"it reads {below[0].name}, which is built again because of {cause}")


def _name_within(unique_id: str) -> str:
    """The name within a unique id, as people know the node."""
    return unique_id.split(".", 2)[-1]


def _exposure(exposure: Exposure, severity: Severity, message: str) -> Impact:
    return Impact(kind="exposure", severity=severity, subject=exposure.name, message=message)
