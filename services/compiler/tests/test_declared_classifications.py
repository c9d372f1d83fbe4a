"""Classifications that a platform declares, from the submission to the nodes."""

from __future__ import annotations

from typing import Any, Protocol

import pytest

from floe_chassis.blobs import BlobStore
from floe_contracts.artifacts import read_artifact
from floe_contracts.events import ArtifactCompiled, ArtifactRejected, SpecSubmitted
from floe_contracts.nodes import NodeGraph

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

Shop = dict[str, str | bytes]
NAMES = "governance: {classification: {names: [payroll]}}\n"


class Start(Protocol):
    async def __call__(self, **variables: str) -> object: ...


class Submissions(Protocol):
    async def submit(self, files: Shop, submission: str = "s1", **options: Any) -> SpecSubmitted: ...
    async def compiled(self, submission: str = "s1") -> ArtifactCompiled: ...
    async def rejected(self, submission: str = "s1") -> ArtifactRejected: ...


async def test_a_column_may_be_classified_as_the_platform_declares(
    start_compiler: Start, submissions: Submissions, shop: Shop, platform_yaml: str, blobs: BlobStore
) -> None:
    await start_compiler()
    schema = shop["dbt/models/schema.yml"]
    assert isinstance(schema, str)
    shop["dbt/models/schema.yml"] = schema.replace("classification: pii", "classification: payroll")
    platform = platform_yaml.replace("policies: {pii:", "policies: {payroll:")
    await submissions.submit(shop, platform=platform + NAMES)
    compiled = await submissions.compiled()
    environment = read_artifact(await blobs.get(compiled.artifact_digest), compiled.artifact_digest).environments[
        "prod"
    ]
    assert environment.policies["payroll"].action == "mask"
    orders = NodeGraph.model_validate_json(await blobs.get(environment.nodes)).node("model.shop.orders")
    assert orders is not None
    found = {column.name: column.classification for column in orders.columns}
    assert found["customer"] is not None
    assert found["customer"].classification == "payroll"

    await submissions.submit(shop, "s2", platform=platform_yaml)
    rejected = await submissions.rejected("s2")
    (problem,) = rejected.problems
    assert problem.code == "FLOE-DBT-021"
    assert "classification is 'payroll', not one of public," in problem.message
