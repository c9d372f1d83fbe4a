"""A plan that fits into an event."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from floe_contracts.plans import EnvironmentPlan, Plan

MOST_BYTES: Final = 48 * 1024
"""Size of a plan in an event: with an artifact of 64 kB, far below what a bus takes."""
PartT = TypeVar("PartT", bound=BaseModel)


def summarised(plan: Plan, most_bytes: int = MOST_BYTES) -> Plan:
    """`plan`, or a shorter one that says how much it leaves out.

    What readers may break on has half of the room, the nodes share the rest. Nodes that changed themselves come before
    those that only run for what they read. A selection for dbt is whole or not there: a part of one would build a part.
    """
    if _size(plan) <= most_bytes:
        return plan
    impacts = _within(plan.impacts, most_bytes // 2)
    rest = most_bytes - sum(_size(impact) for impact in impacts)
    share = rest // (len(plan.environments) + 1)
    fields = _within(plan.fields, share)
    return plan.model_copy(
        update={
            "fields": fields,
            "omitted_fields": len(plan.fields) - len(fields),
            "impacts": impacts,
            "omitted_impacts": len(plan.impacts) - len(impacts),
            "environments": {name: _environment(one, share) for name, one in plan.environments.items()},
        }
    )


def _environment(plan: EnvironmentPlan, most_bytes: int) -> EnvironmentPlan:
    if _size(plan) <= most_bytes:
        return plan
    platform = _within(plan.platform, most_bytes // 4)
    first = sorted(plan.nodes, key=lambda node: (node.changes == ("upstream",), node.unique_id))
    kept = _within(first, most_bytes - sum(_size(change) for change in platform))
    return plan.model_copy(
        update={
            "platform": platform,
            "omitted_fields": len(plan.platform) - len(platform),
            "nodes": tuple(sorted(kept, key=lambda node: node.unique_id)),
            "omitted": len(plan.nodes) - len(kept),
            "tests": (),
            "dbt_selection": None,
        }
    )


def _within(parts: Iterable[PartT], most_bytes: int) -> tuple[PartT, ...]:
    kept: list[PartT] = []
    for part in parts:
        most_bytes -= _size(part)
        if most_bytes < 0:
            break
        kept.append(part)
    return tuple(kept)


def _size(part: BaseModel) -> int:
    document: dict[str, Any] = part.model_dump(mode="json", exclude_none=True)
    return len(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()) + 1
