"""Platform documents below each other: what holds, where it came from, and what is refused."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.documents.reading import read_platform_spec
from floe_contracts.errors import DocumentInvalid, FloeError
from floe_contracts.platform.environments import PolicyAction
from floe_contracts.platform.merged_policies import STRICTNESS
from floe_contracts.platform.resolution import ResolvedPlatform, parent_texts, resolve_platform
from floe_contracts.platform_spec import DEFAULT_PLATFORM

HEAD = "apiVersion: floe.dev/v1\nkind: PlatformSpec\n"
ENTERPRISE = (
    HEAD
    + """\
metadata: {name: acme, version: 1.0.0, owner: platform@acme.example, description: everything}
scope: enterprise
inheritance: {forbid: [bus, compute.large.threads, "environments.*.policies.pii"]}
compute:
  small: {type: duckdb, threads: 1}
  large: {type: duckdb, threads: 4, memoryLimit: 2GB}
storage:
  local: {type: local}
catalogs:
  local: {type: sql}
bus: {servers: ["nats://bus:4222"]}
governance:
  level: warn
  coverage: {minimumPercent: 60, level: strict}
approvedSinks: [s3, sftp]
"""
)
DOMAIN = (
    HEAD
    + """\
metadata: {name: sales, version: 1.0.0, owner: sales@acme.example}
scope: domain
parent: {file: ../enterprise.yaml}
environments:
  dev: {profiles: {default: {compute: small, storage: local, catalog: local}}}
  prod:
    refs: [main]
    profiles: {default: {compute: large, storage: local, catalog: local}}
governance:
  coverage: {minimumPercent: 70, level: warn}
  documentation: {columns: true}
observability: {logLevel: warning, attributes: {team: sales, floor: "1"}}
approvedProducts: [orders]
"""
)
PRODUCT = (
    HEAD
    + """\
metadata: {name: orders, version: 1.0.0, owner: orders@acme.example}
scope: product
parent: {file: domains/sales.yaml}
compute:
  small: {threads: 2}
observability: {attributes: {floor: "2"}}
environments:
  dev: {refs: ["feature/*"]}
"""
)
THREE = {"domains/sales.yaml": DOMAIN, "enterprise.yaml": ENTERPRISE}


def resolved(text: str = PRODUCT, parents: Mapping[str, str] = THREE) -> ResolvedPlatform:
    return resolve_platform(text, "platform.yaml", parents.__getitem__)


def refused(text: str = PRODUCT, parents: Mapping[str, str] = THREE) -> tuple[FloeError, ...]:
    with pytest.raises(DocumentInvalid) as error:
        resolved(text, parents)
    return error.value.problems


def the_refusal(text: str = PRODUCT, parents: Mapping[str, str] = THREE) -> FloeError:
    (problem,) = refused(text, parents)
    return problem


def test_a_document_alone_is_what_it_says() -> None:
    alone = resolve_platform(DEFAULT_PLATFORM, "a/platform.yaml", {}.__getitem__)
    assert alone.spec == read_platform_spec(DEFAULT_PLATFORM)
    assert alone.files == (("platform.yaml", digest_of(DEFAULT_PLATFORM.encode())),)
    assert alone.digest == digest_of(DEFAULT_PLATFORM.encode())
    assert str(alone.where(("compute", "duckdb", "type"))) == "a/platform.yaml:10:12 (compute.duckdb.type)"


def test_what_a_document_is_silent_about_comes_from_above() -> None:
    spec = resolved().spec
    assert (spec.metadata.name, spec.metadata.description, spec.scope) == ("orders", "", "product")
    assert spec.compute["small"].threads == 2
    assert spec.compute["large"].memory_limit == "2GB"
    assert spec.environments["dev"].refs == ("feature/*",)
    assert spec.environments["dev"].profiles["default"].compute == "small"
    assert spec.environments["prod"].refs == ("main",)
    assert spec.bus is not None
    assert spec.bus.servers == ("nats://bus:4222",)
    assert spec.observability.attributes == {"team": "sales", "floor": "2"}
    assert (spec.approved_sinks, spec.approved_products) == (("s3", "sftp"), ("orders",))
    assert spec.inheritance.forbid == ("bus", "compute.large.threads", "environments.*.policies.pii")


def test_every_value_remembers_its_document() -> None:
    platform = resolved()

    def place(*path: str | int) -> str:
        where = platform.where(path)
        return f"{where.file}:{where.line}:{where.column}"

    assert place("compute", "small", "threads") == "platform.yaml:7:11"
    assert place("compute", "small", "type") == "enterprise.yaml:7:11"
    assert place("environments", "prod", "refs", 0) == "domains/sales.yaml:9:12"
    assert place("observability", "logLevel") == "domains/sales.yaml:14:17"
    assert place("approvedSinks", 1) == "enterprise.yaml:17:21"
    assert place("inheritance", "forbid", 1) == "enterprise.yaml:5:29"
    assert place("metadata", "owner") == "platform.yaml:3:42"


def test_the_stricter_rule_wins_wherever_it_stands() -> None:
    platform = resolved()
    rules = platform.spec.governance
    assert rules.coverage is not None
    assert rules.documentation is not None
    assert (rules.coverage.minimum_percent, rules.level_of("coverage")) == (70, "strict")
    assert rules.documentation.columns is True
    assert platform.where(("governance", "coverage", "level")).file == "enterprise.yaml"
    assert platform.where(("governance", "coverage", "minimumPercent")).file == "domains/sales.yaml"
    assert platform.where(("governance", "documentation", "columns")).file == "domains/sales.yaml"


def test_no_document_below_makes_a_policy_milder() -> None:
    above = DOMAIN.replace("    refs: [main]\n", "    refs: [main]\n    policies: {financial: {action: redact}}\n")
    parents = THREE | {"domains/sales.yaml": above}

    def below(policy: str) -> tuple[object, str]:
        text = PRODUCT.replace("environments:\n", f"environments:\n  prod: {{policies: {{financial: {policy}}}}}\n")
        platform = resolved(text, parents)
        policies = platform.spec.environments["prod"].policies
        where = platform.where(("environments", "prod", "policies", "financial", "action"))
        return (policies["financial"].action, policies["financial"].requires_role), str(where.file)

    assert below("{action: none, requiresRole: [finance]}") == (("redact", ("finance",)), "domains/sales.yaml")
    assert below("{action: restrict}") == (("restrict", ()), "platform.yaml")
    assert below("{requiresRole: [finance]}") == (("redact", ("finance",)), "domains/sales.yaml")
    (problem,) = refused(
        PRODUCT.replace("environments:\n", "environments:\n  prod: {policies: {financial: {action: hide}}}\n"), parents
    )
    assert (problem.code, problem.where and problem.where.file) == ("FLOE-SPEC-003", "platform.yaml")
    assert set(STRICTNESS) == set(get_args(PolicyAction))


def test_an_exception_that_a_document_above_rules_out_is_refused() -> None:
    above = ENTERPRISE.replace("  level: warn\n", "  level: warn\n  forbidOverrides: [FLOE-GOV-210]\n")
    exception = "{rule: FLOE-GOV-210, models: '*', action: exclude, reason: later, expires: 2030-01-01}"
    below = DOMAIN.replace("governance:\n", f"governance:\n  overrides: [{exception}]\n")
    problem = the_refusal(PRODUCT, {"domains/sales.yaml": below, "enterprise.yaml": above})
    assert (problem.code, str(problem.where)) == (
        "FLOE-PLAT-005",
        "domains/sales.yaml:12:16 (governance.overrides.0.rule)",
    )


def test_another_type_is_another_thing() -> None:
    # memoryLimit of the enterprise's duckdb does not reach what the product makes of the name
    broken = refused(PRODUCT.replace("small: {threads: 2}", "small: {type: nonsense}"))
    assert [str(problem.where) for problem in broken] == ["platform.yaml:7:11 (compute.small.type)"]
    storage = "storage: {local: {type: s3, bucket: tables}}\n"
    spec = resolved(PRODUCT + storage).spec
    assert spec.storage["local"].type == "s3"


@pytest.mark.parametrize(
    ("added", "place"),
    [
        ("bus: {servers: ['nats://mine:4222']}", "platform.yaml:11:1 (bus)"),
        ("bus: null", "platform.yaml:11:1 (bus)"),
    ],
)
def test_a_forbidden_field_is_refused_with_both_places(added: str, place: str) -> None:
    problem = the_refusal(f"{PRODUCT}{added}\n")
    assert (problem.code, str(problem.where)) == ("FLOE-PLAT-005", place)
    assert problem.message == "'bus' is forbidden by enterprise.yaml:5:24 (inheritance.forbid.0)"


def test_a_forbidden_field_may_not_vanish_with_what_it_belongs_to() -> None:
    for large in ("{type: postgres, host: db}", "null"):
        text = PRODUCT.replace("compute:\n", f"compute:\n  large: {large}\n")
        assert str(the_refusal(text).where) == "platform.yaml:7:3 (compute.large)"
    with_other_field = PRODUCT.replace("compute:\n", "compute:\n  large: {memoryLimit: 1GB}\n")
    assert resolved(with_other_field).spec.compute["large"].memory_limit == "1GB"


def test_any_name_may_be_forbidden() -> None:
    pii = "{pii: {action: none}}"
    text = PRODUCT.replace('{refs: ["feature/*"]}', f'{{refs: ["feature/*"], policies: {pii}}}')
    assert str(the_refusal(text).where) == "platform.yaml:10:41 (environments.dev.policies.pii)"


def test_forbidding_what_is_no_field_is_a_mistake() -> None:
    problem = the_refusal(parents=THREE | {"enterprise.yaml": ENTERPRISE.replace("[bus,", "[buss,")})
    assert (problem.code, problem.hint) == ("FLOE-PLAT-006", "did you mean 'bus'?")
    own = the_refusal(parents=THREE | {"enterprise.yaml": ENTERPRISE.replace("[bus,", "[metadata.name,")})
    assert own.code == "FLOE-PLAT-006"


def test_all_problems_are_told_where_the_values_stand() -> None:
    parents = {
        "domains/sales.yaml": DOMAIN.replace("logLevel: warning", "logLevel: loud"),
        "enterprise.yaml": ENTERPRISE.replace("{type: local}", "{type: locl}"),
    }
    problems = refused(PRODUCT.replace("threads: 2", "threads: many"), parents)
    assert sorted(str(problem.where) for problem in problems) == [
        "domains/sales.yaml:14:17 (observability.logLevel)",
        "enterprise.yaml:10:11 (storage.local.type)",
        "platform.yaml:7:11 (compute.small.threads)",
    ]


def test_what_no_document_says_is_missing_in_the_narrowest() -> None:
    problem = the_refusal(
        PRODUCT.replace('environments:\n  dev: {refs: ["feature/*"]}\n', ""),
        THREE | {"domains/sales.yaml": DOMAIN[: DOMAIN.index("environments")]},
    )
    assert problem.message == "the field 'environments' is missing"
    assert problem.where is not None
    assert problem.where.file == "platform.yaml"


def test_a_parent_that_is_not_there_is_told_by_the_document_that_names_it() -> None:
    problem = the_refusal(parents={"domains/sales.yaml": DOMAIN})
    assert (problem.code, problem.message) == ("FLOE-PLAT-001", "there is no enterprise.yaml")
    assert str(problem.where) == "domains/sales.yaml:5:10 (parent.file)"


@pytest.mark.parametrize("file", ["/etc/platform.yaml", "C:/platform.yaml", "https://host/platform.yaml"])
def test_a_parent_is_named_by_a_relative_path(file: str) -> None:
    problem = the_refusal(PRODUCT.replace("domains/sales.yaml", file))
    assert (problem.code, str(problem.where)) == ("FLOE-SPEC-003", "platform.yaml:5:10 (parent.file)")


def test_a_cycle_is_refused() -> None:
    parents = {"domains/sales.yaml": DOMAIN, "enterprise.yaml": ENTERPRISE + "parent: {file: ./platform.yaml}\n"}
    problem = the_refusal(parents=parents)
    assert problem.code == "FLOE-PLAT-002"
    assert "platform.yaml -> domains/sales.yaml -> enterprise.yaml -> platform.yaml" in problem.message


def test_a_chain_that_is_too_long_is_refused() -> None:
    def document(number: int) -> str:
        return PRODUCT.replace("domains/sales.yaml", f"{number}.yaml")

    problem = the_refusal(document(1), {f"{number}.yaml": document(number + 1) for number in range(1, 9)})
    assert problem.code == "FLOE-PLAT-003"
    assert problem.where is not None
    assert problem.where.file == "4.yaml"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scope: product", "scope: domain", "a document of scope domain cannot have a parent of scope domain"),
        ("scope: product", "scope: enterprise", "a document of scope enterprise cannot have a parent of scope domain"),
        ("scope: product\n", "", "a document that has a parent needs a scope"),
    ],
)
def test_a_parent_is_wider_than_its_child(old: str, new: str, message: str) -> None:
    problem = the_refusal(PRODUCT.replace(old, new))
    assert (problem.code, problem.message) == ("FLOE-PLAT-004", message)


def test_a_parent_has_a_scope() -> None:
    problem = the_refusal(parents=THREE | {"enterprise.yaml": ENTERPRISE.replace("scope: enterprise\n", "")})
    assert (problem.code, problem.message) == ("FLOE-PLAT-004", "a document that is a parent needs a scope")


@pytest.mark.parametrize(
    ("field", "only"), [("approvedSinks: []", "enterprise"), ("approvedPlugins: {}", "enterprise")]
)
def test_approvals_stand_in_the_document_of_their_scope(field: str, only: str) -> None:
    problem = the_refusal(f"{PRODUCT}{field}\n")
    assert (problem.code, problem.hint) == ("FLOE-PLAT-004", "this document is of scope product")
    assert f"may stand only in a document of scope {only}" in problem.message
    alone = DEFAULT_PLATFORM + f"{field}\napprovedProducts: [orders]\n"
    assert resolve_platform(alone, "platform.yaml", {}.__getitem__).spec.approved_products == ("orders",)


def test_a_parent_with_a_secret_or_a_bad_head_is_told_no_more_than_that() -> None:
    """It need not have what only the whole platform needs."""
    secret = ENTERPRISE.replace("nats://bus:4222", "nats://bus:hunter2hunter2@bus:4222")
    (problem,) = refused(parents=THREE | {"enterprise.yaml": secret})
    assert (problem.code, str(problem.where)) == ("FLOE-SPEC-006", "enterprise.yaml:13:17 (bus.servers.0)")
    (problem,) = refused(parents=THREE | {"enterprise.yaml": ENTERPRISE.replace("version: 1.0.0", "version: one")})
    assert (problem.code, str(problem.where)) == ("FLOE-SPEC-003", "enterprise.yaml:3:24 (metadata.version)")


def test_a_document_with_a_bad_head_and_no_parent_tells_all_its_problems() -> None:
    text = DEFAULT_PLATFORM.replace("version: 1.0.0", "version: one").replace("{type: sql}", "{type: sqll}")
    assert [problem.where.path for problem in refused(text) if problem.where] == [
        "metadata.version",
        "catalogs.local.type",
    ]


def test_the_digest_is_of_all_texts() -> None:
    platform = resolved()
    digests = [digest_of(text.encode()) for text in (PRODUCT, DOMAIN, ENTERPRISE)]
    names = ("platform.yaml", "domains/sales.yaml", "enterprise.yaml")
    assert platform.files == tuple(zip(names, digests, strict=True))
    assert platform.digest == digest_of(canonical_json(digests))
    changed = resolved(parents=THREE | {"enterprise.yaml": ENTERPRISE + "# a word\n"})
    assert changed.digest != platform.digest


def test_the_texts_of_parents_are_collected_as_far_as_they_go() -> None:
    assert parent_texts(PRODUCT, "platform.yaml", THREE.__getitem__) == THREE
    assert parent_texts(PRODUCT, "platform.yaml", {"domains/sales.yaml": "kind: Nonsense"}.__getitem__) == {
        "domains/sales.yaml": "kind: Nonsense"
    }
    assert parent_texts("[", "platform.yaml", {}.__getitem__) == {}


NAMES = st.sampled_from(["small", "large", "other"])
DUCKDB = st.fixed_dictionaries({"type": st.just("duckdb")}, optional={"threads": st.integers(1, 8).map(str)})
COMPUTES = st.dictionaries(NAMES, DUCKDB)


@given(COMPUTES, COMPUTES)
def test_the_narrower_document_wins_key_by_key(
    upper: dict[str, dict[str, str]], lower: dict[str, dict[str, str]]
) -> None:
    base = DEFAULT_PLATFORM.replace("metadata:", "scope: enterprise\nmetadata:")
    above = base.replace("  duckdb: {type: duckdb}\n", "  duckdb: {type: duckdb}\n" + written(upper))
    below = f"{HEAD}metadata: {{name: p, version: 1.0.0, owner: me}}\nscope: domain\nparent: {{file: up.yaml}}\n"
    below += f"compute:\n{written(lower)}" if lower else ""
    platform = resolved(below, {"up.yaml": above})
    for name, compute in platform.spec.compute.items():
        said = upper.get(name, {}) | lower.get(name, {})
        assert compute.threads == int(said.get("threads", "2"))
        assert platform.where(("compute", name)).file == ("platform.yaml" if name in lower else "up.yaml")


def written(computes: Mapping[str, Mapping[str, str]]) -> str:
    return "".join(
        f"  {name}: {{{', '.join(f'{key}: {value}' for key, value in fields.items())}}}\n"
        for name, fields in computes.items()
    )


JUNK = st.recursive(
    st.none() | st.text("abc*.{}[]:#&!'\"-/ ", max_size=8) | st.sampled_from(["duckdb", "enterprise", "../x.yaml"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "file", "forbid", "a"]), inner)
    ),
    max_leaves=5,
)


@given(st.data())
def test_nothing_but_a_refusal_ever_comes_of_broken_documents(data: st.DataObject) -> None:
    texts = []
    for text in (PRODUCT, DOMAIN, ENTERPRISE):
        document = yaml.safe_load(text)
        for _ in range(data.draw(st.integers(0, 2))):
            _break(document, data)
        texts.append(yaml.safe_dump(document, allow_unicode=True))
    with contextlib.suppress(DocumentInvalid):
        platform = resolved(texts[0], {"domains/sales.yaml": texts[1], "enterprise.yaml": texts[2]})
        assert platform.spec.metadata.name


def _break(document: Any, data: st.DataObject) -> None:
    """Puts junk somewhere into the document."""
    while isinstance(document, dict | list) and document:
        key = data.draw(st.sampled_from(list(document) if isinstance(document, dict) else range(len(document))))
        if not isinstance(document[key], dict | list) or not document[key] or data.draw(st.booleans()):
            document[key] = data.draw(JUNK)
            return
        document = document[key]
