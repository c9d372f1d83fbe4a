"""The sections of floe.yaml: what they take, and what does not go together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_contracts.documents.reading import FieldInvalid, FieldsContradict, read_floe_spec
from floe_contracts.errors import DocumentInvalid, FloeError
from floe_contracts.product.checks import find_cycles

HEAD = "apiVersion: floe.dev/v1\nkind: FloeSpec\nmetadata: {name: orders, version: 1.0.0, owner: me}\n"
DBT = "transforms:\n  - {type: dbt, path: dbt}\n"


def problems(text: str) -> tuple[FloeError, ...]:
    with pytest.raises(DocumentInvalid) as refused:
        read_floe_spec(HEAD + text)
    return refused.value.problems


def test_everything_that_a_product_can_say_is_read() -> None:
    spec = read_floe_spec(
        HEAD
        + """\
platform: {name: shared, file: ../platform.yaml}
transforms:
  - type: dbt
    path: ./dbt/
    models:
      raw: {tier: bronze}
      revenue:
        tier: gold
        tags: [finance]
        dependsOn: [raw]
        compute: heavy
        qualityChecks: [{name: paid, type: accepted_values, column: state, parameters: {values: [NO, 1.10]}}]
  - {type: python, name: scores, module: python.scores, dependsOn: [revenue]}
schedule: {cron: "*/15 6-20 * * 1-5", timezone: America/New_York, enabled: false}
triggers:
  - {type: compile, environments: [dev]}
  - {type: event, event: run.completed, product: shop-raw}
  - {type: manual}
orchestration:
  partitions: {type: monthly, start: 2026-01-01, timezone: Asia/Tokyo}
  retries: {maxAttempts: 5, delaySeconds: 10, backoff: constant}
  timeoutSeconds: 3600
  concurrency: {queue: reject, partitions: 4}
consumption: {cube: {preAggregations: {external: false}}}
outputPorts: [{name: revenue, schema: [{name: day, type: date, required: true}], contract: contracts/revenue.yaml}]
destinations: [{name: crm, type: webhook, models: [revenue], secretRef: crm-key}]
"""
    )
    assert (spec.platform.name, spec.platform.file, spec.dbt.path) == ("shared", "../platform.yaml", "dbt")
    assert spec.dbt.models["revenue"].quality_checks[0].parameters == {"values": ("NO", "1.10")}
    assert [transform.module for transform in spec.python] == ["python.scores"]
    assert spec.output_ports[0].columns[0].name == "day"
    assert spec.schedule is not None
    assert not spec.schedule.enabled


@pytest.mark.parametrize(
    ("text", "path", "message", "hint"),
    [
        ("schedule: {cron: 0 6 * *}\n", "schedule.cron", "it has five fields", None),
        ("schedule: {cron: 0 6 * * * *}\n", "schedule.cron", "it has five fields", None),
        ("schedule: {cron: 61 6 * * *}\n", "schedule.cron", "is no cron expression", None),
        ("schedule: {cron: 0 0 30 2 *}\n", "schedule.cron", "is no cron expression", None),
        ("schedule: {cron: '@daily'}\n", "schedule.cron", "it has five fields", None),
        ("schedule: {cron: 0 6 * * *, timezone: Europe/Berln}\n", "schedule.timezone", "'Europe/Berlin'", None),
        ("schedule: {cron: 0 6 * * *, timezone: ../../etc/passwd}\n", "schedule.timezone", "no time zone", None),
        ("triggers: [{type: event, event: run.failed, product: x}]\n", "triggers.0.event", "run.completed", None),
        ("triggers: [{type: comple}]\n", "triggers.0.type", "'comple' is no type here", "did you mean 'compile'?"),
        ("triggers: [{}]\n", "triggers.0.type", "the field 'type' is missing", "add `type:`"),
        ("triggers: [{type: manual, product: x}]\n", "triggers.0.product", "is not a field here", "known are: type"),
        ("orchestration: {partitions: {type: daily}}\n", "orchestration.partitions.start", "is missing", None),
        ("orchestration: {partitions: {type: daily, start: soon}}\n", "orchestration.partitions.start", "date", None),
        ("orchestration: {partitions: {type: daily, start: 0}}\n", "orchestration.partitions.start", "no date", None),
        (
            "orchestration: {partitions: {type: daily, start: 2026-02-01, end: 2026-01-31}}\n",
            "orchestration.partitions",
            "ends on 2026-01-31, before it starts on 2026-02-01",
            None,
        ),
        (
            "orchestration: {partitions: {type: static, keys: [eu, us, eu]}}\n",
            "orchestration.partitions",
            "the partition 'eu' stands twice",
            None,
        ),
        (
            "triggers: [{type: event, event: run.completed, product: Crm}]\n",
            "triggers.0.product",
            "'Crm' is not allowed",
            "lower-case",
        ),
        ("triggers: [{type: event, event: run.started, product: crm}]\n", "triggers.0.event", "should be", None),
        (
            "triggers: [{type: event, event: run.completed, product: crm, table: people}]\n",
            "triggers.0",
            "run.completed speaks of no table",
            None,
        ),
        ("orchestration: {timeoutSeconds: 0}\n", "orchestration.timeoutSeconds", "greater than or equal to 1", None),
        ("platform: {file: /etc/platform.yaml}\n", "platform.file", "must be a relative path", None),
        ("outputPorts: [{name: a, contract: ../b.yaml}]\n", "outputPorts.0.contract", "inside the product", None),
        ("destinations: [{name: a, type: b, models: []}]\n", "destinations.0.models", "at least 1", None),
        (
            "destinations: [{name: a, type: b, models: [c], secretRef: 'a b'}]\n",
            "destinations.0.secretRef",
            "",
            "not its",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_field(text: str, path: str, message: str, hint: str | None) -> None:
    (problem,) = problems(DBT + text)
    assert isinstance(problem, FieldInvalid)
    assert problem.where is not None
    assert (problem.where.path, problem.where.line) == (path, 6)
    assert message in problem.message
    assert hint is None or hint in (problem.hint or "")


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("transforms:\n  - {type: python, name: a, module: a}\n", "transforms", "there is no dbt project"),
        (DBT + "  - {type: dbt, path: more}\n", "transforms.1", "a second dbt project"),
        (DBT + "outputPorts: [{name: a}, {name: b}, {name: a}]\n", "outputPorts.2.name", "'a' stands twice"),
        (
            DBT + "destinations: [{name: a, type: b, models: [c]}, {name: a, type: b, models: [c]}]\n",
            "destinations.1.name",
            "'a' stands twice",
        ),
        (
            DBT + "  - {type: python, name: a, module: a}\n  - {type: python, name: a, module: b}\n",
            "transforms.2.name",
            "'a' stands twice",
        ),
        (
            "transforms:\n  - {type: dbt, path: dbt, models: {a: {}}}\n  - {type: python, name: a, module: b}\n",
            "transforms.1.name",
            "'a' stands twice",
        ),
        (
            DBT.replace("dbt}", "dbt, models: {a: {dependsOn: [b]}, b: {dependsOn: [c]}, c: {dependsOn: [a]}}}"),
            "transforms.0.models.a.dependsOn",
            "a dependency cycle: a -> b -> c -> a",
        ),
        (
            DBT + "  - {type: python, name: a, module: a, dependsOn: [a]}\n",
            "transforms.1.dependsOn",
            "a dependency cycle: a -> a",
        ),
    ],
)
def test_fields_that_do_not_go_together_are_named(text: str, path: str, message: str) -> None:
    (problem,) = problems(text)
    assert isinstance(problem, FieldsContradict)
    assert problem.where is not None
    assert problem.where.path == path
    assert problem.where.line is not None
    assert message in problem.message


def test_a_quality_check_that_stands_twice_is_named_both_times() -> None:
    checks = "[{name: a, type: unique}, {name: b, type: unique}, {name: a, type: not_null}]"
    found = problems(f"transforms:\n  - {{type: dbt, path: dbt, models: {{m: {{qualityChecks: {checks}}}}}}}\n")
    assert [problem.where.path for problem in found if problem.where] == [
        "transforms.0.models.m.qualityChecks.0.name",
        "transforms.0.models.m.qualityChecks.2.name",
    ]


def test_a_very_long_chain_has_no_cycle_and_needs_no_deep_stack() -> None:
    chain = {str(number): (str(number + 1),) for number in range(5000)}
    assert find_cycles(chain) == []
    assert find_cycles(chain | {"5000": ("4999",)}) == [("4999", "5000")]


@given(st.dictionaries(st.integers(0, 7), st.lists(st.integers(0, 7), max_size=4), max_size=8))
def test_cycles_are_found_exactly_when_there_are_some(numbers: dict[int, list[int]]) -> None:
    edges = {str(start): [str(end) for end in ends] for start, ends in numbers.items()}
    for cycle in find_cycles(edges):
        assert all(end in edges[start] for start, end in zip(cycle, (*cycle[1:], cycle[0]), strict=True))
    remaining = {start: set(ends) for start, ends in edges.items()}
    while leaves := [name for name, ends in remaining.items() if not ends & remaining.keys()]:
        for name in leaves:
            del remaining[name]
    assert bool(find_cycles(edges)) == bool(remaining)
