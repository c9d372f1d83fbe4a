"""A product as Dagster assets: keys, groups, owners, kinds, columns, checks, partitions, jobs."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster
import pytest

from floe_contracts.compiled_product import CompiledPartitions
from floe_contracts.nodes import Check, Classification, Column, Node, NodeGraph
from floe_contracts.openlineage.naming import Place
from floe_executor.adapters.dagster_graph.assets import product_assets
from floe_executor.adapters.dagster_graph.code_location import definitions
from floe_executor.adapters.dagster_graph.jobs import job_name, pool_name
from floe_executor.adapters.dagster_graph.live_definitions import keep_definition, kept_definitions
from floe_executor.adapters.dagster_graph.partitions import partitions_definition
from floe_executor.adapters.dagster_graph.product_definition import ProductDefinition
from floe_executor.core import partitions
from floe_executor.errors import StartedElsewhere

PLACE = Place("default", "dev", "shop")
Key = dagster.AssetKey


def node(unique_id: str, **changes: object) -> Node:
    kind, _, name = unique_id.split(".", 2)
    fields: dict[str, object] = {
        "unique_id": unique_id,
        "name": name.split(".")[-1],
        "resource_type": kind,
        "materialized": "table",
        "database": "shop",
        "schema_name": "main",
        "identifier": name.split(".")[-1],
        "path": f"models/{name}.sql",
    }
    return Node.model_validate(fields | changes)


def product(*nodes: Node, **changes: object) -> ProductDefinition:
    checks = changes.pop("checks", ())
    fields: dict[str, object] = {
        "tenant": PLACE.tenant,
        "environment": PLACE.environment,
        "product": PLACE.product,
        "artifact_digest": "sha256:a",
        "compute": "duckdb",
        "graph": NodeGraph(project="shop", nodes=nodes, checks=checks),
    }
    return ProductDefinition.model_validate(fields | changes)


def spec_of(made: ProductDefinition, name: str) -> dagster.AssetSpec:
    key = Key(["default", "dev", "shop", *name.split("/")])
    shown = product_assets(made)
    return next(spec for spec in (*shown.built, *shown.sources) if spec.key == key)


def test_a_node_is_shown_with_all_that_is_known_of_it() -> None:
    orders = node(
        "model.shop.orders",
        description="One row an order.",
        owner="orders@example.com",
        tier="gold",
        tags=("daily", "not a tag!"),
        depends_on=("source.shop.raw.orders", "model.elsewhere.gone"),
        columns=(
            Column(
                name="customer",
                data_type="varchar",
                description="Who.",
                classification=Classification(classification="pii"),
                constraints=("not_null",),
            ),
            Column(name="id"),
        ),
    )
    made = product(node("source.shop.raw.orders"), orders, groups={"model.shop.orders": "sales & more"})
    spec = spec_of(made, "orders")
    assert spec.group_name == "dev/shop/sales___more"
    assert spec.owners == ["orders@example.com"]
    assert spec.kinds == {"dbt", "duckdb", "table"}
    assert spec.description == "One row an order."
    assert {"daily", "floe/tier"} <= spec.tags.keys()
    assert spec.tags["floe/tier"] == "gold"
    assert [one.asset_key for one in spec.deps] == [Key(["default", "dev", "shop", "raw", "orders"])]
    assert spec.metadata["dagster/table_name"] == "shop.main.orders"
    assert spec.metadata["floe/artifact"] == "sha256:a"
    assert spec.metadata["floe/tags"] == ["not a tag!"]
    customer, number = spec.metadata["dagster/column_schema"].columns
    assert (customer.name, customer.type, customer.description) == ("customer", "varchar", "Who.")
    assert not customer.constraints.nullable
    assert customer.tags["classification"] == "pii"
    assert (number.name, number.type) == ("id", "unknown")
    assert spec_of(made, "raw/orders").group_name == "dev/shop/sources"


@pytest.mark.parametrize(
    ("owner", "owners", "told"),
    [
        pytest.param("team:data", ["team:data"], None, id="a-team"),
        pytest.param("ann@example.com", ["ann@example.com"], None, id="an-address"),
        pytest.param("the data people", [], "the data people", id="neither"),
    ],
)
def test_an_owner_that_dagster_does_not_take_stands_in_the_metadata(
    owner: str, owners: list[str], told: str | None
) -> None:
    spec = spec_of(product(node("model.shop.orders"), owner=owner), "orders")
    assert list(spec.owners) == owners
    assert spec.metadata.get("floe/owner") == told


def test_keys_stay_apart_and_a_source_that_python_builds_is_that_table() -> None:
    made = product(
        node("model.shop.orders.v1"),
        node("model.shop.orders.v2"),
        node("model.shop.people"),
        node("model.utils.people"),
        node("python.shop.scores", path="../scores.py"),
        node("source.shop.outside.scores", depends_on=("python.shop.scores",)),
        node("model.shop.best", depends_on=("source.shop.outside.scores",)),
    )
    shown = product_assets(made)
    names = {unique_id: "/".join(key.path[3:]) for unique_id, key in shown.keys.items()}
    assert names == {
        "model.shop.orders.v1": "orders_v1",
        "model.shop.orders.v2": "orders_v2",
        "model.shop.people": "shop/people",
        "model.utils.people": "utils/people",
        "python.shop.scores": "scores",
        "source.shop.outside.scores": "scores",
        "model.shop.best": "best",
    }
    assert shown.sources == ()
    assert [one.asset_key for one in spec_of(made, "best").deps] == [Key(["default", "dev", "shop", "scores"])]
    assert spec_of(made, "scores").kinds == {"python", "duckdb", "table"}


def test_tests_are_checks_of_what_they_test() -> None:
    unique = Check(unique_id="test.shop.unique_orders_id.a1", name="unique", column="id")
    again = Check(unique_id="test.shop.unique_orders_id.b2", name="unique", column="id")
    of_source = Check(unique_id="test.shop.source_not_null.c3", name="not_null", column="id")
    across = Check(
        unique_id="test.shop.assert_balance",
        name="assert_balance",
        depends_on=("model.shop.orders", "model.shop.payments"),
    )
    made = product(
        node("source.shop.raw.orders", checks=(of_source,)),
        node("model.shop.orders", checks=(unique, again)),
        node("model.shop.payments"),
        checks=(across, Check(unique_id="test.shop.of_nothing", name="of_nothing")),
        unit_tests={"unit_test.shop.payments.adds_up": "model.shop.payments"},
    )
    shown = product_assets(made)
    found = {unique_id: (spec.asset_key.path[-1], spec.name) for unique_id, spec in shown.checks.items()}
    assert found == {
        "test.shop.source_not_null.c3": ("orders", "source_not_null"),
        "test.shop.unique_orders_id.a1": ("orders", "unique_orders_id"),
        "test.shop.unique_orders_id.b2": ("orders", "unique_orders_id__0c3b6bec"),
        "test.shop.assert_balance": ("orders", "assert_balance"),
        "unit_test.shop.payments.adds_up": ("payments", "adds_up"),
    }
    assert shown.checks["test.shop.source_not_null.c3"].asset_key.path[-2:] == ["raw", "orders"]
    others = shown.checks["test.shop.assert_balance"].additional_deps
    assert [one.asset_key.path[-1] for one in others] == ["payments"]


@pytest.mark.parametrize("kind", ["hourly", "daily", "weekly", "monthly"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_time_partitions_have_the_keys_of_floe(kind: str, zone: str) -> None:
    compiled = CompiledPartitions(type=kind, start="2026-01-01", end="2026-03-02", timezone=zone)
    made = partitions_definition(PLACE, compiled)
    now = datetime(2026, 6, 1, tzinfo=UTC)
    known = made.get_partition_keys(current_time=now)
    key = partitions.last_closed(compiled, datetime(2026, 2, 20, 10, 30, tzinfo=UTC))
    assert key in known
    first = known[0]
    assert partitions.window(compiled, first, now) is not None
    last = partitions.last_closed(compiled, datetime(2026, 3, 2, 22, 0, tzinfo=UTC))
    assert last is None or last in known


def test_static_and_dynamic_partitions() -> None:
    static = partitions_definition(PLACE, CompiledPartitions(type="static", keys=("north", "south")))
    assert static.get_partition_keys() == ["north", "south"]
    dynamic = partitions_definition(PLACE, CompiledPartitions(type="dynamic", name="stores"))
    assert isinstance(dynamic, dagster.DynamicPartitionsDefinition)
    assert dynamic.name == "default/dev/shop/stores"


def test_no_two_places_have_a_job_in_common() -> None:
    places = [
        Place("default", "dev", "a-b"),
        Place("default", "dev", "a_b"),
        Place("default", "dev-a", "b"),
        Place("default", "dev--a", "b"),
        Place("default", "dev", "a--b"),
        Place("default__dev", "a", "b"),
    ]
    names = {job_name(place) for place in places}
    assert len(names) == len(places)
    assert job_name(places[0]) == "default__dev__a_b"
    assert pool_name(places[0], "duckdb") == "duckdb/default__dev__a_b"
    assert pool_name(places[0], "postgres") is None


def test_the_instance_shows_what_was_defined_last() -> None:
    with dagster.DagsterInstance.ephemeral() as instance:
        assert list(kept_definitions(instance)) == []
        first = product(node("model.shop.orders"))
        assert keep_definition(instance, first)
        assert not keep_definition(instance, first)
        other = first.model_copy(update={"environment": "prod"})
        assert keep_definition(instance, other)
        newer = first.model_copy(update={"artifact_digest": "sha256:b", "compute": "postgres"})
        assert keep_definition(instance, newer)
        assert list(kept_definitions(instance)) == [newer, other]
        made = definitions(instance)
        assert {job.name for job in made.resolve_all_job_defs()} >= {"default__dev__shop", "default__prod__shop"}
        assert made.resolve_asset_graph().get_all_asset_keys() == {
            Key(["default", "dev", "shop", "orders"]),
            Key(["default", "prod", "shop", "orders"]),
        }


def test_dagster_does_not_build_by_itself() -> None:
    with dagster.DagsterInstance.ephemeral() as instance:
        keep_definition(instance, product(node("model.shop.orders")))
        job = definitions(instance).resolve_job_def("default__dev__shop")
        with pytest.raises(StartedElsewhere) as refused:
            job.execute_in_process(instance=instance)
        assert "floe run" in (refused.value.hint or "")


def test_names_that_are_spelt_alike_once_dagster_takes_them_stay_apart() -> None:
    tests = tuple(Check(unique_id=f"test.shop.{name}.1", name=name) for name in ("is good", "is_20good"))
    made = product(node("model.shop.a b", checks=tests), node("model.shop.a_20b"))
    shown = product_assets(made)
    assert len({spec.key for spec in shown.built}) == 2
    assert len({spec.key for spec in shown.checks.values()}) == 2
