"""The plan of two artifacts that are made here, not parsed: every rule by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_compiler.core.assemble import assemble
from floe_compiler.core.plan.build import build_plan, unchanged_plan
from floe_compiler.core.plan.nodes import LONGEST_PATH
from floe_compiler.core.plan.strictness import Move, compare_policies
from floe_compiler.core.plan.summary import summarised
from floe_compiler.core.plan.view import ArtifactView
from floe_compiler.core.resolve import resolve
from floe_contracts.artifacts import CompiledPolicy, Tools
from floe_contracts.data_contracts import CompiledDataContract, ContractedField, ContractedModel
from floe_contracts.digests import digest_of
from floe_contracts.documents.reading import read_floe_spec, read_platform_spec
from floe_contracts.nodes import Check, Classification, Column, Exposure, Fingerprints, Node, NodeGraph
from floe_contracts.plans import EnvironmentPlan, Impact, Plan, PlannedNode

SPEC = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {{name: shop, version: {version}, owner: me}}
transforms: [{{type: dbt, path: dbt}}]
{more}
"""
PLATFORM = """\
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {{name: local, version: 1.0.0, owner: me}}
environments:
  dev: {{profiles: {{default: {{compute: duckdb, storage: local, catalog: local}}}}, policies: {policies}}}
{more}
compute:
  duckdb: {{type: duckdb, threads: {threads}}}
  postgres: {{type: postgres, host: db.example.com, user: floe, password: {{secretRef: db}}, database: x, schema: y}}
storage: {{local: {{type: local}}}}
catalogs: {{local: {{type: sql}}}}
"""
SAME = Fingerprints(body="b", config="c", contract="-", metadata="m")


def column(name: str, data_type: str | None = "integer", classification: str | None = None) -> Column:
    what = Classification(classification=classification) if classification else None
    return Column(name=name, data_type=data_type, classification=what)


def node(name: str, *reads: str, kind: str = "model", materialized: str = "table", **more: Any) -> Node:
    fields: dict[str, Any] = {
        "unique_id": f"{kind}.shop.{name}",
        "name": name,
        "resource_type": kind,
        "materialized": materialized,
        "database": "shop",
        "schema_name": "main",
        "identifier": name,
        "path": f"models/{name}.sql",
        "depends_on": tuple(f"model.shop.{parent}" for parent in reads),
        "fingerprints": SAME,
    }
    return Node(**fields | more)


def changed(one: Node, **parts: str) -> Node:
    return one.model_copy(update={"fingerprints": SAME.model_copy(update=parts)})


def graph(*nodes: Node, **more: Any) -> NodeGraph:
    ordered = tuple(sorted(nodes, key=lambda one: one.unique_id))
    return NodeGraph(project="shop", nodes=ordered, checks=more.pop("checks", ()), **more)


def view(
    *nodes: Node,
    version: str = "1.0.0",
    spec: str = "",
    policies: str = "{}",
    platform: str = "",
    threads: int = 2,
    contracts: tuple[CompiledDataContract, ...] = (),
    **more: Any,
) -> ArtifactView:
    """A product of those nodes, in every environment of its platform."""
    parts = read_floe_spec(SPEC.format(version=version, more=spec))
    platform_spec = read_platform_spec(PLATFORM.format(policies=policies, more=platform, threads=threads))
    whole = graph(*nodes, **more)
    nodes_digest = digest_of(whole.model_dump_json().encode())
    environments = {
        name: one.model_copy(update={"nodes": nodes_digest, "manifest": nodes_digest})
        for name, one in resolve(parts, platform_spec).items()
    }
    artifact = assemble(
        parts,
        platform_spec,
        bundle=nodes_digest,
        packages=None,
        platform_digest=nodes_digest,
        tools=Tools(dbt_core="1.11.0", adapters={}),
        environments=environments,
        data_contracts=contracts,
    )
    return ArtifactView(artifact.digest(), artifact, dict.fromkeys(environments, whole))


def dev(plan: Plan) -> EnvironmentPlan:
    return plan.environments["dev"]


def by_name(plan: EnvironmentPlan) -> dict[str, PlannedNode]:
    return {one.name: one for one in plan.nodes}


def impacts(plan: Plan) -> list[tuple[str, str, str]]:
    return [(one.severity, one.kind, one.subject) for one in plan.impacts]


RAW, STG, MART, OTHER = node("raw"), node("stg", "raw"), node("mart", "stg"), node("other")
CHAIN = (RAW, STG, MART, OTHER)


def test_against_nothing_everything_is_new_and_breaks_nobody() -> None:
    plan = build_plan(None, view(*CHAIN, node("src", kind="source", materialized="source")))
    assert (plan.against, plan.impacts, plan.fields) == (None, (), ())
    assert dev(plan).presence == "added"
    assert (dev(plan).counts.added, dev(plan).counts.runs, dev(plan).counts.unchanged) == (5, 4, 0)
    assert dev(plan).dbt_selection == tuple(f"{one},file:{one}.sql" for one in ("mart", "other", "raw", "stg"))


def test_changed_code_runs_the_node_and_all_below_it_and_says_why() -> None:
    plan = build_plan(view(*CHAIN), view(changed(RAW, body="x"), STG, MART, OTHER))
    nodes = by_name(dev(plan))
    assert (nodes["raw"].changes, nodes["raw"].because, nodes["raw"].runs) == (("sql",), (), True)
    assert (nodes["stg"].changes, nodes["stg"].because) == (("upstream",), ("model.shop.raw", "model.shop.stg"))
    assert nodes["mart"].because == ("model.shop.raw", "model.shop.stg", "model.shop.mart")
    assert "other" not in nodes
    counts = dev(plan).counts
    assert (counts.changed, counts.downstream, counts.unchanged, counts.runs) == (1, 2, 1, 3)
    assert dev(plan).dbt_selection == ("mart,file:mart.sql", "raw,file:raw.sql", "stg,file:stg.sql")


@pytest.mark.parametrize(
    ("after", "changes", "runs"),
    [
        (changed(STG, metadata="x"), ("metadata",), False),
        (changed(STG, config="x"), ("config",), True),
        (changed(STG, contract="x"), ("contract",), True),
        (changed(STG, body="x", metadata="x"), ("sql", "metadata"), True),
        (STG.model_copy(update={"path": "models/staging/stg.sql"}), ("moved",), False),
        (STG.model_copy(update={"tier": "gold"}), ("metadata",), False),
        (STG.model_copy(update={"compute": "large"}), ("config",), True),
    ],
)
def test_what_changed_decides_whether_it_runs(after: Node, changes: tuple[str, ...], runs: bool) -> None:
    plan = dev(build_plan(view(*CHAIN), view(RAW, after, MART, OTHER)))
    found = by_name(plan)
    assert (found["stg"].changes, found["stg"].runs) == (changes, runs)
    assert ("mart" in found) == runs
    assert plan.counts.runs == (2 if runs else 0)


def test_a_changed_test_is_run_by_itself_unless_its_node_is_built_anyway() -> None:
    def tested(fingerprint: str, **parts: str) -> Node:
        check = Check(unique_id="test.shop.unique_stg_id.abc", name="unique", column="id", fingerprint=fingerprint)
        return changed(STG, **parts).model_copy(update={"checks": (check,)})

    alone = dev(build_plan(view(RAW, tested("1"), MART), view(RAW, tested("2"), MART)))
    assert (by_name(alone)["stg"].changes, by_name(alone)["stg"].runs) == (("tests",), False)
    assert alone.tests == ("test.shop.unique_stg_id.abc",)
    assert alone.dbt_selection == ("unique_stg_id,resource_type:test",)
    built = dev(build_plan(view(RAW, tested("1"), MART), view(RAW, tested("2", body="x"), MART)))
    assert (built.tests, by_name(built)["stg"].changes) == ((), ("sql", "tests"))
    few = Check(unique_id="test.shop.few", name="few", depends_on=("model.shop.raw", "model.shop.mart"))
    unit = Check(unique_id="unit_test.shop.stg.counts", name="counts", depends_on=("model.shop.stg",))
    loose = dev(build_plan(view(*CHAIN), view(*CHAIN, checks=(few, unit))))
    assert loose.dbt_selection == ("few,resource_type:test", "counts,resource_type:unit_test")
    assert dev(build_plan(view(*CHAIN), view(changed(RAW, body="x"), STG, MART, OTHER, checks=(few,)))).tests == ()


def test_ephemeral_models_and_sources_pass_a_change_on_without_being_built() -> None:
    for kind, materialized in (("model", "ephemeral"), ("source", "source")):
        first = node("raw", kind=kind, materialized=materialized)
        below = node("stg").model_copy(update={"depends_on": (first.unique_id,)})
        found = by_name(dev(build_plan(view(first, below), view(changed(first, config="x"), below))))
        assert (found["raw"].runs, found["stg"].runs) == (False, True)


def test_a_new_parent_under_an_old_name_builds_what_reads_it() -> None:
    seed = node("raw", kind="seed", materialized="seed", path="seeds/raw.csv")
    below = STG.model_copy(update={"depends_on": (seed.unique_id,)})
    plan = dev(build_plan(view(*CHAIN), view(seed, below, MART, OTHER)))
    assert [(one.unique_id, one.action) for one in plan.nodes if one.name == "raw"] == [
        ("model.shop.raw", "removed"),
        ("seed.shop.raw", "added"),
    ]
    assert by_name(plan)["mart"].because == ("seed.shop.raw", "model.shop.stg", "model.shop.mart")


def test_the_middle_of_a_very_long_path_is_left_out() -> None:
    names = [f"n{number:03}" for number in range(40)]
    chain = [node(names[0]), *(node(name, above) for above, name in pairwise(names))]
    found = by_name(dev(build_plan(view(*chain), view(changed(chain[0], body="x"), *chain[1:]))))
    last = found["n039"].because
    assert (len(last), last[0], last[-2:]) == (LONGEST_PATH, "model.shop.n000", ("model.shop.n038", "model.shop.n039"))


def test_names_that_two_packages_share_are_told_apart() -> None:
    twin = node("stg").model_copy(update={"unique_id": "model.other.stg"})
    versioned = node("orders").model_copy(update={"unique_id": "model.shop.orders.v2", "path": "models/orders_v2.sql"})
    assert dev(build_plan(None, view(STG, twin, versioned))).dbt_selection == (
        "stg,file:stg.sql,package:other",
        "orders.v2,file:orders_v2.sql",
        "stg,file:stg.sql,package:shop",
    )


def test_graphs_from_before_fingerprints_are_compared_by_their_fields() -> None:
    def old(one: Node, **more: Any) -> Node:
        return one.model_copy(update={"fingerprints": None, "raw_code": "select 1", **more})

    before = view(old(RAW), old(STG), old(MART), old(OTHER))
    same = view(*(one.model_copy(update={"raw_code": "select 1"}) for one in CHAIN))
    assert dev(build_plan(before, same)).nodes == ()
    after = view(old(RAW, description="It."), old(STG, raw_code="select 2"), old(MART), old(OTHER, materialized="view"))
    found = by_name(dev(build_plan(before, after)))
    assert {name: one.changes for name, one in found.items()} == {
        "raw": ("metadata",),
        "stg": ("sql",),
        "mart": ("upstream",),
        "other": ("config",),
    }


def test_in_another_place_everything_is_built_anew_and_tuning_builds_nothing() -> None:
    tuned = build_plan(view(*CHAIN), view(*CHAIN, threads=8))
    assert (dev(tuned).nodes, [one.path for one in dev(tuned).platform]) == ((), ["compute.threads"])
    assert not tuned.is_empty
    before, after = view(*CHAIN), view(*CHAIN)
    compute = after.artifact.environments["dev"].compute.model_copy(update={"type": "postgres"})
    moved = ArtifactView(
        "sha256:moved",
        after.artifact.model_copy(
            update={"environments": {"dev": after.artifact.environments["dev"].model_copy(update={"compute": compute})}}
        ),
        after.graphs,
    )
    plan = dev(build_plan(before, moved))
    assert (plan.counts.runs, plan.counts.changed) == (4, 4)
    assert {one.changes for one in plan.nodes} == {("config",)}
    assert [(one.path, one.before, one.after) for one in plan.platform] == [("compute.type", "duckdb", "postgres")]


def test_what_lands_from_now_on_has_to_run() -> None:
    plan = build_plan(view(RAW, spec="landing: {select: [seed]}"), view(RAW))
    assert by_name(dev(plan))["raw"].runs
    assert [change.path for change in plan.fields] == ["landing"]


PROD = "  prod: {profiles: {default: {compute: duckdb, storage: local, catalog: local}}}"


def test_environments_come_and_go() -> None:
    one, two = view(RAW), view(RAW, platform=PROD)
    added, removed = build_plan(one, two), build_plan(two, one)
    assert (added.environments["prod"].presence, added.environments["prod"].counts.runs) == ("added", 1)
    assert removed.environments["prod"].presence == "removed"
    assert [planned.action for planned in removed.environments["prod"].nodes] == ["removed"]
    assert impacts(added) == []
    assert impacts(removed) == [("breaking", "table", "prod"), ("warning", "version", "metadata.version")]


EXPOSED = node("orders", expose=True, columns=(column("id"), column("customer", "varchar", "pii")))


def test_cube_members_that_readers_lose() -> None:
    after = EXPOSED.model_copy(update={"columns": (column("ID", "bigint"), column("extra"))})
    plan = build_plan(view(EXPOSED), view(after))
    assert impacts(plan)[:2] == [("breaking", "cube", "orders.customer"), ("breaking", "cube", "orders.id")]
    assert [one.message for one in plan.impacts[:2]] == ["the column is gone", "its type is bigint, and was integer"]
    assert {one.environments for one in plan.impacts[:2]} == {("dev",)}
    spaced = EXPOSED.model_copy(update={"columns": (column("id", "INTEGER "), EXPOSED.columns[1])})
    assert impacts(build_plan(view(EXPOSED), view(spaced))) == []
    untyped = EXPOSED.model_copy(update={"columns": (column("id", None), EXPOSED.columns[1])})
    assert impacts(build_plan(view(EXPOSED), view(untyped))) == [("warning", "cube", "orders.id")]
    hidden = EXPOSED.model_copy(update={"expose": False})
    assert ("breaking", "cube", "orders") in impacts(build_plan(view(EXPOSED), view(hidden)))
    off = view(EXPOSED, spec="consumption: {cube: {enabled: false}}")
    assert ("breaking", "cube", "orders") in impacts(build_plan(view(EXPOSED), off))
    metric = ({"name": "revenue"},)
    assert ("breaking", "cube", "revenue") in impacts(build_plan(view(EXPOSED, metrics=metric), view(EXPOSED)))


def test_rows_that_callers_of_cube_lose() -> None:
    owned = "governance: {rowOwner: {column: brand, claim: brand_id}}"
    plain, restricted = view(EXPOSED), view(EXPOSED, spec=owned)
    assert ("breaking", "cube", "governance.rowOwner") in impacts(build_plan(plain, restricted))
    assert impacts(build_plan(restricted, plain)) == [("warning", "cube", "governance.rowOwner")]


def test_classifications_and_policies_by_what_readers_see() -> None:
    mask, role = "{pii: {action: mask}}", "{pii: {action: mask, requiresRole: [data_owner]}}"

    def told(before: ArtifactView, after: ArtifactView) -> list[tuple[str, str, str]]:
        return [one for one in impacts(build_plan(before, after)) if one[1] != "version"]

    assert told(view(EXPOSED), view(EXPOSED, policies=mask)) == [("breaking", "cube", "pii")]
    assert told(view(EXPOSED, policies=mask), view(EXPOSED)) == [("warning", "classification", "pii")]
    assert told(view(EXPOSED, policies=mask), view(EXPOSED, policies=role)) == [("warning", "classification", "pii")]
    assert told(view(RAW), view(RAW, policies=mask)) == [("info", "classification", "pii")]
    strict = build_plan(view(EXPOSED), view(EXPOSED, policies=role)).impacts[0].message
    assert strict == "masked but for data_owner to readers, and was shown; 1 served columns: orders.customer"

    def classified(name: str | None, **more: Any) -> Node:
        return EXPOSED.model_copy(update={"columns": (column("id"), column("customer", "varchar", name)), **more})

    where = ("orders.customer",)
    masked = {"policies": mask}
    assert told(view(classified(None), **masked), view(EXPOSED, **masked)) == [("breaking", "cube", *where)]  # type: ignore[arg-type]
    assert told(view(EXPOSED, **masked), view(classified("public"), **masked)) == [  # type: ignore[arg-type]
        ("warning", "classification", *where)
    ]
    assert told(view(EXPOSED), view(classified("financial"))) == [("info", "classification", *where)]
    assert told(view(EXPOSED), view(classified(None))) == [("warning", "classification", *where)]
    assert told(
        view(classified(None, expose=False), policies=mask), view(classified("pii", expose=False), policies=mask)
    ) == [("info", "classification", *where)]


@pytest.mark.parametrize(
    ("before", "after", "move"),
    [
        (None, ("mask", ()), Move.STRICTER),
        (("mask", ()), ("redact", ()), Move.STRICTER),
        (("mask", ("a",)), ("mask", ()), Move.STRICTER),
        (("mask", ("a", "b")), ("mask", ("b", "c")), Move.STRICTER),
        (("restrict", ("a",)), ("mask", ()), Move.STRICTER),
        (("redact", ()), ("mask", ()), Move.LOOSER),
        (("mask", ()), ("mask", ("a",)), Move.LOOSER),
        (("synthesize", ("a",)), None, Move.LOOSER),
        (("restrict", ()), ("synthesize", ()), Move.SAME),
        (None, ("none", ("a",)), Move.SAME),
    ],
)
def test_which_of_two_policies_shows_less(before: Any, after: Any, move: Move) -> None:
    one, other = (CompiledPolicy(action=item[0], requires_role=item[1]) if item else None for item in (before, after))
    assert compare_policies(one, other) is move
    assert compare_policies(one, one) is Move.SAME


def test_landed_tables_that_nothing_updates_any_more() -> None:
    renamed = RAW.model_copy(update={"identifier": "raw_orders"})
    viewed = RAW.model_copy(update={"materialized": "view"})
    for after, text in (
        (view(OTHER), "model.shop.raw is gone, and nothing updates its table any more"),
        (view(renamed, OTHER), "the table is main.raw_orders now"),
        (view(viewed, OTHER), "raw is view now, and does not land as a table any more"),
    ):
        first = build_plan(view(RAW, OTHER), after).impacts[0]
        assert (first.severity, first.kind, first.subject, first.message) == ("breaking", "table", "main.raw", text)
    replaced = node("raw", kind="seed", materialized="seed")
    assert impacts(build_plan(view(RAW), view(replaced))) == []


def test_columns_of_tables_and_what_dbt_enforces() -> None:
    plain = RAW.model_copy(update={"columns": (column("id"),)})
    bare = RAW.model_copy(update={"columns": ()})
    enforced = plain.model_copy(update={"contract_enforced": True})
    assert impacts(build_plan(view(plain), view(bare))) == [("warning", "table", "raw.id")]
    assert impacts(build_plan(view(enforced), view(bare)))[0] == ("breaking", "contract", "raw.id")
    assert impacts(build_plan(view(enforced), view(plain))) == [("warning", "contract", "raw")]


def test_an_incremental_node_keeps_its_old_rows() -> None:
    growing = node("raw", materialized="incremental")
    plan = build_plan(view(growing), view(changed(growing, body="x")))
    assert impacts(plan) == [("warning", "table", "main.raw")]
    assert "full refresh" in plan.impacts[0].message
    assert impacts(build_plan(view(growing), view(changed(growing, metadata="x")))) == []


def exposure(*reads: str) -> tuple[Exposure, ...]:
    ids = tuple(f"model.shop.{name}" for name in reads)
    return (Exposure(unique_id="exposure.shop.board", name="board", type="dashboard", depends_on=ids),)


def test_exposures_hear_of_the_worst_that_befalls_what_they_read() -> None:
    def told(*after: Node, reads: Iterable[str] = ("mart",)) -> Impact | None:
        plan = build_plan(view(*CHAIN, exposures=exposure("mart")), view(*after, exposures=exposure(*reads)))
        return next((one for one in plan.impacts if one.kind == "exposure"), None)

    assert told(*CHAIN) is None
    below = told(changed(RAW, body="x"), STG, MART, OTHER)
    assert below is not None
    assert (below.severity, below.subject) == ("info", "board")
    assert "because of model.shop.raw" in below.message
    direct = told(RAW, STG, changed(MART, body="x"), OTHER)
    assert direct is not None
    assert (direct.severity, direct.message) == ("warning", "it reads mart, which changes")
    gone = told(RAW, STG, OTHER, reads=("stg",))
    assert gone is not None
    assert (gone.severity, gone.message) == ("breaking", "it reads mart, which is gone")
    columns = MART.model_copy(update={"columns": (column("id"),)})
    plan = build_plan(view(columns, exposures=exposure("mart")), view(MART, exposures=exposure("mart")))
    assert [one.message for one in plan.impacts if one.kind == "exposure"] == [
        "it reads mart.id, which is gone or of another type"
    ]
    left = build_plan(view(*CHAIN, exposures=exposure("mart")), view(*CHAIN))
    assert impacts(left) == [("info", "exposure", "board")]


def contract(*fields: str, version: str = "1.0.0") -> CompiledDataContract:
    model = ContractedModel(
        name="orders", relation="orders", fields=tuple(ContractedField(name=name, type="integer") for name in fields)
    )
    return CompiledDataContract(
        id="c1",
        name="Orders",
        version=version,
        standard="v3.0.2",
        file="contracts/orders.yaml",
        digest=digest_of("".join(fields).encode()),
        models=(model,),
    )


def test_data_contracts_and_output_ports_are_promises() -> None:
    before, after = view(RAW, contracts=(contract("a", "b"),)), view(RAW, contracts=(contract("a", "c"),))
    plan = build_plan(before, after)
    assert impacts(plan)[:3] == [
        ("breaking", "contract", "Orders: orders.b"),
        ("warning", "version", "Orders"),
        ("warning", "version", "metadata.version"),
    ]
    assert ("info", "contract", "Orders: orders.c") in impacts(plan)
    assert [change.path for change in plan.fields] == ["data_contracts.c1.digest"]
    assert impacts(build_plan(before, view(RAW)))[0] == ("breaking", "contract", "Orders")


PORT = "outputPorts: [{{name: sales, model: raw, schema: [{}]}}]"


def test_output_ports_are_promises_too() -> None:
    before = view(RAW, spec=PORT.format("{name: id, type: integer, required: true}, {name: day, type: date}"))

    def told(columns: str, **more: Any) -> list[tuple[str, str, str]]:
        return [
            one
            for one in impacts(build_plan(before, view(RAW, spec=PORT.format(columns), **more)))
            if one[1] == "contract"
        ]

    assert told("{name: id, type: bigint, required: true}, {name: day, type: date}") == [
        ("breaking", "contract", "sales.id")
    ]
    assert told("{name: id, type: integer}, {name: day, type: date}") == [("breaking", "contract", "sales.id")]
    assert told("{name: id, type: integer, required: true}") == [("breaking", "contract", "sales.day")]
    assert impacts(build_plan(before, view(RAW)))[0] == ("breaking", "contract", "sales")
    other = PORT.format("{name: id, type: integer, required: true}, {name: day, type: date}").replace("raw", "other")
    assert impacts(build_plan(before, view(RAW, OTHER, spec=other)))[0] == ("warning", "contract", "sales")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("1.2.3", "1.2.3", "there is a breaking change, and the version stays 1.2.3; 2.0.0 would say so"),
        ("1.2.3", "1.3.0", "there is a breaking change, and the version goes from 1.2.3 to 1.3.0; 2.0.0 would say so"),
        ("1.2.3", "2.0.0-rc.1", None),
        ("0.4.0", "0.4.1", "there is a breaking change, and the version goes from 0.4.0 to 0.4.1; 0.5.0 would say so"),
        ("0.4.0", "0.5.0", None),
        ("0.4.0", "1.0.0", None),
        ("1.2.3", "1.1.0", "the version goes back from 1.2.3 to 1.1.0"),
    ],
)
def test_a_version_has_to_say_what_breaks(before: str, after: str, told: str | None) -> None:
    plan = build_plan(view(RAW, OTHER, version=before), view(OTHER, version=after))
    assert [one.message for one in plan.impacts if one.kind == "version"] == ([told] if told else [])
    harmless = build_plan(view(RAW, version=before), view(RAW, OTHER, version=before))
    assert harmless.impacts == ()


def test_fields_of_the_product_are_named() -> None:
    plan = build_plan(view(RAW), view(RAW, version="1.1.0", spec="schedule: {cron: 0 6 * * *}"))
    changes = {change.path: (change.before, change.after) for change in plan.fields}
    assert changes["product.version"] == ("1.0.0", "1.1.0")
    assert changes["schedule"][0] is None
    assert dev(plan).nodes == ()
    assert not plan.is_empty


NAMES = [f"n{number}" for number in range(7)]


@st.composite
def projects(draw: st.DrawFn) -> tuple[Node, ...]:
    """Some of a few names, each reading some before it, with parts that may differ between two projects."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True).map(sorted))
    nodes = []
    for index, name in enumerate(names):
        reads = draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        parts = {part: draw(st.sampled_from("12")) for part in ("body", "config", "metadata")}
        kind = draw(st.sampled_from(["table", "view", "ephemeral", "incremental"]))
        nodes.append(changed(node(name, *sorted(reads), materialized=kind), **parts))
    return tuple(nodes)


@given(projects())
def test_nothing_changes_against_itself(nodes: tuple[Node, ...]) -> None:
    plan = build_plan(view(*nodes), view(*nodes))
    assert plan.is_empty
    assert dev(plan).counts.unchanged == len(nodes)
    assert dev(plan).dbt_selection == ()
    assert unchanged_plan(plan) == plan


def actions(plan: Plan, action: str) -> set[str]:
    return {one.unique_id for one in dev(plan).nodes if one.action == action}


@given(projects(), projects())
def test_a_plan_and_its_reverse_and_why_each_node_runs(before: tuple[Node, ...], after: tuple[Node, ...]) -> None:
    there, back = build_plan(view(*before), view(*after)), build_plan(view(*after), view(*before))
    assert actions(there, "added") == actions(back, "removed")
    assert actions(there, "removed") == actions(back, "added")
    counts = dev(there).counts
    assert counts.added + counts.changed + counts.downstream + counts.unchanged == len(after)
    now = {one.unique_id: one for one in after}
    _holds(dev(there), now)
    assert Plan.read(there.model_dump(mode="json", exclude_none=True)) == there
    assert unchanged_plan(there) == build_plan(view(*after), view(*after))


def _holds(plan: EnvironmentPlan, now: Mapping[str, Node]) -> None:
    """Every node that runs changed itself, or can be traced to one that did; all that read a runner run."""
    planned = {one.unique_id: one for one in plan.nodes}
    built = {"sql", "config", "contract"}
    for one in plan.nodes:
        if one.because:
            cause = planned[one.because[0]]
            assert cause.action == "added" or built & set(cause.changes)
            for parent, child in pairwise(one.because):
                assert parent in now[child].depends_on
        elif one.runs:
            assert one.action == "added" or built & set(one.changes)
    for unique_id, one in now.items():
        below = any(planned[parent].runs for parent in one.depends_on if parent in planned)
        if below and one.materialized != "ephemeral":
            assert planned[unique_id].runs


def test_a_summary_fits_and_says_what_it_leaves_out() -> None:
    names = [f"a_model_with_a_rather_long_name_{number:04}" for number in range(900)]
    chain = [node(names[0]), *(node(name, names[0], columns=(column("id"),)) for name in names[1:])]
    after = [changed(chain[0], body="x"), *(one.model_copy(update={"columns": ()}) for one in chain[1:])]
    plan = build_plan(view(*chain, platform=PROD), view(*after, platform=PROD))
    short = summarised(plan)
    assert len(short.to_bytes()) < 64 * 1024 < len(plan.to_bytes())
    assert (short.is_summary, plan.is_summary) == (True, False)
    for name in ("dev", "prod"):
        one = short.environments[name]
        assert one.counts == plan.environments[name].counts
        assert one.omitted + len(one.nodes) == 900
        assert one.dbt_selection is None
        assert names[0] in by_name(one)  # the cause comes before what follows from it
    assert short.omitted_impacts + len(short.impacts) == len(plan.impacts)
    assert len(short.impacts) > 50
    assert summarised(short) == short
    small = build_plan(view(*CHAIN), view(changed(RAW, body="x"), STG, MART, OTHER))
    assert summarised(small) is small
