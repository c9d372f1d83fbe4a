"""The order of dbt and Python in one graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from floe_contracts.artifacts import CompiledArtifacts, Compute, DbtProject
from floe_contracts.compiled_product import CompiledPythonTransform
from floe_contracts.events import RunOptions
from floe_contracts.nodes import Check, Column, Node, NodeGraph, QualityCheck
from floe_executor.core.node_reports import NodeStatus
from floe_executor.core.phases import DbtPhase, Phase, PythonPhase, dbt_arguments, phases, standing
from floe_executor.core.transform_nodes import with_transforms
from floe_executor.core.transform_selection import BuildPlan, plan_of
from floe_executor.errors import TransformCheckUnknown, TransformCycle, TransformInputUnclear

DUCKDB = Compute(name="small", type="duckdb", threads=1)


def model(name: str, *reads: str, tests: Mapping[str, Sequence[str]] | None = None) -> Node:
    """A table model; `reads` are ids, tests are named and say what else they depend on."""
    unique_id = f"model.shop.{name}"
    return Node(
        unique_id=unique_id,
        name=name,
        resource_type="model",
        materialized="table",
        database="shop",
        schema_name="main",
        identifier=name,
        path=f"models/{name}.sql",
        depends_on=tuple(reads),
        checks=tuple(
            Check(unique_id=f"test.shop.{test}.0", name="not_null", depends_on=(unique_id, *others))
            for test, others in (tests or {}).items()
        ),
    )


def source(name: str, schema: str = "main") -> Node:
    return model(name).model_copy(
        update={
            "unique_id": f"source.shop.floe.{name}",
            "resource_type": "source",
            "materialized": "source",
            "schema_name": schema,
            "path": "models/sources.yml",
        }
    )


def graph(*nodes: Node) -> NodeGraph:
    return NodeGraph(project="shop", nodes=tuple(sorted(nodes, key=lambda node: node.unique_id)), checks=())


def transform(name: str, *reads: str, checks: tuple[QualityCheck, ...] = ()) -> CompiledPythonTransform:
    return CompiledPythonTransform(name=name, module=f"transforms.{name}", depends_on=reads, quality_checks=checks)


def merged(artifact: CompiledArtifacts, dbt: NodeGraph, *transforms: CompiledPythonTransform) -> NodeGraph:
    return with_transforms(dbt, artifact.model_copy(update={"python_transforms": transforms}), DUCKDB)


def between(artifact: CompiledArtifacts) -> NodeGraph:
    """orders -> scores (Python) -> ranked, and alone beside them."""
    dbt = graph(
        model("orders", tests={"orders_ok": ()}),
        source("scores"),
        model("ranked", "source.shop.floe.scores", tests={"ranked_ok": (), "same": ("model.shop.orders",)}),
        model("alone"),
    )
    return merged(artifact, dbt, transform("scores", "orders"))


def test_without_python_dbt_builds_everything_at_once() -> None:
    assert phases(graph(model("orders"), model("ranked", "model.shop.orders"))) == (DbtPhase(None),)


def test_a_transform_between_two_models_parts_the_project(artifact: CompiledArtifacts) -> None:
    assert phases(between(artifact)) == (
        DbtPhase(frozenset({"model.shop.orders", "model.shop.alone", "test.shop.orders_ok.0"})),
        PythonPhase(("scores",)),
        DbtPhase(frozenset({"model.shop.ranked", "test.shop.ranked_ok.0", "test.shop.same.0"})),
    )


def test_a_transform_at_the_end_leaves_dbt_whole(artifact: CompiledArtifacts) -> None:
    made = phases(
        merged(artifact, graph(model("orders")), transform("second", "scores"), transform("scores", "orders"))
    )
    assert made == (DbtPhase(None), PythonPhase(("scores", "second")))


def test_a_transform_that_reads_nothing_comes_first(artifact: CompiledArtifacts) -> None:
    dbt = graph(source("scores"), model("ranked", "source.shop.floe.scores"), model("alone"))
    made = phases(merged(artifact, dbt, transform("scores")))
    assert made == (PythonPhase(("scores",)), DbtPhase(frozenset({"model.shop.ranked", "model.shop.alone"})))


def test_what_documents_the_source_documents_the_transform(artifact: CompiledArtifacts) -> None:
    told = {"description": "A score each.", "owner": "me@example.com", "columns": (Column(name="id"),)}
    dbt = graph(model("orders"), source("scores").model_copy(update=told))
    made = merged(artifact, dbt, transform("scores", "orders"), transform("other", "orders"))
    scores, other = made.node("python.shop.scores"), made.node("python.shop.other")
    assert scores is not None
    assert other is not None
    assert {name: getattr(scores, name) for name in told} == told
    assert (other.description, other.owner, other.columns) == ("", None, ())


def test_a_test_of_a_transforms_table_runs_after_it(artifact: CompiledArtifacts) -> None:
    tested = source("scores").model_copy(
        update={
            "checks": (Check(unique_id="test.shop.s.0", name="unique", depends_on=("source.shop.floe.scores",)),),
        }
    )
    made = phases(merged(artifact, graph(model("orders"), tested), transform("scores", "orders")))
    assert made[-1] == DbtPhase(frozenset({"test.shop.s.0"}))


def test_a_source_is_the_transforms_table_by_schema_and_name_alone(artifact: CompiledArtifacts) -> None:
    made = merged(
        artifact,
        graph(
            source("SCORES"), source("scores", "elsewhere").model_copy(update={"unique_id": "source.shop.other.scores"})
        ),
        transform("scores"),
    )
    assert {node.unique_id: node.depends_on for node in made.nodes if node.resource_type == "source"} == {
        "source.shop.floe.SCORES": ("python.shop.scores",),
        "source.shop.other.scores": (),
    }


def test_only_what_is_selected_is_built(artifact: CompiledArtifacts) -> None:
    dbt = between(artifact)
    assert phases(dbt, frozenset({"model.shop.ranked"})) == (DbtPhase(None),)
    assert phases(dbt, frozenset({"python.shop.scores"})) == (PythonPhase(("scores",)),)
    assert phases(dbt, frozenset({"python.shop.scores", "model.shop.ranked"})) == (
        PythonPhase(("scores",)),
        DbtPhase(frozenset({"model.shop.ranked", "test.shop.ranked_ok.0", "test.shop.same.0"})),
    )
    named = frozenset({"python.shop.scores", "model.shop.ranked", "test.shop.same.0"})
    assert phases(dbt, named)[-1] == DbtPhase(frozenset({"model.shop.ranked", "test.shop.same.0"}))


def test_a_view_that_is_not_built_still_parts_what_it_joins(artifact: CompiledArtifacts) -> None:
    dbt = graph(source("scores"), model("view", "source.shop.floe.scores"), model("ranked", "model.shop.view"))
    made = phases(merged(artifact, dbt, transform("scores")), frozenset({"python.shop.scores", "model.shop.ranked"}))
    assert made == (PythonPhase(("scores",)), DbtPhase(frozenset({"model.shop.ranked"})))


def test_a_request_that_names_no_transform_leaves_dbt_alone(artifact: CompiledArtifacts) -> None:
    assert phases(between(artifact), transforms=frozenset()) == (DbtPhase(None),)


def test_dbt_gets_the_request_without_the_other_phases(artifact: CompiledArtifacts) -> None:
    dbt = between(artifact)
    first, _, last = phases(dbt)
    assert isinstance(first, DbtPhase)
    assert isinstance(last, DbtPhase)
    asked = ("--select", "tag:daily")
    assert dbt_arguments(dbt, first, asked) == (
        *asked,
        "--exclude",
        "ranked,file:ranked.sql",
        "ranked_ok,resource_type:test",
        "same,resource_type:test",
    )
    assert dbt_arguments(dbt, last, ())[1:3] == ("alone,file:alone.sql", "orders,file:orders.sql")
    assert dbt_arguments(dbt, DbtPhase(None), asked) == asked


def test_a_cycle_is_refused_with_its_names(artifact: CompiledArtifacts) -> None:
    dbt = graph(source("scores"), model("ranked", "source.shop.floe.scores"))
    with pytest.raises(TransformCycle, match="ranked reads scores reads ranked") as refused:
        phases(merged(artifact, dbt, transform("scores", "ranked")))
    assert refused.value.hint


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((), "there is none in this environment"),
        (
            (model("orders"), model("orders").model_copy(update={"unique_id": "model.other.orders"})),
            "2 nodes are called so",
        ),
    ],
    ids=["unknown", "ambiguous"],
)
def test_an_input_must_be_one_node(artifact: CompiledArtifacts, nodes: tuple[Node, ...], message: str) -> None:
    with pytest.raises(TransformInputUnclear, match=message):
        merged(artifact, graph(*nodes), transform("scores", "orders"))


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (QualityCheck(name="c", type="relationships", column="id", severity="warning"), "of the type 'relationships'"),
        (QualityCheck(name="c", type="unique", severity="warning"), "names no column"),
        (QualityCheck(name="c", type="accepted_values", column="id", severity="warning"), "accepts no values"),
    ],
    ids=["type", "column", "values"],
)
def test_a_check_that_cannot_be_made_is_refused(artifact: CompiledArtifacts, check: QualityCheck, message: str) -> None:
    with pytest.raises(TransformCheckUnknown, match=message):
        merged(artifact, graph(), transform("scores", checks=(check,)))


def test_the_file_of_a_transform_is_named_from_the_dbt_project(artifact: CompiledArtifacts) -> None:
    deep = artifact.model_copy(update={"transforms": (DbtProject(path="warehouse/dbt"),)})
    node = merged(deep, graph(), transform("scores")).node("python.shop.scores")
    assert node is not None
    assert (node.path, node.database, node.schema_name) == ("../../transforms/scores.py", "shop", "main")


def chain(artifact: CompiledArtifacts) -> NodeGraph:
    """orders -> scores (Python, tag daily) -> ranked -> totals (Python); other (Python) and alone beside them."""
    dbt = graph(model("orders"), source("scores"), model("ranked", "source.shop.floe.scores"), model("alone"))
    daily = transform("scores", "orders").model_copy(update={"tags": ("daily",)})
    return merged(artifact, dbt, daily, transform("totals", "ranked"), transform("other"))


@pytest.mark.parametrize(
    ("select", "exclude", "transforms", "arguments"),
    [
        (("scores",), (), {"scores"}, ()),
        (("tag:daily",), (), {"scores"}, ()),
        (("scores+",), (), {"scores", "totals"}, ("--select", "ranked,file:ranked.sql")),
        (("+scores",), (), {"scores"}, ("--select", "orders,file:orders.sql")),
        (("+ranked",), (), {"scores"}, ("--select", "orders,file:orders.sql", "ranked,file:ranked.sql")),
        (("alone",), (), set(), ()),
        (("orders", "path:models"), (), set(), ()),
        ((), ("scores",), {"totals", "other"}, ()),
        ((), ("scores+",), {"other"}, ("--exclude", "ranked,file:ranked.sql")),
        (("scores+",), ("totals",), {"scores"}, ("--select", "ranked,file:ranked.sql")),
        (("scores,tag:daily", "@scores"), (), set(), ()),
    ],
)
def test_a_request_selects_transforms_by_name_tag_and_neighbours(
    artifact: CompiledArtifacts,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    transforms: set[str],
    arguments: tuple[str, ...],
) -> None:
    options = RunOptions(select=select, exclude=exclude)
    plan = plan_of(chain(artifact), options, selected=None, arguments=())
    assert {name for phase in plan.phases if isinstance(phase, PythonPhase) for name in phase.names} == transforms
    assert plan.arguments == arguments


def test_the_requests_own_arguments_stay(artifact: CompiledArtifacts) -> None:
    asked = ("--select", "scores+", "--exclude", "alone", "--full-refresh")
    plan = plan_of(chain(artifact), RunOptions(select=("scores+",), exclude=("alone",)), selected=None, arguments=asked)
    assert plan.arguments == ("--select", "ranked,file:ranked.sql", *asked[1:])


def test_known_ids_say_what_is_built(artifact: CompiledArtifacts) -> None:
    only = frozenset({"python.shop.totals"})
    plan = plan_of(chain(artifact), RunOptions(select=("scores",)), selected=only, arguments=("--x",))
    assert plan == BuildPlan((PythonPhase(("totals",)),), ("--x",))


FAILED, PASSED, SKIPPED = NodeStatus.FAILED, NodeStatus.SUCCESS, NodeStatus.SKIPPED


@pytest.mark.parametrize(
    ("ended", "left", "skipped"),
    [
        ({"model.shop.orders": PASSED}, PythonPhase(("scores",)), ()),
        ({"model.shop.orders": FAILED}, None, ("python.shop.scores",)),
        ({"model.shop.orders": SKIPPED}, None, ("python.shop.scores",)),
        ({"model.shop.alone": FAILED}, PythonPhase(("scores",)), ()),
        ({"test.shop.orders_ok.0": FAILED}, None, ("python.shop.scores",)),
        ({"test.shop.orders_ok.0": NodeStatus.WARNED}, PythonPhase(("scores",)), ()),
    ],
    ids=["built", "failed", "skipped", "other-failed", "test-failed", "test-warned"],
)
def test_a_transform_waits_for_what_it_reads_and_its_tests(
    artifact: CompiledArtifacts, ended: dict[str, NodeStatus], left: Phase | None, skipped: tuple[str, ...]
) -> None:
    assert standing(between(artifact), PythonPhase(("scores",)), ended) == (left, skipped)


def test_a_failed_transform_skips_its_readers_and_their_tests(artifact: CompiledArtifacts) -> None:
    dbt = between(artifact)
    last = phases(dbt)[-1]
    gone = ("model.shop.ranked", "test.shop.ranked_ok.0", "test.shop.same.0")
    assert standing(dbt, last, {"python.shop.scores": FAILED}) == (None, gone)
    mixed = DbtPhase(frozenset({"model.shop.ranked", "model.shop.alone"}))
    assert standing(dbt, mixed, {"python.shop.scores": FAILED}) == (
        DbtPhase(frozenset({"model.shop.alone"})),
        ("model.shop.ranked",),
    )


def test_a_failed_check_of_a_transform_skips_its_readers(artifact: CompiledArtifacts) -> None:
    check = QualityCheck(name="rows", type="not_null", column="id", severity="critical")
    dbt = merged(
        artifact,
        graph(source("scores"), model("ranked", "source.shop.floe.scores")),
        transform("scores", checks=(check,)),
    )
    ended = {"python.shop.scores": PASSED, "python_test.shop.scores.rows": FAILED}
    assert standing(dbt, DbtPhase(frozenset({"model.shop.ranked"})), ended) == (None, ("model.shop.ranked",))


NAMES = [f"n{number}" for number in range(8)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the artifact is frozen
@given(
    python=st.sets(st.sampled_from(NAMES)),
    edges=st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda edge: edge[0] < edge[1])),
    chosen=st.none() | st.sets(st.sampled_from(NAMES), min_size=1),
)
def test_everything_is_built_once_and_after_what_it_reads(
    artifact: CompiledArtifacts,
    python: set[str],
    edges: set[tuple[int, int]],
    chosen: set[str] | None,
) -> None:
    reads = {name: [NAMES[a] for a, b in edges if NAMES[b] == name] for name in NAMES}

    def unique_id(name: str) -> str:
        return f"python.shop.{name}" if name in python else f"model.shop.{name}"

    def as_dbt(name: str) -> str:
        return f"source.shop.floe.{name}" if name in python else f"model.shop.{name}"

    dbt = graph(
        *(model(name, *map(as_dbt, reads[name])) for name in NAMES if name not in python),
        *(source(name) for name in NAMES if name in python),
    )
    whole = merged(artifact, dbt, *(transform(name, *reads[name]) for name in NAMES if name in python))
    wanted = {unique_id(name) for name in (NAMES if chosen is None else chosen)}
    made = phases(whole, None if chosen is None else frozenset(wanted))

    built: list[set[str]] = []
    for phase in made:
        if isinstance(phase, PythonPhase):
            before = set().union(*built)
            for name in phase.names:  # one after another
                assert {unique_id(read) for read in reads[name]} & wanted <= before
                before.add(unique_id(name))
            built.append({unique_id(name) for name in phase.names})
        else:
            everything = {each for each in wanted if each.startswith("model.")}
            built.append(set(everything if phase.node_ids is None else phase.node_ids))
    assert sorted(each for phase in built for each in phase) == sorted(wanted)
    position = {each: number for number, phase in enumerate(built) for each in phase}
    for name in NAMES:
        for read in reads[name]:
            if {unique_id(name), unique_id(read)} <= wanted:
                assert position[unique_id(read)] <= position[unique_id(name)]
                if (read in python) != (name in python):
                    assert position[unique_id(read)] < position[unique_id(name)]
