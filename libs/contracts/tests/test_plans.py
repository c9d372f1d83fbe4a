"""The plan as it is stored and read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from floe_contracts.digests import canonical_json
from floe_contracts.errors import ContractError
from floe_contracts.plans import EnvironmentPlan, FieldChange, Impact, Plan, PlanCounts, PlannedNode

DIGEST = "sha256:" + "0" * 64
NODE = PlannedNode(
    unique_id="model.shop.orders", name="orders", resource_type="model", action="changed", changes=("sql",), runs=True
)
KEPT = EnvironmentPlan(presence="kept", counts=PlanCounts(unchanged=3), dbt_selection=())
IMPACT = Impact(kind="cube", severity="breaking", subject="orders.id", message="the column is gone")


def plan(environment: EnvironmentPlan = KEPT, **more: Any) -> Plan:
    return Plan(product="shop", artifact_digest=DIGEST, environments={"dev": environment}, **more)


@pytest.mark.parametrize(
    ("told", "empty"),
    [
        (plan(), True),
        (plan(KEPT.model_copy(update={"nodes": (NODE,)})), False),
        (plan(KEPT.model_copy(update={"omitted": 1})), False),
        (plan(KEPT.model_copy(update={"tests": ("test.shop.few",)})), False),
        (plan(KEPT.model_copy(update={"platform": (FieldChange(path="refs"),)})), False),
        (plan(KEPT.model_copy(update={"presence": "added"})), False),
        (plan(fields=(FieldChange(path="product.version"),)), False),
        (plan(impacts=(IMPACT,)), False),
    ],
)
def test_a_plan_without_differences_is_empty(told: Plan, empty: bool) -> None:
    assert told.is_empty is empty


def test_what_is_left_out_is_still_left_out_when_it_is_read() -> None:
    short = plan(KEPT.model_copy(update={"dbt_selection": None}))
    for one, is_summary in ((plan(), False), (short, True), (plan(omitted_impacts=2), True)):
        stored = one.to_bytes()
        read = Plan.read(json.loads(stored))
        assert read == one
        assert read.is_summary is is_summary
        assert stored == canonical_json(json.loads(stored))


def test_impacts_are_counted_by_their_severity() -> None:
    warning = IMPACT.model_copy(update={"severity": "warning"})
    assert [plan(impacts=(IMPACT, warning, warning)).count(one) for one in ("breaking", "warning", "info")] == [1, 2, 0]  # type: ignore[arg-type]


def test_a_later_minor_is_read_and_another_major_refused() -> None:
    document = json.loads(plan().to_bytes())
    assert Plan.read(document | {"version": "1.7", "cost": 3}).version == "1.7"
    with pytest.raises(ContractError, match="version"):
        Plan.read(document | {"version": "2.0"})
    with pytest.raises(ValidationError, match="Extra inputs"):
        Plan.model_validate(document | {"cost": 3})
