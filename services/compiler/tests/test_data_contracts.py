"""Data contracts through the compiler: read with the documents, enforced on the manifest, carried by the artifact."""

from __future__ import annotations

import pytest

from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.governance.reports import EnforcementReport

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
schema:
  - name: orders
    properties:
      - {name: id, logicalType: integer, primaryKey: true}
      - {name: customer, logicalType: string, classification: pii}
slaProperties: [{property: freshness, value: PT6H}]
"""
PORT = "outputPorts: [{name: orders, contract: promises/orders.yaml}]\n"


async def test_the_artifact_carries_what_the_contracts_promise(start_compiler, submissions, shop) -> None:
    await start_compiler()
    await submissions.submit(shop | {"contracts/orders.yaml": CONTRACT})
    artifact = CompiledArtifacts.read((await submissions.compiled()).artifact)
    (contract,) = artifact.data_contracts
    assert (contract.id, contract.version, contract.file) == ("orders", "1.0.0", "contracts/orders.yaml")
    assert [field.name for field in contract.models[0].fields] == ["customer", "id"]


async def test_the_report_says_what_could_not_be_checked(start_compiler, submissions, shop, blobs) -> None:
    await start_compiler()
    empty = "apiVersion: v3.1.0\nkind: DataContract\nid: empty\nversion: 1.0.0\n"
    await submissions.submit(shop | {"contracts/a.yaml": CONTRACT, "contracts/b.yaml": empty})
    summary = (await submissions.compiled()).enforcement
    report = EnforcementReport.model_validate_json(await blobs.get(summary.report_digest))
    assert [(result.contract, result.status) for result in report.data_contracts] == [
        ("orders", "passed"),
        ("empty", "not_checked"),
    ]
    assert report.data_contracts[0].not_checked == (
        "contracts/a.yaml:8:9 (schema.0.properties.0): the type of 'id': the model declares no data_type for it",
        "contracts/a.yaml:9:9 (schema.0.properties.1): the type of 'customer': the model declares no data_type for it",
    )


async def test_a_contract_that_an_output_port_names(start_compiler, submissions, shop) -> None:
    await start_compiler()
    named = shop | {"floe.yaml": str(shop["floe.yaml"]) + PORT}
    await submissions.submit(named)
    (problem,) = (await submissions.rejected()).problems
    assert (problem.code, problem.file, problem.line) == ("FLOE-CTR-004", "floe.yaml", 5)
    await submissions.submit(named | {"promises/orders.yaml": CONTRACT}, "s2")
    assert (await submissions.compiled("s2")).artifact["data_contracts"][0]["file"] == "promises/orders.yaml"


async def test_contracts_that_cannot_be_read_are_refused_with_all_their_problems(
    start_compiler, submissions, shop
) -> None:
    await start_compiler()
    wrong = CONTRACT.replace("logicalType: string", "logicalType: strin")
    await submissions.submit(shop | {"contracts/a.yaml": wrong, "contracts/b.yaml": "[", "datacontract.yaml": "{}"})
    rejected = await submissions.rejected()
    assert rejected.stage == "validate"
    assert [(problem.code, problem.file, problem.line) for problem in rejected.problems] == [
        ("FLOE-CTR-001", "contracts/a.yaml", 9),
        ("FLOE-SPEC-002", "contracts/b.yaml", 2),
        ("FLOE-CTR-002", "datacontract.yaml", 1),
        ("FLOE-CTR-002", "datacontract.yaml", 1),
    ]


async def test_a_contract_that_the_project_does_not_keep(start_compiler, submissions, shop, platform_yaml) -> None:
    """Each problem once, though the project is parsed for two environments."""
    await start_compiler()
    broken = CONTRACT.replace("classification: pii", "classification: public, required: true")
    await submissions.submit(shop | {"contracts/orders.yaml": broken}, platform=platform_yaml)
    rejected = await submissions.rejected()
    assert rejected.stage == "enforce"
    assert [(problem.code, problem.file, problem.line) for problem in rejected.problems] == [
        ("FLOE-CTR-013", "contracts/orders.yaml", 9),
        ("FLOE-CTR-015", "contracts/orders.yaml", 9),
    ]
