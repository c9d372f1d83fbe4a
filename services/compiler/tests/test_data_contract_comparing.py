"""Two versions of a data contract: what the changes mean, and which version they ask for."""

from __future__ import annotations

import pytest

from floe_compiler.core.data_contracts.comparing import (
    ChangeSeverity,
    ContractComparison,
    compare_contracts,
)
from floe_compiler.core.data_contracts.errors import ContractVersionTooSmall
from floe_compiler.core.data_contracts.reading import read_contract
from floe_compiler.core.data_contracts.service_levels import Direction, direction, measure
from floe_compiler.core.data_contracts.versions import Bump
from floe_contracts.data_contracts import CompiledDataContract, ServiceLevel

TEXT = """\
apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.2.3
status: active
description: {purpose: Orders}
schema:
  - name: orders
    properties:
      - {name: id, logicalType: integer, primaryKey: true}
      - {name: mail, logicalType: string, physicalType: VARCHAR(20), required: true, unique: true, classification: pii}
      - {name: total, logicalType: number, quality: [{metric: nullValues, mustBe: 0}]}
  - {name: customers, properties: [{name: id, logicalType: integer}]}
slaProperties:
  - {property: freshness, value: PT6H}
  - {property: availability, value: 99.9%}
"""
BREAKING, COMPATIBLE, EDITORIAL = ChangeSeverity


def contract(text: str = TEXT) -> CompiledDataContract:
    return read_contract(text, "contracts/orders.yaml").compiled


def compare(*changes: tuple[str, str], version: str = "1.2.3") -> ContractComparison:
    text = TEXT.replace("1.2.3", version)
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return compare_contracts(contract(), contract(text))


@pytest.mark.parametrize(
    ("before", "after", "kind", "severity"),
    [
        ("  - {name: customers, properties: [{name: id, logicalType: integer}]}\n", "", "model_removed", BREAKING),
        ("slaProperties", "  - {name: new}\nslaProperties", "model_added", COMPATIBLE),
        ("- name: orders", "- name: orders\n    physicalName: fct", "model_renamed", BREAKING),
        (
            "id, logicalType: integer, primaryKey: true",
            "id, logicalType: integer, required: true",
            "primary_key_changed",
            BREAKING,
        ),
        (
            "      - {name: total, logicalType: number, quality: [{metric: nullValues, mustBe: 0}]}\n",
            "",
            "field_removed",
            BREAKING,
        ),
        (
            "[{name: id, logicalType: integer}]",
            "[{name: id, logicalType: integer}, {name: x}]",
            "field_added",
            COMPATIBLE,
        ),
        ("total, logicalType: number", "total, logicalType: integer", "type_changed", BREAKING),
        ("[{name: id, logicalType: integer}]", "[{name: id}]", "type_changed", BREAKING),
        ("VARCHAR(20)", "VARCHAR(40)", "physical_type_changed", COMPATIBLE),
        ("VARCHAR(20)", "INT", "physical_type_changed", BREAKING),
        ("required: true, ", "", "required_removed", BREAKING),
        ("total, ", "total, required: true, ", "required_added", BREAKING),
        ("unique: true, ", "", "unique_removed", BREAKING),
        ("total, ", "total, unique: true, ", "unique_added", COMPATIBLE),
        ("classification: pii", "classification: internal", "classification_weakened", BREAKING),
        (", classification: pii", "", "classification_weakened", BREAKING),
        ("classification: pii", "classification: high_sensitivity", "classification_strengthened", COMPATIBLE),
        ("total, ", "total, classification: public, ", "classification_strengthened", COMPATIBLE),
        ("classification: pii", "classification: financial", "classification_changed", BREAKING),
        ("classification: pii", "classification: of_our_own", "classification_changed", BREAKING),
        (", quality: [{metric: nullValues, mustBe: 0}]", "", "quality_removed", BREAKING),
        ("{metric: nullValues", "{metric: nullValues, description: none", "text_changed", EDITORIAL),
        ("PT6H", "PT12H", "service_level_loosened", BREAKING),
        ("PT6H", "PT30M", "service_level_tightened", COMPATIBLE),
        ("99.9%", "99%", "service_level_loosened", BREAKING),
        ("99.9%", "high", "service_level_changed", BREAKING),
        ("  - {property: freshness, value: PT6H}\n", "", "service_level_removed", BREAKING),
        (
            "slaProperties:",
            "slaProperties:\n  - {property: latency, value: 4, unit: d}",
            "service_level_added",
            COMPATIBLE,
        ),
        ("status: active", "status: deprecated", "status_changed", EDITORIAL),
        ("purpose: Orders", "purpose: All orders", "text_changed", EDITORIAL),
    ],
)
def test_what_a_change_means(before: str, after: str, kind: str, severity: ChangeSeverity) -> None:
    (change,) = compare((before, after)).changes
    assert (change.kind, change.severity) == (kind, severity), change.message


def test_a_contract_beside_itself_has_not_changed() -> None:
    comparison = compare()
    assert (comparison.changes, comparison.demanded, comparison.made) == ((), Bump.NONE, Bump.NONE)
    assert comparison.problem() is None
    assert compare(("value: PT6H", "value: 360, unit: m")).changes[0].kind == "text_changed", "six hours all the same"


def test_changes_come_with_the_breaking_ones_first() -> None:
    comparison = compare(("PT6H", "PT1H"), ("VARCHAR(20)", "INT"), ("status: active", "status: draft"))
    assert [change.severity for change in comparison.changes] == [BREAKING, COMPATIBLE, EDITORIAL]
    assert [change.subject for change in comparison.breaking] == ["orders.mail"]


@pytest.mark.parametrize(
    ("change", "enough", "too_small"),
    [
        (("unique: true, ", ""), ("2.0.0", "3.1.0"), ("1.2.3", "1.2.4", "1.9.0")),
        (("total, ", "total, unique: true, "), ("1.3.0", "2.0.0"), ("1.2.3", "1.2.4")),
        (("purpose: Orders", "purpose: All orders"), ("1.2.4", "1.3.0"), ("1.2.3",)),
    ],
    ids=["breaking", "compatible", "editorial"],
)
def test_the_version_must_say_how_much_has_changed(
    change: tuple[str, str], enough: tuple[str, ...], too_small: tuple[str, ...]
) -> None:
    for version in enough:
        assert compare(change, version=version).problem() is None
    for version in too_small:
        problem = compare(change, version=version).problem()
        assert isinstance(problem, ContractVersionTooSmall)
        assert problem.hint == f"make the version {enough[0]}"
        assert str(problem.where) == "contracts/orders.yaml (version)"


def test_a_version_does_not_go_back() -> None:
    comparison = compare(version="1.2.2")
    assert comparison.made is None
    problem = comparison.problem()
    assert problem is not None
    assert problem.message == "the version went back from 1.2.3 to 1.2.2"


def test_before_1_0_a_minor_version_may_break() -> None:
    young = contract(TEXT.replace("1.2.3", "0.2.0"))
    broken = TEXT.replace("unique: true, ", "")
    assert compare_contracts(young, contract(broken.replace("1.2.3", "0.3.0"))).problem() is None
    assert compare_contracts(young, contract(broken.replace("1.2.3", "0.2.1"))).problem() is not None


def test_a_release_after_its_candidate_counts_as_a_patch() -> None:
    candidate = contract(TEXT.replace("1.2.3", "1.2.3-rc.1"))
    assert compare_contracts(candidate, contract()).made is Bump.PATCH


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("availability", "99.9%", "99.99 %", Direction.TIGHTER),
        ("latency", "P1D", "P1DT1S", Direction.LOOSER),
        ("latency", "P1W", "P7D", Direction.SAME),
        ("timeToRepair", "2h", "90m", Direction.TIGHTER),
        ("retention", "P1Y", "P6M", Direction.LOOSER),
        ("errorRate", "1%", "2%", Direction.LOOSER),
        ("endOfSupport", "2030-01-01", "2029-01-01", Direction.LOOSER),
        ("generalAvailability", "2030-01-01", "2029-01-01", Direction.TIGHTER),
        ("friendliness", "1", "2", Direction.UNKNOWN),
        ("latency", "1d", "99%", Direction.UNKNOWN),
        ("latency", "soon", "soon", Direction.SAME),
    ],
)
def test_which_way_a_service_level_goes(name: str, old: str, new: str, expected: Direction) -> None:
    levels = [ServiceLevel(property=name, value=value) for value in (old, new)]
    assert direction(*levels) is expected


def test_what_is_no_duration() -> None:
    for text in ("P", "PT", "1.2.3", "", "P1DT"):
        assert measure(ServiceLevel(property="latency", value=text)) is None
