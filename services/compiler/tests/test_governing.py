"""From both documents to the stored report."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from floe_chassis.blobs import open_blobs
from floe_compiler.core.governance.enforce import refusal
from floe_compiler.core.governance.summary import MOST_FINDINGS
from floe_compiler.governing import govern, store_report
from floe_contracts.documents.reading import read_floe_spec, read_platform_spec
from floe_contracts.errors import DocumentInvalid
from floe_contracts.governance.reports import EnforcementReport
from floe_contracts.nodes import Column, Node, NodeGraph
from floe_contracts.platform_spec import DEFAULT_PLATFORM

SPEC = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {name: shop, version: 1.0.0, owner: me}
transforms: [{type: dbt, path: dbt}]
governance: {rules: {level: off, documentation: {columns: true}}}
"""
OVERRIDE = "{rule: FLOE-GOV-201, models: orders, action: exclude, reason: Old., expires: 2026-12-31}"
FLOOR = "governance: {naming: {convention: medallion, level: strict}, forbidOverrides: [FLOE-GOV-201]}\n"
TODAY = date(2026, 11, 21)


def graph(count: int = 1) -> NodeGraph:
    nodes = tuple(
        Node(
            unique_id=f"model.shop.orders{number}",
            name=f"orders{number}",
            resource_type="model",
            materialized="table",
            database="shop",
            schema_name="main",
            identifier=f"orders{number}",
            path="models/orders.sql",
            patch_path="models/schema.yml",
            columns=(Column(name="id"),),
        )
        for number in range(count)
    )
    return NodeGraph(project="shop", nodes=nodes, checks=())


@pytest.fixture
def product(tmp_path: Path) -> Path:
    schema = tmp_path / "dbt" / "models" / "schema.yml"
    schema.parent.mkdir(parents=True)
    schema.write_text("# first line\nmodels: [{name: orders0, columns: [{name: id}]}]\n")
    return tmp_path


def test_the_stricter_of_both_documents_holds_at_the_true_line(product: Path) -> None:
    spec, platform = read_floe_spec(SPEC), read_platform_spec(DEFAULT_PLATFORM + FLOOR)
    refused = refusal(govern(spec, platform, {"dev": graph()}, folder=product, today=TODAY))
    assert refused is not None
    assert [str(problem.where) for problem in refused.problems] == ["dbt/models/schema.yml:2:10 (orders0)"]
    report = govern(spec, read_platform_spec(DEFAULT_PLATFORM), {"dev": graph()}, folder=product, today=TODAY)
    assert (report.status, refusal(report)) == ("not_checked", None)


def test_an_override_against_the_platform_is_refused(product: Path) -> None:
    spec = read_floe_spec(SPEC.replace("level: off", f"overrides: [{OVERRIDE}]"))
    with pytest.raises(DocumentInvalid) as refused:
        govern(spec, read_platform_spec(DEFAULT_PLATFORM + FLOOR), {"dev": graph()}, folder=product, today=TODAY)
    assert [problem.code for problem in refused.value.problems] == ["FLOE-GOV-003"]


async def test_the_stored_report_has_everything_and_its_summary_the_worst(product: Path) -> None:
    spec, platform = read_floe_spec(SPEC.replace("level: off", "coverage: {}")), DEFAULT_PLATFORM + FLOOR
    graphs = {"dev": graph(40)}
    report = govern(spec, read_platform_spec(platform), graphs, folder=product, today=TODAY)
    blobs = open_blobs((product / "blobs").as_uri())
    summary = await store_report(report, blobs)
    assert EnforcementReport.read(json.loads(await blobs.get(summary.report_digest))) == report
    sarif = json.loads(await blobs.get(summary.sarif_digest))
    assert len(sarif["runs"][0]["results"]) == len(report.findings) == 160
    assert (summary.status, summary.errors, summary.warnings, summary.notes) == ("failed", 40, 120, 0)
    assert len(summary.findings) == MOST_FINDINGS
    assert [finding.severity for finding in summary.findings[39:41]] == ["error", "warning"]
    assert summary.not_checked == ("FLOE-GOV-222",)
    assert len(summary.model_dump_json()) < 32_000
