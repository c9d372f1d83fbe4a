from __future__ import annotations

import pytest

from floe_compiler.core.resolve import NOT_PARSED, resolve
from floe_contracts.artifacts import CompiledEnvironment
from floe_contracts.documents.reading import read_floe_spec, read_platform_spec
from floe_contracts.errors import DocumentInvalid, Where
from floe_contracts.floe_spec import FloeSpec

SPEC = "apiVersion: floe.dev/v1\nkind: FloeSpec\nmetadata: {name: shop, version: 1.0.0, owner: me}\n"
TRANSFORMS = "transforms: [{type: dbt, path: dbt}]\n"


def spec(*lines: str) -> FloeSpec:
    return read_floe_spec(SPEC + TRANSFORMS + "".join(f"{line}\n" for line in lines))


def test_each_environment_gets_what_its_own_profile_says(platform_yaml: str) -> None:
    resolved = resolve(spec(), read_platform_spec(platform_yaml))
    assert list(resolved) == ["dev", "prod"]
    dev, prod = resolved["dev"], resolved["prod"]
    assert (dev.compute.name, dev.compute.threads, dev.compute.properties) == ("small", 1, {"memory_limit": "1GB"})
    assert (prod.compute.name, prod.compute.threads, prod.compute.properties) == ("large", 4, {"memory_limit": "2GB"})
    assert (dev.storage.type, dev.catalog.type) == ("local", "sql")
    assert (dev.refs, prod.refs) == (("*",), ("main",))
    assert dev.policies == {}
    assert prod.policies["pii"].action == "mask"
    assert prod.policies["pii"].requires_role == ("data_owner",)
    assert {dev.manifest, dev.nodes, prod.manifest, prod.nodes} == {NOT_PARSED}


def test_a_name_that_no_environment_knows_is_told_for_each_of_them(platform_yaml: str) -> None:
    with pytest.raises(DocumentInvalid) as refused:
        resolve(spec("compute: defualt", "catalog: nowhere"), read_platform_spec(platform_yaml))
    problems = refused.value.problems
    assert [(problem.code, problem.where) for problem in problems] == [
        ("FLOE-COMP-003", Where("floe.yaml", path=part)) for part in ("compute", "catalog") * 2
    ]
    assert "'dev'" in problems[0].message
    assert "'prod'" in problems[2].message
    assert problems[0].hint == "did you mean 'default'?"
    assert problems[1].hint == "defined are: default"


def test_a_profile_that_leads_nowhere_is_the_platforms_fault(platform_yaml: str) -> None:
    broken = platform_yaml.replace("compute: large", "compute: larg")
    with pytest.raises(DocumentInvalid) as refused:
        read_platform_spec(broken)
    (problem,) = refused.value.problems
    assert (problem.code, problem.where and problem.where.path) == (
        "FLOE-SPEC-005",
        "environments.prod.profiles.default.compute",
    )
    assert problem.message == "'larg' is not defined under compute"
    assert problem.hint == "did you mean 'large'?"


OVERRIDES = """\
transforms:
  - {type: dbt, path: dbt, models: {orders: {compute: heavy}, lines: {compute: heavy}, shops: {compute: default}}}
  - {type: python, name: scores, module: scores, compute: heavy}
"""


def overriding(platform_yaml: str, dev: str, prod: str) -> dict[str, CompiledEnvironment]:
    """Both environments of a product whose models have another compute; the arguments are what it is in each."""
    more = ", heavy: {{compute: {0}, storage: local, catalog: local}}}}".format
    before, between, after = platform_yaml.split("catalog: local}}")
    text = f"{before}catalog: local}}{more(dev)}{between}catalog: local}}{more(prod)}{after}"
    return resolve(read_floe_spec(SPEC + OVERRIDES), read_platform_spec(text))


def test_other_computes_of_models_stand_by_their_logical_names(platform_yaml: str) -> None:
    resolved = overriding(platform_yaml, dev="small", prod="small")
    assert [list(environment.computes) for environment in resolved.values()] == [["heavy"], ["heavy"]]
    prod = resolved["prod"]
    assert (prod.compute.name, prod.computes["heavy"].name) == ("large", "small")
    assert prod.computes["heavy"].properties == {"memory_limit": "1GB"}


def test_a_compute_of_a_model_that_leads_nowhere_is_told_where_it_stands(platform_yaml: str) -> None:
    with pytest.raises(DocumentInvalid) as refused:
        resolve(read_floe_spec(SPEC + OVERRIDES), read_platform_spec(platform_yaml))
    assert [(problem.code, problem.where) for problem in refused.value.problems] == [
        ("FLOE-COMP-003", Where("floe.yaml", path="transforms.0.models.orders.compute"))
    ] * 2
    with pytest.raises(DocumentInvalid) as refused:
        overriding(platform_yaml, dev="small", prod="huge")
    (problem,) = refused.value.problems
    assert problem.where is not None
    assert problem.where.path == "environments.prod.profiles.heavy.compute"


def test_platform_and_product_decide_how_tables_are_maintained(platform_yaml: str) -> None:
    platform = read_platform_spec(platform_yaml + "\nmaintenance: {afterCommits: 5, expiry: {maxAgeDays: 30}}\n")
    resolved = resolve(spec("maintenance: {expiry: {maxAgeDays: 1}, orphans: {enabled: false}}"), platform)
    for environment in resolved.values():
        maintenance = environment.maintenance
        assert (maintenance.after_commits, maintenance.expiry.max_age_days, maintenance.orphans.enabled) == (
            5,
            1,
            False,
        )
        assert maintenance.compaction.enabled
