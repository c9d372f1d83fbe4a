from __future__ import annotations

import pytest

from floe_compiler.core.resolve import NOT_PARSED, resolve
from floe_contracts.documents import read_floe_spec, read_platform_spec
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
    assert (dev.compute.name, dev.compute.threads, dev.compute.memory_limit) == ("small", 1, "1GB")
    assert (prod.compute.name, prod.compute.threads, prod.compute.memory_limit) == ("large", 4, "2GB")
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
        resolve(spec(), read_platform_spec(broken))
    (problem,) = refused.value.problems
    assert problem.where == Where("platform.yaml", path="environments.prod.profiles.default.compute")
    assert problem.message == "'larg' is not defined under compute"
    assert problem.hint == "did you mean 'large'?"
