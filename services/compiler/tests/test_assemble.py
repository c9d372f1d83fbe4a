from __future__ import annotations

import pytest

from floe_compiler.core.assemble import assemble, check_row_owner
from floe_compiler.errors import RowOwnerUnknown
from floe_contracts.artifacts import CompiledArtifacts, Tools, read_artifact
from floe_contracts.documents.reading import read_floe_spec, read_platform_spec
from floe_contracts.errors import Where
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.nodes import Column, Node, NodeGraph
from floe_contracts.platform_spec import DEFAULT_PLATFORM, PlatformSpec

SPEC = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {name: shop, version: 1.2.0, owner: me, description: A shop., labels: {domain: sales}}
transforms: [{type: dbt, path: dbt}]
"""
ROW_OWNER = "governance: {rowOwner: {column: brand, claim: brand_id}}\n"
PLATFORM = read_platform_spec(DEFAULT_PLATFORM)
TOOLS = Tools(dbt_core="1.11.0", adapters={"duckdb": "1.11.0"})
DIGEST = "sha256:" + "0" * 64


def spec(*lines: str) -> FloeSpec:
    return read_floe_spec(SPEC + "".join(lines))


def assembled(parts: FloeSpec, platform: PlatformSpec = PLATFORM) -> CompiledArtifacts:
    return assemble(
        parts,
        platform,
        bundle=DIGEST,
        packages=None,
        platform_digest=DIGEST,
        tools=TOOLS,
        environments={},
        data_contracts=(),
    )


def graph(*columns: str, expose: bool = True) -> NodeGraph:
    node = Node(
        unique_id="model.shop.orders",
        name="orders",
        resource_type="model",
        materialized="table",
        database="shop",
        schema_name="main",
        identifier="orders",
        path="models/orders.sql",
        expose=expose,
        columns=tuple(Column(name=name) for name in columns),
    )
    return NodeGraph(project="shop", nodes=(node,), checks=())


def test_the_artifact_says_what_the_spec_says_and_can_be_read_back() -> None:
    parts = spec("landing: {select: [table, seed]}\n", ROW_OWNER)
    artifact = assembled(parts)
    assert artifact.product.model_dump() == {
        "name": "shop",
        "version": "1.2.0",
        "description": "A shop.",
        "owner": "me",
        "labels": {"domain": "sales"},
    }
    assert artifact.landing == ("seed", "table")
    assert artifact.serving.cube is True
    assert artifact.serving.row_owner is not None
    assert (artifact.serving.row_owner.column, artifact.serving.row_owner.claim) == ("brand", "brand_id")
    assert artifact.transforms[0].path == "dbt"
    assert read_artifact(artifact.to_bytes(), artifact.digest()) == artifact


FULL = """\
schedule: {cron: 0 6 * * *, timezone: Europe/Berlin}
triggers:
  - {type: compile, environments: [dev]}
  - {type: event, event: table.committed, product: shop-raw, table: orders}
orchestration:
  partitions: {type: daily, start: 2026-01-01}
  retries: {maxAttempts: 2}
  timeoutSeconds: 600
  concurrency: {queue: replace}
consumption: {cube: {preAggregations: {refreshSchedule: 0 * * * *}}}
observability: {metrics: false, attributes: {team: shop, stage: mine}}
outputPorts:
  - {name: orders, schema: [{name: id, type: integer, required: true}], contract: orders.yaml}
  - {name: customers, model: dim_customers}
destinations: [{name: crm, type: webhook, models: [orders], options: {url: "https://crm"}, secretRef: crm-key}]
"""
PYTHON = (
    "{type: python, name: scores, module: python.scores, dependsOn: [orders], qualityChecks: [{name: a, type: unique}]}"
)


def test_the_artifact_carries_everything_that_a_run_needs() -> None:
    written = SPEC.replace("path: dbt}]", f"path: dbt}}, {PYTHON}]") + FULL
    platform = read_platform_spec(DEFAULT_PLATFORM + "observability: {attributes: {stage: theirs}}\n")
    artifact = assembled(read_floe_spec(written), platform)
    document = artifact.to_document()
    assert document["schedule"] == {
        "cron": "0 6 * * *",
        "timezone": "Europe/Berlin",
        "enabled": True,
        "catch_up": "latest",
    }
    assert [trigger["type"] for trigger in document["triggers"]] == ["compile", "event"]
    assert document["triggers"][1]["table"] == "orders"
    assert document["orchestration"] == {
        "partitions": {"type": "daily", "start": "2026-01-01", "timezone": "UTC", "keys": []},
        "retries": {"max_attempts": 2, "delay_seconds": 30, "backoff": "exponential"},
        "timeout_seconds": 600,
        "concurrency": {"queue": "replace", "partitions": 1},
    }
    assert document["serving"]["pre_aggregations"]["refresh_schedule"] == "0 * * * *"
    assert document["observability"]["attributes"] == {"team": "shop", "stage": "theirs"}
    assert [port["model"] for port in document["output_ports"]] == ["orders", "dim_customers"]
    assert document["output_ports"][0]["columns"][0]["required"] is True
    assert document["destinations"][0]["secret_ref"] == "crm-key"
    assert document["python_transforms"][0]["quality_checks"][0]["severity"] == "warning"
    assert read_artifact(artifact.to_bytes(), artifact.digest()) == artifact


def test_the_order_in_which_a_person_lists_things_does_not_change_the_digest() -> None:
    one, other = (assembled(spec(f"landing: {{select: {kinds}}}\n")) for kinds in ("[table, seed]", "[seed, table]"))
    assert one.digest() == other.digest()


@pytest.mark.parametrize(
    ("lines", "nodes"),
    [
        ((), graph("id")),
        ((ROW_OWNER,), graph("id", "brand")),
        ((ROW_OWNER,), graph("id", expose=False)),
        ((ROW_OWNER, "consumption: {cube: {enabled: false}}\n"), graph("id")),
    ],
    ids=["no row owner", "its column is there", "nothing is exposed", "nothing is served"],
)
def test_the_row_owner_is_in_order(lines: tuple[str, ...], nodes: NodeGraph) -> None:
    assert list(check_row_owner(spec(*lines), nodes)) == []


@pytest.mark.parametrize(
    ("columns", "hint"),
    [(("id", "brands"), "did you mean 'brands'?"), (("id",), "document the column in the model's properties file")],
)
def test_a_row_owner_without_its_column_is_refused(columns: tuple[str, ...], hint: str) -> None:
    (problem,) = check_row_owner(spec(ROW_OWNER), graph(*columns))
    assert isinstance(problem, RowOwnerUnknown)
    assert problem.message == "no exposed model documents a column 'brand'"
    assert problem.where == Where("floe.yaml", path="governance.rowOwner.column")
    assert problem.hint == hint
