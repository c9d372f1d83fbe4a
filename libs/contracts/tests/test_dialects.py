"""Documents of the older forms: what they become, where their problems are, and what is told of what has no home."""

from __future__ import annotations

from typing import Any, Final

import pytest

from floe_contracts.dialects.conversion import Converted, DialectRefused
from floe_contracts.dialects.glimpses import glimpse_platform_file, glimpse_product
from floe_contracts.documents.reading import (
    KindUnknown,
    read_floe_spec,
    read_floe_tree,
    read_platform_spec,
    read_platform_tree,
)
from floe_contracts.errors import DocumentInvalid, FloeError
from floe_contracts.platform.resolution import resolve_platform

FLAT_FLOE: Final = """\
name: Order_Pipeline
version: "1.2"
compute: snowflake
transforms:
  - type: dbt
    path: ./dbt
    target: prod
consumption:
  enabled: true
  port: 4000
  pre_aggregations: {refresh_schedule: 0 * * * *, cube_store: {enabled: true}}
  security: {row_level: true, filter_column: brand}
governance: {classification_source: external, emit_lineage: false, policies: {pii: {enabled: true}}}
observability: {traces: true, lineage: true, otlp_endpoint: "http://otel:4317", attributes: {team: sales}}
orchestration:
  asset_modules: [assets]
  schedules: {daily: {job: all, cron_schedule: 0 6 * * *, timezone: Europe/Berlin, partition_selector: latest}}
service_account: floe-runner
"""
FLAT_PLATFORM: Final = """\
version: 1.2.0
storage:
  default:
    bucket: iceberg-data
    endpoint: http://minio:9000
    path_style_access: true
    credentials: {mode: static, secret_ref: minio}
  archive: {type: local, bucket: archive}
catalogs:
  default:
    uri: {secret_ref: polaris-uri}
    warehouse: demo
    credentials: {mode: oauth2, client_id: root, client_secret: {secret_ref: polaris}, scope: "PRINCIPAL_ROLE:ALL"}
compute:
  default: {type: duckdb, properties: {path: ":memory:", threads: 4, memory_limit: 2GB}}
  snowflake:
    type: snowflake
    properties: {account: xy12345, database: D, schema: S, warehouse: W}
    credentials: {mode: static, secret_ref: snow}
observability: {traces: true, lineage_endpoint: "http://marquez:5000", logging: {level: CRITICAL}, metrics: false}
layers: {bronze: {name: bronze, storage_ref: default, namespace: demo.bronze}}
infrastructure: {cloud: {provider: local}}
"""
NAMED_FLOE: Final = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata:
  name: orders
  version: 1.0.0
  labels: {team: sales}
platform: {manifest: ../platform/manifest.yaml}
transforms:
  - name: stg_orders
    tags: [staging]
    tier: silver
  - name: fct_orders
    dependsOn: [stg_orders]
    compute: duckdb
    qualityChecks:
      - {name: off, type: unique, dimension: validity, enabled: false}
      - {name: ids, type: not_null, column: id, dimension: completeness, severity: critical, custom_weight: 2}
schedule: {cron: 0 6 * * *}
outputPorts:
  - {name: orders, owner: sales, schema: [{name: id, type: integer, required: true, primaryKey: true}]}
destinations:
  - {name: crm, sink_type: rest_api, connection_secret_ref: crm-key, source_table: gold.fct_orders, config: {url: x}}
"""
MANIFEST: Final = """\
api_version: floe.dev/v1
kind: Manifest
metadata: {name: acme-platform, version: 1.0.0, owner: platform@acme.com}
scope: enterprise
plugins:
  compute: {type: duckdb, version: 1.1.0, config: {threads: 8}}
  orchestrator: {type: airflow}
  storage: {type: minio, config: {bucket: lake, endpoint: "http://minio:9000"}, connection_secret_ref: minio}
  catalog:
    type: polaris
    config: {uri: "http://polaris:8181", warehouse: acme, oauth2: {client_id: root, client_secret: {secret_ref: pol}}}
  lineage_backend: {type: marquez, config: {url: "http://localhost:5000"}}
governance:
  policy_enforcement_level: strict
  pii_encryption: required
  naming: {enforcement: warn, pattern: custom, custom_patterns: ["^raw_.*$"]}
  quality_gates: {minimum_test_coverage: 90, require_descriptions: true, block_on_failure: false}
  custom_rules:
    - {type: require_tags_for_prefix, prefix: gold_, required_tags: [tested], applies_to: "gold_*"}
    - {type: require_meta_field, field: owner}
    - {type: require_tests_of_type, test_types: [not_null, unique], min_columns: 2}
approved_plugins: {compute: [duckdb, snowflake], orchestrator: [dagster]}
approved_sinks: [rest_api]
observability: {tracing: {endpoint: "http://otel:4317"}, logging: {level: DEBUG}}
resource_presets: {small: {}}
new_section: {a: 1}
"""


def problems_of(text: str, *, platform: bool = False) -> tuple[FloeError, ...]:
    with pytest.raises(DocumentInvalid) as caught:
        (read_platform_spec if platform else read_floe_spec)(text)
    return caught.value.problems


def told(problem: FloeError) -> tuple[int | None, int | None, str | None, str]:
    assert problem.where is not None
    return problem.where.line, problem.where.column, problem.where.path, problem.message


def rules(tree: Converted) -> set[str]:
    return {note.message.rpartition("(")[2].rstrip(")") for note in tree.notes}


def noted(tree: Converted) -> dict[str | None, str]:
    return {note.where.path: note.message for note in tree.notes}


def test_a_flat_floe_yaml_becomes_a_canonical_one() -> None:
    spec = read_floe_spec(FLAT_FLOE)
    assert (spec.metadata.name, spec.metadata.version, spec.metadata.owner) == ("order-pipeline", "1.2.0", "unknown")
    assert (spec.compute, spec.storage, spec.catalog) == ("snowflake", "default", "default")
    assert spec.dbt.path == "dbt"
    assert spec.consumption.cube.enabled
    assert spec.consumption.cube.pre_aggregations is not None
    assert spec.consumption.cube.pre_aggregations.refresh_schedule == "0 * * * *"
    assert spec.governance.row_owner is not None
    assert (spec.governance.row_owner.column, spec.governance.row_owner.claim) == ("brand", "brand")
    assert (spec.observability.traces, spec.observability.lineage) == (True, False)
    assert spec.observability.attributes == {"team": "sales"}
    assert spec.schedule is not None
    assert (spec.schedule.cron, spec.schedule.timezone) == ("0 6 * * *", "Europe/Berlin")


def test_what_has_no_home_is_told_with_its_place_and_the_reason() -> None:
    notes = noted(read_floe_tree(FLAT_FLOE))
    assert notes.keys() == {
        "name",
        "version",
        None,
        "transforms.0.target",
        "consumption.port",
        "consumption.pre_aggregations.cube_store",
        "governance.classification_source",
        "governance.policies",
        "observability.otlp_endpoint",
        "orchestration.asset_modules",
        "orchestration.schedules.daily.job",
        "orchestration.schedules.daily.partition_selector",
        "service_account",
    }
    assert notes["name"] == "becomes order-pipeline: product names are lower-case with hyphens (flat-name)"
    assert all(message.endswith(")") for message in notes.values())
    (target,) = [note for note in read_floe_tree(FLAT_FLOE).notes if note.where.path == "transforms.0.target"]
    assert str(target).startswith("floe.yaml:7:5 (transforms.0.target): no home in floe: ")


def test_a_flat_floe_yaml_that_says_little_is_enough() -> None:
    spec = read_floe_spec("name: shop\nversion: 1.0.0\n")
    assert spec.dbt.path == "dbt"
    assert not spec.consumption.cube.enabled
    assert spec.governance.row_owner is None
    tree = read_floe_tree("name: shop\nversion: v1\nconsumption: {enabled: true}\n")
    assert rules(tree) == {"flat-version", "flat-owner", "flat-dbt", "flat-rows"}


def test_several_schedules_of_jobs_are_left_out() -> None:
    several = FLAT_FLOE.replace("schedules: {", "schedules: {other: {job: b, cron_schedule: 0 7 * * *}, ")
    tree = read_floe_tree(several)
    assert read_floe_spec(several).schedule is None
    assert "a product has one schedule" in noted(tree)["orchestration.schedules.daily"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("type: dbt", "type: python"), (5, 5, "transforms.0.type", "'python': should be 'dbt'")),
        (("compute: snowflake", "compute: {target: duckdb}"), (3, 1, "compute", "should be a text")),
        (("port: 4000", "port: many"), (10, 3, "consumption.port", "should be a whole number")),
        (("  port:", "  prot:"), (10, 3, "consumption.prot", "'prot' is not a field here")),
        (("name: Order_Pipeline", "name: ''"), (1, 1, "name", "'' is not allowed")),
        (("./dbt", "../dbt"), (6, 5, "transforms.0.path", "must be a path inside")),
        (
            ("0 6 * * *", "0 6 31 2 *"),
            (17, 33, "orchestration.schedules.daily.cron_schedule", "is no cron expression"),
        ),
        (('"1.2"', "one"), (2, 1, "version", "'one' is not allowed")),
        (
            ("    target: prod\n", "  - {type: dbt, path: more}\n"),
            (7, 5, "transforms.1", "a second dbt project"),
        ),
    ],
)
def test_problems_speak_of_the_document_as_it_was_written(
    change: tuple[str, str], expected: tuple[int, int, str, str]
) -> None:
    assert change[0] in FLAT_FLOE
    (problem,) = problems_of(FLAT_FLOE.replace(*change, 1))
    assert told(problem)[:3] == expected[:3]
    assert expected[3] in problem.message


def test_all_problems_of_an_older_form_are_told_at_once() -> None:
    text = (
        FLAT_FLOE.replace("  port:", "  prot:").replace("compute: snow", "compute: 1snow").replace("true", "maybe", 1)
    )
    found = problems_of(text + "password: hunter2\n")
    assert [problem.where and problem.where.line for problem in found] == [3, 9, 10, 19]
    assert found[2].hint == "did you mean 'port'?"


def test_a_flat_platform_yaml_becomes_a_canonical_one() -> None:
    platform = read_platform_spec(FLAT_PLATFORM)
    dumped: dict[str, Any] = platform.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert dumped["metadata"] == {"name": "platform", "version": "1.2.0", "owner": "unknown"}
    assert dumped["environments"] == {
        "dev": {
            "profiles": {
                "archive": {"compute": "default", "storage": "archive", "catalog": "default"},
                "default": {"compute": "default", "storage": "default", "catalog": "default"},
                "snowflake": {"compute": "snowflake", "storage": "default", "catalog": "default"},
            }
        }
    }
    assert dumped["storage"]["default"] == {
        "type": "s3",
        "bucket": "iceberg-data",
        "endpoint": "http://minio:9000",
        "pathStyleAccess": True,
        "region": "us-east-1",
        "credentials": {"mode": "static", "secretRef": "minio"},
    }
    assert dumped["storage"]["archive"] == {"type": "local"}
    assert dumped["catalogs"]["default"] == {
        "type": "polaris",
        "uri": {"secretRef": "polaris-uri"},
        "warehouse": "demo",
        "accessDelegation": "none",
        "credentials": {
            "mode": "oauth2",
            "clientId": "root",
            "clientSecret": {"secretRef": "polaris"},
            "scope": "PRINCIPAL_ROLE:ALL",
        },
    }
    assert dumped["compute"]["default"] == {"type": "duckdb", "threads": 4, "memoryLimit": "2GB"}
    assert dumped["compute"]["snowflake"]["credentials"] == {
        "mode": "password",
        "user": {"secretRef": "snow-user"},
        "password": {"secretRef": "snow-password"},
    }
    assert dumped["observability"] == {
        "logLevel": "error",
        "lineage": {"default": {"type": "http", "url": "http://marquez:5000"}},
    }
    assert rules(read_platform_tree(FLAT_PLATFORM, "platform.yaml")) == {
        "flat-owner",
        "flat-environments",
        "flat-storage",
        "flat-compute",
        "flat-endpoints",
        "flat-layers",
        "flat-unread",
        "secret-names",
    }


@pytest.mark.parametrize(
    ("kind", "properties", "expected"),
    [
        (
            "postgres",
            "{host: db, dbname: floe, schema: main, sslmode: require}",
            {
                "host": "db",
                "database": "floe",
                "schema": "main",
                "sslMode": "require",
                "user": {"secretRef": "postgres-dev-user"},
                "password": {"secretRef": "postgres-dev-password"},
            },
        ),
        (
            "redshift",
            "{host: db, database: floe, schema: main, user: etl}",
            {
                "host": "db",
                "database": "floe",
                "schema": "main",
                "credentials": {"mode": "password", "user": "etl", "password": {"secretRef": "redshift-dev-password"}},
            },
        ),
        (
            "databricks",
            "{host: x.cloud.databricks.com, http_path: /sql/1, schema: main, catalog: main}",
            {
                "host": "x.cloud.databricks.com",
                "httpPath": "/sql/1",
                "schema": "main",
                "catalog": "main",
                "credentials": {"mode": "token", "token": {"secretRef": "databricks-dev-token"}},
            },
        ),
        (
            "bigquery",
            "{project: p, dataset: d, location: EU, method: service-account}",
            {
                "project": "p",
                "dataset": "d",
                "location": "EU",
                "credentials": {"mode": "service_account", "keyfile": {"secretRef": "bigquery-dev-keyfile"}},
            },
        ),
        (
            "bigquery",
            "{project: p, dataset: d}",
            {"project": "p", "dataset": "d", "credentials": {"mode": "oauth"}},
        ),
        (
            "spark",
            "{host: spark, port: 10001, schema: main, method: thrift}",
            {"schema": "main", "connection": {"mode": "thrift", "host": "spark", "port": 10001}},
        ),
        (
            "spark",
            "{host: spark, schema: main, method: http, cluster: c1}",
            {
                "schema": "main",
                "connection": {
                    "mode": "http",
                    "host": "spark",
                    "cluster": "c1",
                    "token": {"secretRef": "spark-dev-token"},
                },
            },
        ),
    ],
)
def test_computes_of_every_kind_are_taken_over(kind: str, properties: str, expected: dict[str, Any]) -> None:
    platform = read_platform_spec(f"compute: {{default: {{type: {kind}, properties: {properties}}}}}\n")
    compute = platform.compute["default"].model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert compute == {"type": kind, **expected}


@pytest.mark.parametrize(
    ("observability", "ratio"),
    [
        ("{traces: false}", 0),
        ("{tracing: {sampling: {sampling_type: probabilistic, probability: 0.25}}}", 0.25),
        ("{tracing: {sampling: {sampling_type: always_off}}}", 0),
        ("{tracing: {sampling: {sampling_type: rate_limiting, rate_limit: 5}}}", 1),
        ("{}", 1),
    ],
)
def test_sampling_is_taken_over(observability: str, ratio: float) -> None:
    platform = read_platform_spec(f"version: 1.0.0\nstorage: {{}}\nobservability: {observability}\n")
    assert platform.observability.sampling_ratio == ratio
    assert platform.storage["local"].type == "local"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("    bucket: iceberg-data\n", ""), (3, 3, "storage.default.bucket", "the field 'bucket' is missing")),
        (("    warehouse: demo\n", ""), (10, 3, "catalogs.default.warehouse", "the field 'warehouse' is missing")),
        (("client_id: root, ", ""), (13, 5, "catalogs.default.credentials", "oauth2 need client_id")),
        (("database: D, ", ""), (18, 5, "compute.snowflake.properties.database", "'database' is missing")),
        (("storage_ref: default", "storage_ref: defualt"), (21, 33, "layers.bronze.storage_ref", "is not defined")),
        (("type: duckdb", "type: duckbd"), (15, 13, "compute.default.type", "'duckbd'")),
        (("http://minio:9000", "{secret_ref: e}"), (5, 5, "storage.default.endpoint", "should be a text")),
    ],
)
def test_problems_of_a_flat_platform_speak_of_it_as_it_was_written(
    change: tuple[str, str], expected: tuple[int, int, str, str]
) -> None:
    assert change[0] in FLAT_PLATFORM
    found = problems_of(FLAT_PLATFORM.replace(*change, 1), platform=True)
    assert told(found[0])[:3] == expected[:3]
    assert expected[3] in found[0].message


def test_a_reference_that_leads_nowhere_names_its_rule() -> None:
    (problem,) = problems_of(FLAT_PLATFORM.replace("storage_ref: default", "storage_ref: defualt"), platform=True)
    assert isinstance(problem, DialectRefused)
    assert problem.code == "FLOE-SPEC-008"
    assert problem.hint == "did you mean 'default'? (rule flat-layers)"


def test_a_spec_that_names_models_becomes_a_canonical_one() -> None:
    spec = read_floe_spec(NAMED_FLOE)
    dumped: dict[str, Any] = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert dumped == {
        "apiVersion": "floe.dev/v1",
        "kind": "FloeSpec",
        "metadata": {"name": "orders", "version": "1.0.0", "owner": "sales", "labels": {"team": "sales"}},
        "platform": {"file": "../platform/manifest.yaml"},
        "transforms": [
            {
                "type": "dbt",
                "path": ".",
                "models": {
                    "stg_orders": {"tier": "silver", "tags": ["staging"]},
                    "fct_orders": {
                        "dependsOn": ["stg_orders"],
                        "compute": "duckdb",
                        "qualityChecks": [
                            {
                                "name": "ids",
                                "type": "not_null",
                                "column": "id",
                                "dimension": "completeness",
                                "severity": "critical",
                            }
                        ],
                    },
                },
            }
        ],
        "schedule": {"cron": "0 6 * * *"},
        "outputPorts": [{"name": "orders", "schema": [{"name": "id", "type": "integer", "required": True}]}],
        "destinations": [
            {
                "name": "crm",
                "type": "rest_api",
                "models": ["fct_orders"],
                "options": {"url": "x"},
                "secretRef": "crm-key",
            }
        ],
    }
    assert noted(read_floe_tree(NAMED_FLOE)).keys() == {
        "metadata.labels.team",
        "transforms.1.qualityChecks.0",
        "transforms.1.qualityChecks.1.custom_weight",
        "outputPorts.0.owner",
        "outputPorts.0.schema.0.primaryKey",
    }


@pytest.mark.parametrize(
    ("change", "expected", "hint"),
    [
        (
            ("dependsOn: [stg_orders]", "dependsOn: [stg_order]"),
            (13, 17, "transforms.1.dependsOn.0", "there is no transform 'stg_order'"),
            "did you mean 'stg_orders'? (rule manifest-depends-on)",
        ),
        (
            ("name: fct_orders\n    dependsOn: [stg_orders]", "name: stg_orders"),
            (12, 5, "transforms.1.name", "the transform 'stg_orders' stands twice"),
            "rename (rule manifest-names)",
        ),
        (
            ("    tags: [staging]", "    dependsOn: [fct_orders]"),
            (13, 5, "transforms.1.dependsOn", "a dependency cycle: fct_orders -> stg_orders -> fct_orders"),
            "remove one of them",
        ),
        (
            ("../platform/manifest.yaml", "oci://registry/platform"),
            (7, 12, "platform.manifest", "must be a relative path with forward slashes"),
            None,
        ),
        (
            ("tier: silver", "tier: sliver"),
            (11, 5, "transforms.0.tier", "'sliver': should be 'bronze', 'silver' or 'gold'"),
            "did you mean 'silver'?",
        ),
        (
            ("0 6 * * *", "0 25 * * *"),
            (18, 12, "schedule.cron", "'0 25 * * *' is no cron expression: Bad hour"),
            None,
        ),
        (
            ("type: not_null", "type: not-null"),
            (17, 21, "transforms.1.qualityChecks.1.type", "'not-null' is not allowed"),
            "letters, digits and underscores, no digit first",
        ),
        (
            ("source_table: gold.fct_orders, ", ""),
            (22, 5, "destinations.0.source_table", "the field 'models' is missing"),
            "add `models:`",
        ),
    ],
)
def test_problems_of_a_spec_that_names_models(
    change: tuple[str, str], expected: tuple[int, int, str, str], hint: str | None
) -> None:
    assert change[0] in NAMED_FLOE
    found = problems_of(NAMED_FLOE.replace(*change, 1))
    assert told(found[0]) == expected
    assert found[0].hint == hint


def test_a_manifest_becomes_a_canonical_platform() -> None:
    dumped: dict[str, Any] = read_platform_spec(MANIFEST).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert dumped == {
        "apiVersion": "floe.dev/v1",
        "kind": "PlatformSpec",
        "metadata": {"name": "acme-platform", "version": "1.0.0", "owner": "platform@acme.com"},
        "scope": "enterprise",
        "environments": {
            "dev": {
                "profiles": {
                    "default": {"compute": "default", "storage": "default", "catalog": "default"},
                    "duckdb": {"compute": "default", "storage": "default", "catalog": "default"},
                }
            }
        },
        "compute": {"default": {"type": "duckdb", "threads": 8}},
        "storage": {
            "default": {
                "type": "s3",
                "bucket": "lake",
                "endpoint": "http://minio:9000",
                "credentials": {"mode": "static", "secretRef": "minio"},
            }
        },
        "catalogs": {
            "default": {
                "type": "polaris",
                "uri": "http://polaris:8181",
                "warehouse": "acme",
                "credentials": {"mode": "oauth2", "clientId": "root", "clientSecret": {"secretRef": "pol"}},
            }
        },
        "governance": {
            "level": "strict",
            "naming": {"convention": "custom", "patterns": ["^raw_.*$"], "level": "warn"},
            "coverage": {"minimumPercent": 90, "byTier": {}, "level": "warn"},
            "documentation": {"models": True, "columns": False, "level": "warn"},
            "required": {
                "tags": [{"prefix": "gold_", "tags": ["tested"], "appliesTo": "gold_*"}],
                "meta": [{"fields": ["owner"]}],
                "tests": [{"test": "not_null", "minColumns": 2}, {"test": "unique", "minColumns": 2}],
            },
        },
        "observability": {
            "otlpEndpoint": "http://otel:4317",
            "logLevel": "debug",
            "lineage": {"default": {"type": "http", "url": "http://localhost:5000"}},
        },
        "approvedPlugins": {"targets": ["duckdb", "snowflake"]},
        "approvedSinks": ["rest_api"],
    }
    assert noted(read_platform_tree(MANIFEST, "manifest.yaml")).keys() == {
        None,
        "plugins.compute.version",
        "plugins.orchestrator",
        "plugins.catalog.config.oauth2",
        "governance.pii_encryption",
        "approved_plugins.orchestrator",
        "resource_presets",
        "new_section",
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("scope: enterprise\n", "scope: domain\n"), "parent_manifest and scope domain go together"),
        (("new_section", "environments"), "environments may not stand in a manifest"),
        (("acme-platform", "floe"), "the name 'floe' is reserved"),
        (("threads: 8", "threads: 800"), "should be less than or equal to 64"),
        (("type: duckdb, version: 1.1.0", "type: duckbd"), "'duckbd' is no type here"),
        (("connection_secret_ref: minio", "connection_secret: minio"), "is named like a secret"),
        (("plugins:", "plugin:"), "the field 'plugins' is missing"),
    ],
)
def test_a_manifest_that_was_refused_still_is(change: tuple[str, str], expected: str) -> None:
    assert change[0] in MANIFEST
    assert any(expected in problem.message for problem in problems_of(MANIFEST.replace(*change, 1), platform=True))


def test_a_manifest_below_another_one_inherits_what_it_does_not_say() -> None:
    domain = """\
apiVersion: floe.dev/v1
kind: Manifest
metadata: {name: sales, version: 1.0.0, owner: sales}
scope: domain
parent_manifest: ../enterprise/manifest.yaml
plugins: {storage: {type: s3, config: {bucket: sales}}}
approved_products: [orders]
"""
    resolved = resolve_platform(domain, "manifest.yaml", {"../enterprise/manifest.yaml": MANIFEST}.__getitem__)
    platform = resolved.spec
    assert platform.compute["default"].threads == 8
    assert platform.storage["default"].model_dump(include={"bucket"}) == {"bucket": "sales"}
    assert platform.catalogs["default"].type == "polaris"
    assert platform.governance.level == "strict"
    where = resolved.where(("compute", "default", "threads"))
    assert (where.line, where.path) == (6, "plugins.compute.config.threads")


@pytest.mark.parametrize(
    ("text", "platform", "like"),
    [
        ("name: shop\nprofile: shop\nmodel-paths: [models]\n", False, "a dbt_project.yml"),
        ("catalogs: {}\nversion: 1.0.0\n", False, "a flat platform.yaml"),
        ("apiVersion: v3.0.0\nkind: DataContract\n", False, "a data contract (ODCS)"),
        ("apiVersion: floe.dev/v1\nkind: Manifest\n", False, "a manifest.yaml of a platform"),
        ("apiVersion: floe.dev/v1\nkind: FloeSpec\n", True, "a floe.yaml"),
        ("name: shop\ntransforms: []\n", True, "a flat floe.yaml"),
        ("dataContractSpecification: 1.0.0\n", True, "a data contract"),
        ("artifactVersion: 1.0.0\nsources: {}\n", False, "a compiled artifact"),
        ("services: {}\n", True, None),
    ],
)
def test_a_document_of_no_form_is_told_what_it_looks_like(text: str, like: str | None, *, platform: bool) -> None:
    (problem,) = problems_of(text, platform=platform)
    assert isinstance(problem, KindUnknown)
    assert problem.message.partition("; it looks like ")[2] == (like or "")


@pytest.mark.parametrize(
    ("document", "name", "file"),
    [
        ({"metadata": {"name": "shop"}, "platform": {"file": "../p.yaml"}}, "shop", "../p.yaml"),
        ({"metadata": {"name": "shop"}, "platform": {"manifest": "m.yaml"}}, "shop", "m.yaml"),
        ({"name": "Order_Pipeline"}, "order-pipeline", None),
        ({"name": "1"}, None, None),
        ({"metadata": {"name": "Shop"}, "name": "shop", "platform": "x"}, None, None),
        ({"metadata": [], "platform": {"file": ["x"]}}, None, None),
    ],
)
def test_what_can_be_said_of_a_floe_yaml_at_first_sight(
    document: dict[str, Any], name: str | None, file: str | None
) -> None:
    assert glimpse_product(document) == name
    assert glimpse_platform_file(document) == file
