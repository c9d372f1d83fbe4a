from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_contracts.documents.reading import FieldInvalid, KindUnknown, read_floe_spec, read_platform_spec
from floe_contracts.documents.yaml_tree import MAX_PROBLEMS, YamlInvalid
from floe_contracts.errors import DocumentInvalid, FloeError
from floe_contracts.platform_spec import DEFAULT_PLATFORM

FLOE = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata:
  name: orders
  version: 1.10.0
  owner: shop@example.com
  labels: {release: 1.10, country: NO, at: 12:30:45}
transforms:
  - type: dbt
    path: dbt
landing:
  select: [table, seed]
consumption:
  cube: {enabled: NO}
governance:
  rowOwner: {column: brand, claim: brand}
"""


def floe_problems(text: str) -> tuple[FloeError, ...]:
    with pytest.raises(DocumentInvalid) as caught:
        read_floe_spec(text)
    assert caught.value.code == "FLOE-SPEC-001"
    return caught.value.problems


def platform_problems(text: str) -> tuple[FloeError, ...]:
    with pytest.raises(DocumentInvalid) as caught:
        read_platform_spec(text)
    return caught.value.problems


def told(problem: FloeError) -> tuple[int | None, int | None, str | None, str]:
    assert problem.where is not None
    return problem.where.line, problem.where.column, problem.where.path, problem.message


def test_a_spec_is_read_and_the_model_decides_the_types() -> None:
    spec = read_floe_spec(FLOE)
    assert spec.metadata.version == "1.10.0"
    assert spec.metadata.labels == {"release": "1.10", "country": "NO", "at": "12:30:45"}
    assert spec.consumption.cube.enabled is False
    assert spec.landing.select == ("table", "seed")
    assert spec.governance.row_owner is not None
    assert (spec.compute, spec.storage, spec.catalog) == ("default", "default", "default")


def test_the_built_in_platform_is_valid() -> None:
    platform = read_platform_spec(DEFAULT_PLATFORM)
    assert platform.compute["duckdb"].threads == 2
    assert platform.environments["dev"].refs == ("*",)


@pytest.mark.parametrize(
    ("text", "line", "path"),
    [
        ("kind: FloeSpec", 1, "apiVersion"),
        ("apiVersion: floe.dev/v2\nkind: FloeSpec", 1, "apiVersion"),
        ("apiVersion: floe.dev/v1\nkind: Floespec", 2, "kind"),
        ("apiVersion: floe.dev/v1", 1, "kind"),
    ],
)
def test_a_document_of_another_kind_is_refused_with_what_to_write(text: str, line: int, path: str) -> None:
    (problem,) = floe_problems(text)
    assert isinstance(problem, KindUnknown)
    assert problem.code == "FLOE-SPEC-004"
    assert told(problem)[:3] == (line, 1, path)
    assert "write `" in str(problem)


def test_a_document_in_the_place_of_another_is_told_what_belongs_there() -> None:
    (problem,) = floe_problems("apiVersion: floe.dev/v1\nkind: PlatformSpec")
    assert problem.hint == "this is the place of a FloeSpec; a platform.yaml stands in a file of its own"


@pytest.mark.parametrize("text", ["- a", "just text", "null"])
def test_a_document_that_is_no_mapping_is_refused(text: str) -> None:
    (problem,) = floe_problems(text)
    assert isinstance(problem, FieldInvalid)
    assert problem.message == "a FloeSpec is a mapping"


def test_all_problems_are_told_at_once_in_the_order_of_their_places() -> None:
    text = FLOE.replace("name: orders", "name: Orders").replace("owner:", "ownr:")
    text = text.replace("path: dbt", "path: ../dbt").replace("[table, seed]", "[tabel, seed]")
    found = floe_problems(text)
    assert {problem.code for problem in found} == {"FLOE-SPEC-003"}
    assert [(problem.where and problem.where.line, problem.hint) for problem in found] == [
        (3, "add `owner:`"),
        (4, "lower-case letters, digits and hyphens, a letter first, at most 63"),
        (6, "did you mean 'owner'?"),
        (10, None),
        (12, "did you mean 'table'?"),
    ]


@pytest.mark.parametrize(
    ("change", "expected", "hint"),
    [
        (
            ("  name: orders", "  name: 1orders"),
            (4, 3, "metadata.name", "'1orders' is not allowed"),
            "a letter first",
        ),
        (("1.10.0", "1.10"), (5, 3, "metadata.version", "'1.10' is not allowed"), "three numbers, as in 1.0.0"),
        (("1.10.0", "\u0661.0.0"), (5, 3, "metadata.version", "'\u0661.0.0' is not allowed"), "three numbers"),
        (("1.10.0", "[1]"), (5, 3, "metadata.version", "['1']: should be a text"), None),
        (("orders\n", "\n"), (4, 3, "metadata.name", "no value: should be a text"), None),
        (
            ("{release: 1.10, country: NO, at: 12:30:45}", "[a]"),
            (7, 3, "metadata.labels", "['a']: should be a mapping"),
            None,
        ),
        (
            ("{enabled: NO}", "{enabled: maybe}"),
            (14, 10, "consumption.cube.enabled", "'maybe': should be true or false"),
            None,
        ),
        (
            ("rowOwner:", "row_owner:"),
            (16, 3, "governance.row_owner", "'row_owner' is not a field here"),
            "did you mean 'rowOwner'?",
        ),
        (("    path: dbt", "    paht: dbt"), (9, 5, "transforms.0.path", "the field 'path' is missing"), "add `path:`"),
        (
            ("{column: brand, claim", "{column: brand, clam: x, claim"),
            (16, 29, "governance.rowOwner.clam", "'clam' is not a field here"),
            "did you mean 'claim'?",
        ),
        (("[table, seed]", "table"), (12, 3, "landing.select", "'table': should be a list"), None),
        (("compute", "compute"), (1, 1, "x-extra", "'x-extra' is not a field here"), "known are: apiVersion"),
    ],
)
def test_a_problem_says_where_what_and_how_to_mend_it(
    change: tuple[str, str], expected: tuple[int, int, str, str], hint: str | None
) -> None:
    text = FLOE.replace(*change)
    if text == FLOE:
        text = "x-extra: 1\n" + FLOE
    first = floe_problems(text)[0]
    assert told(first) == expected
    assert first.hint is None if hint is None else hint in (first.hint or "")


def test_a_field_may_be_called_what_pydantic_calls_keys() -> None:
    (problem,) = floe_problems('"[key]": 1\n' + FLOE)
    assert told(problem) == (1, 1, "[key]", "'[key]' is not a field here")
    (problem,) = floe_problems(FLOE.replace("{column: brand, claim", '{column: brand, "[key]": x, claim'))
    assert told(problem) == (16, 29, "governance.rowOwner.[key]", "'[key]' is not a field here")


@pytest.mark.parametrize("path", ["/etc", "../other", "a/../../b", "a\\b"])
def test_a_path_must_stay_inside_the_product(path: str) -> None:
    (problem,) = floe_problems(FLOE.replace("path: dbt", f"path: {path}"))
    assert told(problem)[2] == "transforms.0.path"
    assert "inside the product's folder" in problem.message


def test_exactly_one_transform_is_needed() -> None:
    none = FLOE.replace("transforms:\n  - type: dbt\n    path: dbt\n", "transforms: []\n")
    assert [told(problem)[2] for problem in floe_problems(none)] == ["transforms"]
    two = FLOE.replace("    path: dbt\n", "    path: dbt\n  - {type: dbt, path: more}\n")
    assert [told(problem)[2] for problem in floe_problems(two)] == ["transforms.1"]


def test_an_invalid_item_is_not_told_again_as_a_missing_one() -> None:
    broken = DEFAULT_PLATFORM.replace("local: {type: sql}", "local: {type: rset}")
    (problem,) = platform_problems(broken)
    assert told(problem)[2] == "catalogs.local.type"


@pytest.mark.parametrize(
    ("old", "new", "path", "hint"),
    [
        ("  dev:", "  Dev:", "environments.Dev", "lower-case letters, digits and hyphens, a letter first, at most 31"),
        ("{type: duckdb}", "{type: duckdb, memoryLimit: lots}", "compute.duckdb.memoryLimit", "a number and MB or GB"),
        ("{type: duckdb}", "{type: duckdb, treads: 2}", "compute.duckdb.treads", "did you mean 'threads'?"),
        ("{type: sql}", "{type: sqll}", "catalogs.local.type", "did you mean 'sql'?"),
        (
            "    profiles:",
            "    policies: {piii: {action: mask}}\n    profiles:",
            "environments.dev.policies.piii",
            "did you mean 'pii'?",
        ),
        (
            "    profiles:",
            "    policies: {pii: {action: maks}}\n    profiles:",
            "environments.dev.policies.pii.action",
            "did you mean 'mask'?",
        ),
        (
            "    profiles:",
            "    policies: {pii: {action: mask, requiresRoles: [a]}}\n    profiles:",
            "environments.dev.policies.pii.requiresRoles",
            "did you mean 'requiresRole'?",
        ),
    ],
)
def test_a_platform_problem_says_where_and_how_to_mend_it(old: str, new: str, path: str, hint: str) -> None:
    (problem,) = platform_problems(DEFAULT_PLATFORM.replace(old, new))
    assert told(problem)[2] == path
    assert hint in (problem.hint or "")


@pytest.mark.parametrize(
    ("part", "named", "message", "hint"),
    [
        ("compute: duckdb", "compute: duck", "'duck' is not defined under compute", "did you mean 'duckdb'?"),
        ("storage: local", "storage: s3", "'s3' is not defined under storage", "known are: local"),
        ("catalog: local", "catalog: loca", "'loca' is not defined under catalogs", "did you mean 'local'?"),
    ],
)
def test_a_profile_names_what_is_defined(part: str, named: str, message: str, hint: str) -> None:
    (problem,) = platform_problems(DEFAULT_PLATFORM.replace(part, named, 1))
    assert (problem.code, problem.message, problem.hint) == ("FLOE-SPEC-005", message, hint)
    assert problem.where is not None
    assert (problem.where.line, problem.where.path) == (8, f"environments.dev.profiles.default.{part.split(':')[0]}")


def test_numbers_are_numbers_within_their_bounds() -> None:
    text = DEFAULT_PLATFORM.replace("{type: duckdb}", "{type: duckdb, threads: 65}")
    assert "less than or equal to 64" in platform_problems(text)[0].message
    text = DEFAULT_PLATFORM.replace("{type: duckdb}", "{type: duckdb, threads: 0x2}")
    assert "whole number" in platform_problems(text)[0].message


def test_a_long_value_is_shortened_and_problems_have_a_limit() -> None:
    (problem, *_) = floe_problems(FLOE.replace("metadata:", "metadata: " + "x" * 200_000 + "\nx:"))
    assert len(str(problem)) < 300
    found = floe_problems(FLOE + "".join(f"key{number}: 1\n" for number in range(500)))
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1].message == "and 400 more problems"


def test_problems_of_the_yaml_itself_come_first() -> None:
    (problem,) = floe_problems(FLOE + "kind: FloeSpec\n")
    assert isinstance(problem, YamlInvalid)


KEYS = st.sampled_from(
    [
        "apiVersion",
        "kind",
        "metadata",
        "name",
        "version",
        "owner",
        "labels",
        "transforms",
        "type",
        "path",
        "landing",
        "select",
        "consumption",
        "cube",
        "enabled",
        "governance",
        "rowOwner",
        "column",
        "claim",
        "environments",
        "dev",
        "refs",
        "profiles",
        "default",
        "policies",
        "pii",
        "action",
        "requiresRole",
        "compute",
        "threads",
        "storage",
        "catalogs",
        '"[key]"',
    ]
)
SCALARS = st.sampled_from(
    ["1", "null", "'x'", "NO", "1.0.0", "dbt", "/abs", "../up", "table", "mask", "é", "[]", "{}", "9" * 400]
)


def written(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(map(written, value)) + "]" if isinstance(value, list) else str(value)


DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)),
    max_size=8,
)


@given(DOCUMENTS, st.sampled_from([("FloeSpec", read_floe_spec), ("PlatformSpec", read_platform_spec)]))
def test_only_an_invalid_document_ever_escapes(
    document: dict[str, object], read: tuple[str, Callable[[str], object]]
) -> None:
    kind, reader = read
    headed = {"apiVersion": "floe.dev/v1", "kind": kind}
    text = "\n".join(f"{key}: {written(item)}" for key, item in (document | headed).items())
    found: tuple[FloeError, ...] = ()
    try:
        reader(text)
    except DocumentInvalid as error:
        found = error.problems
    assert all(problem.where and problem.where.line for problem in found)


@given(st.text(st.characters(), max_size=80))
def test_only_an_invalid_document_escapes_any_text(text: str) -> None:
    for reader in (read_floe_spec, read_platform_spec):
        with pytest.raises(DocumentInvalid):
            reader(text)


def test_the_example_specs_are_valid() -> None:
    examples = Path(__file__).parents[3] / "examples"
    found = sorted(examples.glob("*/floe.yaml"))
    assert found
    for path in found:
        assert read_floe_spec(path.read_text(encoding="utf-8"), path.name).metadata.name
