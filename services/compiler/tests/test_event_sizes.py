"""What the compiler announces fits into the bus, however large a product is and whatever it says."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from floe_compiler.core import assemble
from floe_compiler.core.governance import summary
from floe_compiler.core.plan import summary as plan_summary
from floe_compiler.core.plan.build import build_plan
from floe_compiler.core.plan.view import ArtifactView
from floe_compiler.core.rejections import MOST_BYTES, MOST_PROBLEMS, told
from floe_compiler.core.resolve import resolve
from floe_compiler.errors import ArtifactTooLarge, ProductMismatch
from floe_compiler.outcomes import planned_or_compiled
from floe_compiler.planning import Planned
from floe_contracts.artifacts import CompiledArtifacts, Tools
from floe_contracts.cloudevents import Attributes, encode
from floe_contracts.data_contracts import CompiledDataContract, ContractedField, ContractedModel
from floe_contracts.documents.reading import read_floe_spec, read_platform_spec
from floe_contracts.errors import Where
from floe_contracts.events import ArtifactRejected, SpecSubmitted
from floe_contracts.governance.reports import EnforcementReport, EnforcementSummary, Finding
from floe_contracts.nodes import Node, NodeGraph
from floe_contracts.platform_spec import DEFAULT_PLATFORM

DIGEST = "sha256:" + "0" * 64
BUS = 1024 * 1024
MODELS = 2000
SPEC = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {name: shop, version: 1.2.0, owner: me}
transforms: [{type: dbt, path: dbt}]
"""


def artifact(environments: int = 1, fields: int = 0) -> CompiledArtifacts:
    promised = tuple(ContractedField(name=f"a_long_name_of_a_field_{number}") for number in range(fields))
    contract = CompiledDataContract(
        id="shop",
        name="shop",
        version="1.0.0",
        standard="v3.0.2",
        file="shop.odcs.yaml",
        digest=DIGEST,
        models=(ContractedModel(name="orders", relation="orders", fields=promised),),
    )
    spec, platform = read_floe_spec(SPEC), read_platform_spec(DEFAULT_PLATFORM)
    (environment,) = resolve(spec, platform).values()
    return assemble.assemble(
        spec,
        platform,
        bundle=DIGEST,
        packages=None,
        platform_digest=DIGEST,
        tools=Tools(dbt_core="1.11.0", adapters={"duckdb": "1.11.0"}),
        environments={f"environment-{number}": environment for number in range(environments)},
        data_contracts=(contract,) if fields else (),
    )


def large_graph() -> NodeGraph:
    nodes = tuple(
        Node(
            unique_id=f"model.shop.a_long_name_of_a_model_{number:05}",
            name=f"a_long_name_of_a_model_{number:05}",
            resource_type="model",
            materialized="table",
            database="shop",
            schema_name="main",
            identifier=f"a_long_name_of_a_model_{number:05}",
            path="models/orders.sql",
        )
        for number in range(MODELS)
    )
    return NodeGraph(project="shop", nodes=nodes, checks=())


def findings(words: int) -> EnforcementSummary:
    found = tuple(
        Finding(
            code="FLOE-GOV-201",
            severity="error",
            environments=("dev",),
            node=f"model.shop.m{number}",
            message="x" * words,
        )
        for number in range(MODELS)
    )
    report = EnforcementReport(product="shop", today=date(2026, 11, 21), status="failed", rules=(), findings=found)
    return summary.summarised(report, report_digest=DIGEST, sarif_digest=DIGEST)


def submitted() -> SpecSubmitted:
    return SpecSubmitted(tenant="default", product="shop", submission="s1", bundle=DIGEST)


def test_an_artifact_of_2000_models_in_ten_environments_is_announced_whole() -> None:
    compiled = artifact(environments=10)
    graph = large_graph()
    view = ArtifactView(compiled.digest(), compiled, dict.fromkeys(compiled.environments, graph))
    plan = plan_summary.summarised(build_plan(None, view))
    event = planned_or_compiled(submitted(), compiled, Planned(plan, DIGEST), findings(10_000), seconds=1.0)
    headers, body = encode(event, Attributes(id="i", source="floe/compiler", time=datetime.now(UTC)))
    assert len(headers) < 20
    assert len(body) < BUS // 4
    assert all(one.counts.added == MODELS for one in plan.environments.values())


def test_the_parts_of_an_event_fit_into_it_together() -> None:
    assert assemble.MOST_BYTES + plan_summary.MOST_BYTES + summary.MOST_BYTES + MOST_BYTES < BUS


def test_findings_without_end_are_cut_and_still_counted() -> None:
    told_of = findings(40_000)
    assert (told_of.errors, len(told_of.findings)) == (MODELS, 1)
    assert len(told_of.model_dump_json()) < summary.MOST_BYTES + 1000


def test_an_artifact_that_is_too_large_says_what_in_it_is() -> None:
    assemble.check_size(artifact(fields=100))
    with pytest.raises(ArtifactTooLarge, match="'data_contracts'"):
        assemble.check_size(artifact(fields=12_000))


@pytest.mark.parametrize(("count", "words"), [(10_000, 10), (10_000, 5000), (3, 3_000_000), (1, 5)])
def test_a_rejection_is_never_too_large(count: int, words: int) -> None:
    problems = [
        ProductMismatch("no " * words, where=Where("é" * words, path="p" * words), hint="h" * words)
        for _ in range(count)
    ]
    rejected = ArtifactRejected(
        tenant="default", product="shop", submission="s1", stage="load", problems=told(problems)
    )
    assert len(rejected.model_dump_json().encode()) < MOST_BYTES + 10_000
    assert 0 < len(rejected.problems) <= MOST_PROBLEMS + 1
    left_out = count - len(rejected.problems) + 1
    if left_out > 0 and count > 3:
        assert rejected.problems[-1].message == f"and {left_out} more problems"
        assert rejected.problems[-1].code == "FLOE-COMP-012"
    assert rejected.problems[0].code == "FLOE-COMP-002"
