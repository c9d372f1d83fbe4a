"""What each rule of governance finds in a model."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from floe_compiler.core.governance.documentation import is_placeholder
from floe_compiler.core.governance.enforce import enforce
from floe_contracts.governance.reports import EnforcementReport, Finding, RuleResult
from floe_contracts.governance.rules import GovernanceRules
from floe_contracts.nodes import Check, Classification, Column, Node, NodeGraph

Enforce = Callable[..., EnforcementReport]

NAMING = {"naming": {"convention": "medallion"}}


def column(name: str, description: str = "", classification: str | None = None) -> Column:
    found = Classification(classification=classification) if classification else None
    return Column(name=name, description=description, classification=found)


def model(name: str = "orders", *columns: str | Column, tests: dict[str, str] | None = None, **more: Any) -> Node:
    """A model; `tests` are names of tests by columns, with "" for the model itself."""
    checks = tuple(
        Check(unique_id=f"test.shop.{name}.{tested}", name=test, column=tested or None)
        for tested, test in (tests or {}).items()
    )
    fields: dict[str, Any] = {
        "unique_id": f"model.shop.{name}",
        "name": name,
        "resource_type": "model",
        "materialized": "table",
        "database": "shop",
        "schema_name": "main",
        "identifier": name,
        "path": f"models/{name}.sql",
        "columns": tuple(column(one) if isinstance(one, str) else one for one in columns),
        "checks": checks,
    }
    return Node(**{**fields, **more})


@pytest.fixture
def look() -> Enforce:
    """Enforces rules on nodes of one environment."""

    def enforced(rules: dict[str, Any], *nodes: Node, policies: tuple[str, ...] = ()) -> EnforcementReport:
        graph = NodeGraph(project="shop", nodes=nodes, checks=())
        said = GovernanceRules.model_validate({"level": "strict", **rules})
        today = date(2026, 11, 21)
        return enforce(said, {"dev": graph}, product="shop", today=today, policies={"dev": policies})

    return enforced


def found(report: EnforcementReport, code: str | None = None) -> list[Finding]:
    return [finding for finding in report.findings if code is None or finding.code == code]


def result(report: EnforcementReport, code: str) -> RuleResult:
    (one,) = [one for one in report.rules if one.code == code]
    return one


@pytest.mark.parametrize(
    ("naming", "name", "follows"),
    [
        ({"convention": "medallion"}, "gold_sales_2", True),
        ({"convention": "medallion"}, "golden_sales", False),
        ({"convention": "medallion"}, "gold_2", False),
        ({"convention": "medallion"}, "Gold_sales", False),
        ({"convention": "medallion", "patterns": ["stg_.+"]}, "stg_orders", True),
        ({"convention": "kimball"}, "dim_customer", True),
        ({"convention": "kimball"}, "customer_dim", False),
        ({"convention": "custom", "patterns": ["a.*", ".*b"]}, "xb", True),
        ({"convention": "custom", "patterns": ["a.*", ".*b"]}, "bx", False),
        ({"convention": "medallion", "appliesTo": "models/marts/*"}, "orders", True),
        ({"convention": "medallion", "further": [{"convention": "custom", "patterns": [".*_v1"]}]}, "gold_a", False),
    ],
)
def test_names(look: Enforce, naming: dict[str, Any], name: str, *, follows: bool) -> None:
    report = look({"naming": naming}, model(name))
    assert (found(report) == []) is follows
    assert {finding.code for finding in found(report)} <= {"FLOE-GOV-201"}


def test_a_wrong_name_says_which_are_right(look: Enforce) -> None:
    naming = {"convention": "kimball", "patterns": ["stg_.+"]}
    (finding,) = found(look({"naming": naming}, model("orders")))
    assert finding.message == "the name 'orders' does not follow the kimball convention"
    assert finding.hint is not None
    assert finding.hint.startswith("dim_, fact_,")
    assert finding.hint.endswith("names like stg_.+")


@pytest.mark.parametrize(
    ("node", "tested"),
    [
        (model("orders", "a", "b", "c", "d", "e", tests={"a": "x", "b": "x", "C": "x", "d": "x"}), True),
        (model("orders", "a", "b", "c", "d", "e", tests={"a": "x", "b": "x", "c": "x"}), False),
        (model("orders", "a", "b", tests={"a": "x"}, tier="bronze"), True),
        (model("bronze_orders", "a", "b", tests={"a": "x"}), True),
        (model("bronze_orders", "a", "b", tests={"a": "x"}, tier="Gold"), False),
        (model("gold_orders", "a", "b", tests={"a": "x", "": "x"}), False),
        (model("orders", "a", tests={"elsewhere": "x"}), False),
    ],
    ids=["80 %", "60 %", "bronze", "bronze by its name", "gold by what is said", "a test of the model", "none"],
)
def test_coverage(look: Enforce, node: Node, *, tested: bool) -> None:
    report = look({"coverage": {}}, node)
    assert (found(report, "FLOE-GOV-210") == []) is tested
    assert result(report, "FLOE-GOV-210").checked == 1


def test_coverage_says_what_is_missing(look: Enforce) -> None:
    columns = [f"c{number}" for number in range(9)]
    (finding,) = found(look({"coverage": {}}, model("gold_orders", *columns, tests={"c0": "unique"})))
    assert finding.message == "gold_orders: 1 of 9 columns are tested (11 %), gold models need 100 %"
    assert finding.hint == "add data_tests to c1, c2, c3, c4, c5 and 3 more"


def test_coverage_of_no_columns_is_not_checked(look: Enforce) -> None:
    report = look({"coverage": {}}, model("orders"))
    assert (result(report, "FLOE-GOV-210").status, result(report, "FLOE-GOV-210").checked) == ("not_checked", 0)
    (finding,) = found(report)
    assert (finding.code, finding.severity) == ("FLOE-GOV-211", "note")
    assert result(report, "FLOE-GOV-211").status == "warned"
    nothing_wanted = look({"coverage": {"minimumPercent": 0}}, model("orders"))
    assert (nothing_wanted.status, found(nothing_wanted)) == ("not_checked", [])


def test_descriptions(look: Enforce) -> None:
    node = model("orders", column("a", "A thing."), column("b", " "), description=" \n")
    report = look({"documentation": {"columns": True}}, node)
    assert [(finding.code, finding.column) for finding in found(report)] == [
        ("FLOE-GOV-220", None),
        ("FLOE-GOV-221", "b"),
    ]
    assert (result(report, "FLOE-GOV-221").checked, result(report, "FLOE-GOV-221").found) == (2, 1)
    assert found(look({"documentation": {"models": False}}, node)) == []


def test_columns_that_are_not_even_listed(look: Enforce) -> None:
    node = model("orders", description="Orders.")
    assert [finding.code for finding in found(look({"documentation": {"columns": True}}, node))] == ["FLOE-GOV-223"]
    assert found(look({"documentation": {}}, node)) == []


def test_what_a_tier_has_to_describe(look: Enforce) -> None:
    rules = {"documentation": {"byTier": {"gold": {"columns": True}, "bronze": {"models": False}}}}
    nodes = [model(f"{tier}_orders", "a", tier=tier) for tier in ("bronze", "silver", "gold")]
    assert sorted((finding.node, finding.code) for finding in found(look(rules, *nodes))) == [
        ("model.shop.gold_orders", "FLOE-GOV-220"),
        ("model.shop.gold_orders", "FLOE-GOV-221"),
        ("model.shop.silver_orders", "FLOE-GOV-220"),
    ]


@pytest.mark.parametrize(
    "text",
    ["TBD", "tbd.", "TODO", "TODO: describe this column", "to do", "N/A", "n/a", "Fill in later", "-", "...", "???",
     "xxx", "placeholder text", "None", "FIXME soon", "to be described"],
)  # fmt: skip
def test_placeholders(look: Enforce, text: str) -> None:
    assert is_placeholder(text)
    node = model("orders", column("a", text), description=text)
    report = look({"documentation": {"columns": True}}, node)
    assert [(finding.code, finding.column) for finding in found(report)] == [
        ("FLOE-GOV-222", None),
        ("FLOE-GOV-222", "a"),
    ]
    assert found(look({"documentation": {"columns": True, "refusePlaceholders": False}}, node)) == []


@pytest.mark.parametrize(
    "text", ["To do items of a user.", "Todo list", "None of these is null.", "Unknown customers", "ID", "",
             "!" * 99_999 + "a"],
)  # fmt: skip
def test_what_is_no_placeholder(text: str) -> None:
    assert not is_placeholder(text)


def test_required_tags(look: Enforce) -> None:
    tags = [{"prefix": "gold_", "tags": ["certified", "daily"]}, {"appliesTo": "models/marts/*", "tags": ["mart"]}]
    rules = {"required": {"tags": tags}}
    nodes = (model("gold_a", tags=("daily",)), model("gold_b", tags=("certified", "daily")), model("other"))
    report = look(rules, *nodes)
    (finding,) = found(report)
    assert (finding.node, finding.message) == ("model.shop.gold_a", "gold_a lacks the tags certified")
    assert result(report, "FLOE-GOV-400").checked == 4
    assert found(look(rules, model("other", path="models/marts/other.sql")))[0].message == "other lacks the tags mart"


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({"sla": {"hours": 6}, "owner": "me"}, True),
        ({"sla": {"hours": 0}, "owner": "me"}, True),
        ({"sla": {"hours": None}, "owner": "me"}, False),
        ({"sla": "hours", "owner": "me"}, False),
        ({"sla": {"hours": 6}, "owner": " "}, False),
        ({"sla": {"hours": 6}, "owner": []}, False),
    ],
)
def test_required_meta(look: Enforce, meta: dict[str, Any], *, said: bool) -> None:
    report = look({"required": {"meta": [{"fields": ["sla.hours", "owner"]}]}}, model(meta=meta))
    assert (found(report, "FLOE-GOV-401") == []) is said
    assert result(report, "FLOE-GOV-401").checked == 2


def test_misspelt_meta_is_hinted_at(look: Enforce) -> None:
    (finding,) = found(look({"required": {"meta": [{"fields": ["owner"]}]}}, model(meta={"ownr": "me"})))
    assert (finding.message, finding.hint) == ("orders has no meta.owner", "did you mean 'ownr'?")


@pytest.mark.parametrize(
    ("tests", "enough"),
    [({"a": "not_null", "b": "not_null"}, True), ({"a": "not_null", "": "not_null"}, True), ({"a": "unique"}, False)],
)
def test_required_tests(look: Enforce, tests: dict[str, str], *, enough: bool) -> None:
    rules = {"required": {"tests": [{"test": "not_null", "minColumns": 2}]}}
    report = look(rules, model("orders", "a", "b", tests=tests))
    assert (found(report, "FLOE-GOV-402") == []) is enough


def test_columns_that_must_be_classified(look: Enforce) -> None:
    nodes = [
        model("exposed", column("a", classification="pii"), "b", expose=True),
        model("gold_inner", "c"),
        model("silver_inner", "d"),
    ]
    report = look({"classification": {"tiers": ["gold"]}}, *nodes)
    assert [finding.column for finding in found(report, "FLOE-GOV-500")] == ["b", "c"]
    assert result(report, "FLOE-GOV-500").checked == 3
    assert [finding.column for finding in found(look({"classification": {}}, *nodes))] == ["b"]
    assert found(look({"classification": {"exposed": False}}, *nodes)) == []


def test_classifications_that_need_a_policy(look: Enforce) -> None:
    columns = [column(name, classification=name) for name in ("pii", "financial", "public")]
    rules = {"classification": {"policies": True}}
    node = model("orders", *columns, expose=True)
    (finding,) = found(look(rules, node, policies=("pii",)))
    assert (finding.code, finding.column) == ("FLOE-GOV-501", "financial")
    assert found(look(rules, node, policies=("pii", "financial"))) == []
    assert look({"classification": {}}, node).status == "passed"
    assert result(look(rules, model("orders", *columns)), "FLOE-GOV-501").status == "not_checked"


def test_only_models_of_the_product_itself_are_looked_at(look: Enforce) -> None:
    others = (
        model("seeded", unique_id="seed.shop.seeded", resource_type="seed"),
        model("packaged", unique_id="model.package.packaged"),
    )
    report = look(NAMING, *others)
    assert (report.status, found(report)) == ("not_checked", [])
    assert result(report, "FLOE-GOV-201").status == "not_checked"


def test_without_rules_nothing_is_checked(look: Enforce) -> None:
    report = look({}, model("orders", "a"))
    assert report.status == "not_checked"
    assert {one.status for one in report.rules} == {"off"}
