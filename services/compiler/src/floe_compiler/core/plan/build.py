"""Building the plan. Pure: the same two artifacts give the same plan anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from floe_compiler.core.plan.classifications import classification_impacts
from floe_compiler.core.plan.consumers import consumer_impacts
from floe_compiler.core.plan.fields import artifact_changes, environment_changes
from floe_compiler.core.plan.nodes import compare_nodes, removed_nodes
from floe_compiler.core.plan.promises import promise_impacts, version_impact
from floe_compiler.core.plan.view import ArtifactView, EnvironmentView
from floe_contracts.dbt_selection import dbt_selection
from floe_contracts.plans import EnvironmentPlan, Impact, Plan, PlanCounts, Severity

_SEVERITIES: Final[tuple[Severity, ...]] = ("breaking", "warning", "info")


def build_plan(before: ArtifactView | None, after: ArtifactView) -> Plan:
    """What happens if `after` takes the place of `before`; against nothing, everything is new."""
    environments = {}
    impacts: list[Impact] = []
    names = {*after.artifact.environments, *(before.artifact.environments if before else ())}
    for name in sorted(names):
        was, becomes = before.environment(name) if before else None, after.environment(name)
        environments[name] = _environment(was, becomes)
        impacts += [
            impact.model_copy(update={"environments": (name,)}) for impact in _impacts(was, becomes, environments[name])
        ]
    if before is not None:
        impacts += promise_impacts(before.artifact, after.artifact)
    impacts = _merged(impacts)
    if before is not None:
        breaking = sum(impact.severity == "breaking" for impact in impacts)
        warning = version_impact(before.artifact.product.version, after.artifact.product.version, breaking)
        impacts += [warning] if warning else []
    return Plan(
        product=after.artifact.product.name,
        against=before.digest if before else None,
        artifact_digest=after.digest,
        fields=artifact_changes(before.artifact, after.artifact) if before else (),
        environments=environments,
        impacts=tuple(sorted(impacts, key=_order)),
    )


def unchanged_plan(last: Plan) -> Plan:
    """The plan of an artifact against itself, from the plan that it was announced with: no graph has to be read."""
    environments = {}
    for name, one in last.environments.items():
        counts = one.counts
        if one.presence != "removed":
            everything = counts.added + counts.changed + counts.downstream + counts.unchanged
            environments[name] = EnvironmentPlan(
                presence="kept", counts=PlanCounts(unchanged=everything), dbt_selection=()
            )
    return Plan(
        product=last.product,
        against=last.artifact_digest,
        artifact_digest=last.artifact_digest,
        environments=environments,
    )


def _environment(before: EnvironmentView | None, after: EnvironmentView | None) -> EnvironmentPlan:
    if after is None:
        gone = removed_nodes(before) if before else None
        more = {"counts": gone.counts, "nodes": gone.nodes} if gone else {}
        return EnvironmentPlan(presence="removed", dbt_selection=(), **more)
    compared = compare_nodes(before, after)
    built = [node.unique_id for node in compared.nodes if node.runs]
    return EnvironmentPlan(
        presence="kept" if before else "added",
        counts=compared.counts,
        nodes=compared.nodes,
        tests=compared.tests,
        dbt_selection=dbt_selection(after.graph, built, compared.tests),
        platform=environment_changes(before, after) if before else (),
    )


def _impacts(
    before: EnvironmentView | None, after: EnvironmentView | None, planned: EnvironmentPlan
) -> Iterator[Impact]:
    if before is None:
        return
    if after is None:
        tables = sum(1 for _ in before.landed())
        text = f"the environment is gone, and nothing updates its {tables} tables any more"
        yield Impact(kind="table", severity="breaking" if tables else "info", subject=before.name, message=text)
        return
    yield from consumer_impacts(before, after, {node.unique_id: node for node in planned.nodes})
    yield from classification_impacts(before, after)


def _merged(impacts: Iterable[Impact]) -> list[Impact]:
    """Impacts that differ in their environments alone, as one."""
    places: dict[Impact, list[str]] = {}
    for impact in impacts:
        places.setdefault(impact.model_copy(update={"environments": ()}), []).extend(impact.environments)
    return [impact.model_copy(update={"environments": tuple(sorted(set(names)))}) for impact, names in places.items()]


def _order(impact: Impact) -> Any:
    return _SEVERITIES.index(impact.severity), impact.kind, impact.subject, impact.message, impact.environments
