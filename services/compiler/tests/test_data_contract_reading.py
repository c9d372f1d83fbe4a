"""Reading data contracts: what is read of them, and what is refused, with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from open_data_contract_standard.model import OpenDataContractStandard

from floe_compiler.core.data_contracts.errors import ContractFieldInvalid, ContractNameTwice, ContractStandardUnknown
from floe_compiler.core.data_contracts.reading import read_contract
from floe_contracts.data_contracts import CompiledDataContract, ServiceLevel
from floe_contracts.documents.yaml_tree import MAX_PROBLEMS, YamlInvalid
from floe_contracts.errors import DocumentInvalid, FloeError

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "floe-specs"
HEAD = "apiVersion: v3.1.0\nkind: DataContract\nid: orders\nversion: 1.2.0\nstatus: active\n"
ORDERS = """\
apiVersion: v3.1.0
kind: DataContract
id: urn:orders
name: orders
version: 1.10.0
status: active
description: {purpose: Orders of the shop}
schema:
  - name: orders
    physicalName: fct_orders
    quality:
      - {metric: rowCount, mustBeGreaterThan: 0, description: never empty}
    properties:
      - {name: order_id, logicalType: integer, primaryKey: true, primaryKeyPosition: 1, description: the number}
      - name: mail
        physicalName: customer_email
        logicalType: string
        required: yes
        unique: true
        classification: pii
        quality: [{type: sql, query: "select 1", mustBe: 1}]
      - name: address
        logicalType: object
        properties: [{name: city, logicalType: string}]
      - name: lines
        logicalType: array
        items:
          logicalType: object
          properties: [{name: sku, logicalType: string, physicalType: VARCHAR(20)}]
slaProperties:
  - {property: latency, value: 4, unit: d, element: orders.order_id}
  - {property: availability, value: 99.9%}
"""


def refused(text: str) -> tuple[FloeError, ...]:
    with pytest.raises(DocumentInvalid) as refusal:
        read_contract(text, "contracts/orders.yaml")
    return refusal.value.problems


def problems_of(text: str, file: str) -> tuple[FloeError, ...]:
    try:
        read_contract(text, file)
    except DocumentInvalid as refusal:
        return refusal.problems
    return ()


def only(text: str) -> FloeError:
    (problem,) = refused(text)
    return problem


def schema_of(properties: str, head: str = HEAD) -> str:
    return f"{head}schema:\n  - name: orders\n    properties:\n      - {properties}\n"


def test_a_contract_says_what_it_promises() -> None:
    contract = read_contract(ORDERS, "contracts/orders.yaml")
    compiled = contract.compiled
    assert (compiled.id, compiled.name, compiled.version) == ("urn:orders", "orders", "1.10.0")
    assert (compiled.status, compiled.standard, compiled.file) == ("active", "v3.1.0", "contracts/orders.yaml")
    model = compiled.model("orders")
    assert model is not None
    assert model.relation == "fct_orders"
    assert model.primary_key == ("order_id",)
    assert [field.name for field in model.fields] == [
        "address",
        "address.city",
        "customer_email",
        "lines",
        "lines[]",
        "lines[].sku",
        "order_id",
    ]
    mail = model.fields[2]
    assert (mail.type, mail.required, mail.unique, mail.classification) == ("string", True, True, "pii")
    assert [rule.name for rule in mail.quality] == ["sql"]
    assert model.fields[5].physical_type == "VARCHAR(20)"
    assert model.fields[6].required, "a key is never null"
    assert model.quality[0].rule == '{"metric":"rowCount","mustBeGreaterThan":0}'
    assert compiled.service_levels == (
        ServiceLevel(property="availability", value="99.9%"),
        ServiceLevel(property="latency", element="orders.order_id", value="4", unit="d"),
    )
    assert CompiledDataContract.read(json.loads(compiled.model_dump_json())) == compiled


def test_places_are_those_of_the_file() -> None:
    contract = read_contract(ORDERS, "contracts/orders.yaml")
    assert str(contract.where("orders")) == "contracts/orders.yaml:9:5 (schema.0)"
    assert contract.where("orders", "customer_email").line == 15
    assert contract.where("orders", "lines[].sku").line == 29
    assert contract.where("orders", "no_such_field").line == 9


def test_the_digest_is_that_of_the_content_and_not_of_its_layout() -> None:
    flow = json.dumps(yaml.load(ORDERS, Loader=yaml.BaseLoader))  # noqa: S506  # texts only
    one, other = (read_contract(text, "a.yaml").compiled for text in (ORDERS, flow))
    assert one == other
    assert read_contract(ORDERS.replace("of the shop", "of the shops"), "a.yaml").compiled.digest != one.digest


def test_a_contract_may_cover_nothing() -> None:
    assert read_contract(HEAD, "a.yaml").compiled.models == ()


@pytest.mark.parametrize(
    ("text", "message", "place", "hint"),
    [
        ("[1]", "a data contract is a mapping", "1:1", None),
        (HEAD.replace("DataContract", "DataProduct"), "it says 'DataProduct'", "2:1", "write `kind: DataContract`"),
        (HEAD.replace("v3.1.0", "v3.1.9"), "'v3.1.9' is not known", "1:1", "did you mean 'v3.1.0'?"),
        (HEAD.replace("apiVersion: v3.1.0\n", ""), "the field is missing", "1:1", None),
    ],
)
def test_what_is_no_contract_of_a_known_version(text: str, message: str, place: str, hint: str | None) -> None:
    problem = only(text)
    assert isinstance(problem, ContractStandardUnknown)
    assert message in problem.message
    assert f":{place}" in str(problem.where)
    assert hint is None or problem.hint == hint


@pytest.mark.parametrize(
    ("text", "message", "place", "hint"),
    [
        (HEAD + "shema: []\n", "'shema' is not a field here", "6:1 (shema)", "did you mean 'schema'?"),
        (HEAD + "sla: []\n", "'sla' is not a field here", "6:1 (sla)", "did you mean 'slaProperties'?"),
        (HEAD + "schema:\n", "the field 'schema' has no value", "6:1 (schema)", "give it one, or leave it out"),
        (HEAD + "schema: orders\n", "'orders': should be a list", "6:1 (schema)", None),
        (HEAD + "schema: [orders]\n", "'orders': should be a mapping", "6:10 (schema.0)", None),
        (HEAD + "schema: [{}]\n", "the field 'name' is missing", "6:10 (schema.0)", "add `name:`"),
        (HEAD + "tags: [{a: b}]\n", "a mapping: should be a text", "6:8 (tags.0)", None),
        (HEAD.replace("1.2.0", "1.2"), "the version of the contract is '1.2'", "4:1 (version)", None),
        (HEAD.replace("1.2.0", "1" * 5000 + ".0.0"), "the version of the contract is '111", "4:1 (version)", None),
        (HEAD.replace("id: orders\n", ""), "the field 'id' is missing", "1:1", "add `id:`"),
        (
            HEAD + "schema:\n  - {name: orders, columns: []}\n",
            "'columns' is not a field here",
            "7:20 (schema.0.columns)",
            "did you mean 'properties'?",
        ),
        (schema_of("{name: id, requred: true}"), "'requred' is not a field here", "9:20", "did you mean 'required'?"),
        (schema_of("{name: id, required: maybe}"), "'maybe': should be true or false", "9:20", None),
        (schema_of("{logicalType: string}"), "the field 'name' is missing", "9:9", "add `name:`"),
        (schema_of("{name: id, logicalType: strin}"), "'strin' is no logical type", "9:20", "did you mean 'string'?"),
        (
            schema_of("{name: at, logicalType: timestamp}", HEAD.replace("v3.1.0", "v3.0.2")),
            "'timestamp' came with v3.1.0, and apiVersion says v3.0.2",
            "9:20",
            "write `apiVersion: v3.1.0`",
        ),
        (
            schema_of("{name: id, quality: [{type: libary, metric: rowCount}]}"),
            "'libary' is no type of quality",
            "9:31",
            "did you mean 'library'?",
        ),
        (
            schema_of("{name: id, quality: [{metric: rowCnt, mustBe: 1}]}"),
            "'rowCnt' is no metric of the standard",
            "9:31",
            "did you mean 'rowCount'?",
        ),
        (schema_of("{name: id, quality: [{type: sql}]}"), "the field 'query' is missing", "9:30", None),
        (schema_of("{name: id, quality: [{type: library}]}"), "the field 'metric' is missing", "9:30", None),
        (
            schema_of("{name: id, quality: [{type: custom, engine: soda}]}"),
            "the field 'implementation' is missing",
            "9:30",
            None,
        ),
        (
            schema_of("{name: id, quality: [{metric: rowCount, mustBe: 1, mustNotBe: 2}]}"),
            "this one has mustBe, mustNotBe",
            "9:30",
            "write a rule for each",
        ),
        (
            schema_of("{name: id, quality: [{metric: rowCount, mustBeBetween: [1, 2, 3]}]}"),
            "a list: should be a list of two numbers",
            "9:49",
            None,
        ),
        (HEAD + "slaProperties: [{property: latency}]\n", "the field 'value' is missing", "6:17", "add `value:`"),
    ],
)
def test_a_field_that_is_not_valid_is_refused_with_its_place(
    text: str, message: str, place: str, hint: str | None
) -> None:
    problem = only(text)
    assert isinstance(problem, ContractFieldInvalid)
    assert message in problem.message
    assert str(problem.where).startswith(f"contracts/orders.yaml:{place}")
    assert hint is None or problem.hint == hint


def test_all_problems_come_at_once_in_the_order_of_their_places() -> None:
    text = schema_of("{name: id, logicalType: strin, required: maybe, foo: 1}") + "bar: 1\n"
    lines = [problem.where.line if problem.where else None for problem in refused(text)]
    assert lines == [9, 9, 10]
    assert len(refused(HEAD + "".join(f"field_{number}: 1\n" for number in range(300)))) == MAX_PROBLEMS + 1


def test_names_that_stand_twice() -> None:
    twice = schema_of("{name: id}\n      - {name: ID}")
    assert [type(problem) for problem in refused(twice)] == [ContractNameTwice] * 2
    assert "orders has more than one field 'ID'" in refused(twice)[1].message
    tables = HEAD + "schema: [{name: a, physicalName: orders}, {name: orders}]\n"
    assert [type(problem) for problem in refused(tables)] == [ContractNameTwice] * 2


def test_the_yaml_of_a_contract_is_strict() -> None:
    (problem,) = refused(HEAD + "name: &x a\ntenant: *x\n")
    assert isinstance(problem, YamlInvalid)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample contracts do not stand beside the repository")
def test_samples_are_read_or_refused_as_the_schema_of_the_standard_has_it() -> None:
    """61 contracts of others, 12 refused: nine have `columns` for `properties`, one an empty schema, two no id."""
    schema: Any = json.loads(OpenDataContractStandard.json_schema())
    verdicts: dict[str, bool] = {}
    for file in sorted(SAMPLES.glob("datacontract__*.yaml")):
        text = file.read_text()
        problems = problems_of(text, file.name)
        verdicts[file.name] = not problems
        assert all(problem.where and problem.where.line and problem.hint for problem in problems)
        official = jsonschema.Draft201909Validator(schema).is_valid(yaml.safe_load(text))
        assert verdicts[file.name] == official, file.name
    assert (sum(verdicts.values()), len(verdicts)) == (49, 61)


_SCALARS = st.sampled_from(
    ["", "~", "yes", "1", "-1.5", "v3.1.0", "DataContract", "orders", "array", "'", "{{ x }}", "é", None, True, 3]
)
_KEYS = st.sampled_from(
    [*OpenDataContractStandard.model_fields, "schema", "properties", "items", "quality", "value", "logicalType", "x"]
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=12
)


@settings(max_examples=300)
@given(st.dictionaries(_KEYS, _VALUES, max_size=6), st.booleans())
def test_any_document_is_read_or_refused(parts: dict[str, Any], whole: bool) -> None:
    base = yaml.load(ORDERS if whole else HEAD, Loader=yaml.BaseLoader)  # noqa: S506  # texts only
    text = json.dumps(base | parts)
    for problem in problems_of(text, "a.yaml"):
        assert problem.where
        assert problem.where.file == "a.yaml"
