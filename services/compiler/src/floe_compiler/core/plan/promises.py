"""What the product promises beside its environments: data contracts, output ports, rows, and its version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from floe_compiler.core.data_contracts.comparing import ChangeSeverity, compare_contracts
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.compiled_product import CompiledOutputPort
from floe_contracts.plans import Impact, Severity

_SEVERITIES: Final[dict[ChangeSeverity, Severity]] = {
    ChangeSeverity.BREAKING: "breaking",
    ChangeSeverity.COMPATIBLE: "info",
    ChangeSeverity.EDITORIAL: "info",
}


def promise_impacts(before: CompiledArtifacts, after: CompiledArtifacts) -> Iterator[Impact]:
    """Impacts on data contracts, output ports and the rows that a caller of Cube sees."""
    yield from _contracts(before, after)
    yield from _ports(before, after)
    yield from _rows(before, after)


def version_impact(before: str, after: str, breaking: int) -> Impact | None:
    """A warning, where the product's version does not say what `breaking` many changes do to readers.

    By semantic versioning, breaking changes need a new major, or a new minor while the major is 0.
    """
    was, becomes = _numbers(before), _numbers(after)
    if becomes < was:
        return _version(f"the version goes back from {before} to {after}")
    part = 0 if was[0] > 0 else 1
    if not breaking or becomes[: part + 1] > was[: part + 1]:
        return None
    enough = f"{was[0] + 1}.0.0" if part == 0 else f"0.{was[1] + 1}.0"
    stays = f"stays {after}" if before == after else f"goes from {before} to {after}"
    some = "is a breaking change" if breaking == 1 else f"are {breaking} breaking changes"
    return _version(f"there {some}, and the version {stays}; {enough} would say so")


def _version(message: str) -> Impact:
    return Impact(kind="version", severity="warning", subject="metadata.version", message=message)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("+")[0].split("-")[0].split("."))


def _contracts(before: CompiledArtifacts, after: CompiledArtifacts) -> Iterator[Impact]:
    now = {contract.id: contract for contract in after.data_contracts}
    for contract in before.data_contracts:
        left = now.get(contract.id)
        if left is None:
            yield Impact(
                kind="contract", severity="breaking", subject=contract.name, message="the data contract is gone"
            )
            continue
        comparison = compare_contracts(contract, left)
        if (problem := comparison.problem()) is not None:
            yield Impact(kind="version", severity="warning", subject=contract.name, message=problem.message)
        for change in comparison.changes:
            subject = f"{contract.name}: {change.subject}" if change.subject else contract.name
            yield Impact(
                kind="contract", severity=_SEVERITIES[change.severity], subject=subject, message=change.message
            )


def _ports(before: CompiledArtifacts, after: CompiledArtifacts) -> Iterator[Impact]:
    now = {port.name: port for port in after.output_ports}
    for port in before.output_ports:
        left = now.get(port.name)
        if left is None:
            yield Impact(kind="contract", severity="breaking", subject=port.name, message="the output port is gone")
            continue
        if left.model != port.model:
            text = f"the output port shows {left.model}, and showed {port.model}"
            yield Impact(kind="contract", severity="warning", subject=port.name, message=text)
        yield from _port_columns(port, left)


def _port_columns(before: CompiledOutputPort, after: CompiledOutputPort) -> Iterator[Impact]:
    now = {column.name: column for column in after.columns}
    for column in before.columns:
        left = now.get(column.name)
        if left is None:
            text = "the output port no longer promises the column"
        elif left.type != column.type:
            text = f"its type is {left.type}, and was {column.type}"
        elif column.required and not left.required:
            text = "it may be without a value now"
        else:
            continue
        yield Impact(kind="contract", severity="breaking", subject=f"{before.name}.{column.name}", message=text)


def _rows(before: CompiledArtifacts, after: CompiledArtifacts) -> Iterator[Impact]:
    was, becomes = before.serving.row_owner, after.serving.row_owner
    if was == becomes or not (before.serving.cube and after.serving.cube):
        return
    if becomes is None:
        severity: Severity = "warning"
        text = "every caller sees all rows now"
    else:
        severity = "breaking"
        text = f"a caller sees only rows whose {becomes.column} is the claim {becomes.claim}"
    yield Impact(kind="cube", severity=severity, subject="governance.rowOwner", message=text)
