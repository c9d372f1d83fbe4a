"""Documents that nobody would write: whatever comes, it loads or is refused with problems, and soon.

A few hundred, the same ones, in every run; others, and as many as one has time for, with `FLOE_FUZZ_EXAMPLES=10000`.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from floe_contracts.documents.reading import read_floe_spec, read_platform_spec
from floe_contracts.documents.yaml_tree import MAX_PROBLEMS
from floe_contracts.errors import DocumentInvalid, FloeError
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.platform_spec import PlatformSpec

from .machine_time import millions

EXAMPLES: Final = int(os.environ.get("FLOE_FUZZ_EXAMPLES", "300")) // 3
"""For each of the three sorts of documents; each is read as both."""
MILLIONS: Final = 16
"""For one reading, on a machine that may be busy."""

VALID: Final[tuple[str, ...]] = (
    """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {name: orders, version: 1.0.0, owner: shop, labels: {a: b}}
platform: {file: ../platform.yaml}
transforms:
  - type: dbt
    path: dbt
    models: {orders: {tier: gold, tags: [a], dependsOn: [raw], qualityChecks: [{name: a, type: unique}]}}
  - {type: python, name: scores, module: transforms.scores, dependsOn: [orders]}
schedule: {cron: 0 6 * * *, timezone: Europe/Berlin}
triggers: [{type: compile, environments: [dev]}, {type: event, event: run.completed, product: other}]
governance: {rowOwner: {column: a, claim: b}, rules: {level: warn, naming: {convention: medallion}}}
consumption: {cube: {enabled: true, preAggregations: {refreshSchedule: 0 * * * *}}}
orchestration: {partitions: {type: daily, start: 2026-01-01}, retries: {maxAttempts: 2}}
outputPorts: [{name: orders, schema: [{name: id, type: integer}]}]
destinations: [{name: crm, type: http, models: [orders], options: {a: b}, secretRef: crm}]
""",
    """\
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {name: local, version: 1.0.0, owner: platform}
scope: enterprise
inheritance: {forbid: [bus]}
environments:
  dev: {refs: ["*"], profiles: {default: {compute: d, storage: l, catalog: s}}, policies: {pii: {action: mask}}}
compute:
  d: {type: duckdb, threads: 2}
  w:
    {type: snowflake, account: a, database: d, schema: s, credentials: {mode: oauth, token: {secretRef: p}}}
storage: {l: {type: local}, s: {type: s3, bucket: lake, credentials: {mode: static, secretRef: k}}}
catalogs:
  s: {type: sql}
  p: {type: polaris, uri: {secretRef: u}, warehouse: w, credentials: {mode: bearer, token: {secretRef: t}}}
governance: {coverage: {minimumPercent: 80}}
observability: {samplingRatio: 0.5, lineage: {a: {type: http, url: x, apiKey: {secretRef: k}}}}
approvedPlugins: {targets: [duckdb]}
""",
    """\
name: shop
version: "1.2"
transforms: [{type: dbt, path: ./dbt, target: prod}]
consumption: {enabled: true, port: 1, pre_aggregations: {timezone: UTC}, security: {row_level: true}}
governance: {emit_lineage: false, policies: {a: 1}}
observability: {traces: true, tracing: {sampling: {probability: 1}}}
orchestration: {schedules: {a: {job: b, cron_schedule: 0 6 * * *}}, jobs: {b: {}}}
""",
    """\
version: 1.0.0
storage: {default: {bucket: lake, credentials: {secret_ref: a}}}
catalogs: {default: {uri: u, warehouse: w, credentials: {mode: oauth2, client_id: a, client_secret: {secret_ref: b}}}}
compute: {default: {type: spark, properties: {host: h, schema: s, method: http, cluster: c}}}
layers: {a: {name: a, storage_ref: default, namespace: n}}
observability: {lineage_endpoint: x, logging: {level: INFO}}
""",
    """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {name: orders, version: 1.0.0, labels: {team: a}}
platform: {manifest: manifest.yaml}
transforms: [{name: a, tags: [x]}, {name: b, dependsOn: [a], qualityChecks: [{name: c, type: d, dimension: validity}]}]
outputPorts: [{name: a, schema: [{name: b, type: c, primaryKey: true}]}]
destinations: [{name: a, sink_type: b, connection_secret_ref: c, source_table: d.e}]
""",
    """\
apiVersion: floe.dev/v1
kind: Manifest
metadata: {name: acme, version: 1.0.0, owner: a}
plugins:
  compute: {type: bigquery, config: {project: p, dataset: d}}
  catalog: {type: glue, config: {region: r}}
  storage: {type: minio, config: {bucket: lake}}
governance:
  policy_enforcement_level: warn
  quality_gates: {layer_thresholds: {gold: 90}}
  custom_rules: [{type: require_meta_field, field: a}]
observability: {lineage: {endpoint: x}, tracing: {enabled: false}}
""",
)
TREES: Final = tuple(yaml.load(text, yaml.BaseLoader) for text in VALID)  # noqa: S506  # texts only


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from keys(item)


KEYS: Final = sorted({key for tree in TREES for key in keys(tree)} | {"password", "secretRef", "secret_ref", "parent"})
WORDS: Final = [
    *("dbt", "python", "duckdb", "snowflake", "s3", "local", "sql", "polaris", "oauth2", "FloeSpec", "PlatformSpec"),
    *(
        "Manifest",
        "floe.dev/v1",
        "1.0.0",
        "default",
        "dev",
        "true",
        "0",
        "-1",
        "1e999",
        "nan",
        "2026-02-30",
        "0 0 30 2 *",
    ),
    *("{{ x }}", "a" * 300, "../..", "/etc/passwd", "\0", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")),
]
scalars = st.one_of(st.none(), st.sampled_from(WORDS), st.text(max_size=12), st.integers(), st.floats(), st.booleans())
names = st.one_of(st.sampled_from(KEYS), st.text(max_size=6))
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=6)),
    max_leaves=30,
)
headers = st.sampled_from(
    [
        {"apiVersion": "floe.dev/v1", "kind": "FloeSpec"},
        {"apiVersion": "floe.dev/v1", "kind": "PlatformSpec"},
        {"apiVersion": "floe.dev/v1", "kind": "Manifest"},
        {"name": "shop", "version": "1.0.0"},
        {},
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A valid document of any form with some of its parts put elsewhere, replaced, or gone."""
    document = copy.deepcopy(draw(st.sampled_from(TREES)))
    for _ in range(draw(st.integers(0, 4))):
        node, parent, key = document, None, None
        for _ in range(draw(st.integers(1, 6))):
            steps = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
            if not steps:
                break
            parent, key = node, draw(st.sampled_from(steps))
            node = parent[key]
        if parent is None:
            continue
        match draw(st.sampled_from(["replace", "remove", "rename", "copy"])):
            case "replace":
                parent[key] = draw(trees)
            case "remove":
                del parent[key]
            case "rename" if isinstance(parent, dict):
                parent[draw(names)] = parent.pop(key)
            case _:
                parent[key] = [copy.deepcopy(node), copy.deepcopy(node)]
    return document


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Text that is YAML by chance, or was before somebody sat on the keyboard."""
    pieces = st.sampled_from(
        [
            "a",
            ": ",
            "- ",
            "\n",
            "  ",
            "{",
            "}",
            "[",
            "]",
            ",",
            "&x",
            "*x",
            "!t ",
            "|\n",
            ">\n",
            "'",
            '"',
            "#",
            "? ",
            "---\n",
        ]
    )
    if draw(st.booleans()):
        return "".join(draw(st.lists(st.one_of(pieces, st.text(max_size=3)), max_size=60)))
    text = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(1, 5))):
        begin = draw(st.integers(0, len(text)))
        text = text[:begin] + draw(pieces) + text[begin + draw(st.integers(0, 8)) :]
    return text


def check(text: str) -> None:
    """Read as both documents, the text is one of them or refused."""
    for read, model in ((read_floe_spec, FloeSpec), (read_platform_spec, PlatformSpec)):
        document: FloeSpec | PlatformSpec | None = None
        problems: tuple[FloeError, ...] = ()

        def read_or_refuse(read: Callable[[str], FloeSpec | PlatformSpec] = read) -> None:
            nonlocal document, problems
            try:
                document = read(text)
            except DocumentInvalid as error:
                problems = error.problems

        assert millions(read_or_refuse) < MILLIONS, text[:200]
        if document is None:
            assert 0 < len(problems) <= MAX_PROBLEMS + 2
        else:
            assert type(document) is model
            assert read(dumped(document.model_dump(mode="json", by_alias=True, exclude_unset=True))) == document
        for problem in problems:
            assert problem.code.startswith("FLOE-SPEC-00")
            assert problem.message
            assert problem.where is not None
            assert problem.where.file
            assert problem.code in str(problem)


def dumped(tree: Any) -> str:
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="FLOE_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@fuzzed
@given(headers, st.dictionaries(names, trees, max_size=8))
def test_trees_of_any_shape(header: dict[str, Any], tree: dict[str, Any]) -> None:
    check(dumped(header | tree))


@fuzzed
@given(mutated())
def test_documents_that_were_valid_once(tree: Any) -> None:
    check(dumped(tree))


@fuzzed
@given(texts())
@example("[" * 5000)
@example("{a: " * 5000)
@example("? " * 5000)
@example("- " * 5000)
@example("a: &a [x]\nb: *a\n")
@example("\ud800")
@example("\N{BYTE ORDER MARK}name: a\n")
def test_texts(text: str) -> None:
    check(text)


@pytest.mark.parametrize("text", VALID)
def test_what_is_changed_was_valid(text: str) -> None:
    read = read_platform_spec if any(word in text for word in ("storage:", "kind: Manifest")) else read_floe_spec
    assert read(text)
