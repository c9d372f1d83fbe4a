"""A product whose data has owners and secrets: what the access tests ask Cube about.

Orders point at customers, customers at stores, and some of them at those of another owner. An exposure makes a view of
the three; payments stand in no view. Every environment has other policies for the same classifications.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from floe_contracts.artifacts import (
    Catalog,
    CompiledArtifacts,
    CompiledEnvironment,
    CompiledPolicy,
    CompiledRowOwner,
    Compute,
    DbtProject,
    ProductIdentity,
    Serving,
    Sources,
    Storage,
    Tools,
)
from floe_contracts.compiled_product import (
    CompiledConcurrency,
    CompiledObservability,
    CompiledOrchestration,
    CompiledRetries,
)
from floe_contracts.digests import digest_of
from floe_contracts.nodes import Check, Classification, Column, Exposure, Node, NodeGraph
from floe_semantic.core.rendering.render import Bundle, render

Action: TypeAlias = Literal["none", "mask", "redact", "restrict", "synthesize"]

SCHEMA: Final = "shop"
OWNER_COLUMN: Final = "brand"
CLAIM: Final = "brand"
OWNERS: Final = ("acme", "globex")
VIEW: Final = "board"
VIEWED: Final = ("orders", "customers", "stores")
"""The tables in the view, the one that it stands around first; where their keys are hidden, there is no view."""

POLICIES: Final[Mapping[str, Mapping[str, tuple[Action, tuple[str, ...]]]]] = {
    "dev": {"pii": ("synthesize", ("data-owner",)), "internal": ("none", ()), "secret": ("mask", ("__proto__",))},
    "staging": {"pii": ("redact", ("data-owner",)), "financial": ("mask", ("finance",)), "secret": ("restrict", ())},
    "prod": {
        "pii": ("mask", ("data-owner",)),
        "financial": ("restrict", ("data-owner", "finance")),
        "secret": ("redact", ("constructor",)),
        "place": ("mask", ("finance",)),
    },
    "closed": {"identifier": ("mask", ("hex_61",)), "place": ("restrict", ("data-owner",))},
}
"""environment -> classification -> (action, roles that see the column as it is). What none speaks of is shown."""

COLUMNS: Final[Mapping[str, tuple[tuple[str, str, str | None], ...]]] = {
    "stores": (
        ("store_id", "integer", "identifier"),
        ("brand", "varchar", None),
        ("city", "varchar", "internal"),
        ("rent", "integer", "financial"),
    ),
    "customers": (
        ("customer_id", "integer", "identifier"),
        ("brand", "varchar", None),
        ("store_id", "integer", "place"),
        ("email", "varchar", "pii"),
        ("born", "timestamp", "pii"),
        ("age", "integer", "pii"),
        ("segment", "varchar", None),
    ),
    "orders": (
        ("order_id", "integer", "identifier"),
        ("brand", "varchar", "internal"),
        ("customer_id", "integer", None),
        ("ordered_at", "timestamp", None),
        ("status", "varchar", None),
        ("amount", "integer", "financial"),
        ("note", "varchar", "secret"),
    ),
    "payments": (
        ("payment_id", "integer", "identifier"),
        ("brand", "varchar", None),
        ("method", "varchar", None),
        ("card", "varchar", "pii"),
        ("paid", "integer", "financial"),
        ("memo", "varchar", "secret"),
    ),
}
"""table -> (column, type, classification)."""

ROWS: Final[Mapping[str, tuple[tuple[Any, ...], ...]]] = {
    "stores": ((1, "acme", "Oslo", 900), (2, "globex", "Bergen", 700), (3, "acme", "Tromso", 500)),
    "customers": (
        (1, "acme", 1, "ann@acme.test", "1981-02-03 00:00:00", 44, "gold"),
        (2, "acme", 3, "bob@acme.test", "1992-03-04 00:00:00", 33, "silver"),
        (3, "globex", 1, "cyd@globex.test", "1970-04-05 00:00:00", 55, "gold"),
        (4, "globex", 2, "dee@globex.test", "2003-05-06 00:00:00", 22, "silver"),
        (5, "acme", 2, "eve@acme.test", "1959-06-07 00:00:00", 66, "gold"),
        (6, None, 1, "fay@nobody.test", "1948-07-08 00:00:00", 77, "bronze"),
    ),
    "orders": (
        (1, "acme", 1, "2026-01-01 10:00:00", "paid", 101, "note acme one"),
        (2, "acme", 2, "2026-01-02 11:00:00", "open", 203, "note acme two"),
        (3, "acme", 3, "2026-01-02 12:00:00", "paid", 307, "note acme three"),
        (4, "globex", 4, "2026-01-03 13:00:00", "paid", 409, "note globex four"),
        (5, "globex", 1, "2026-01-04 14:00:00", "open", 503, "note globex five"),
        (6, "acme", 5, "2026-02-01 15:00:00", "paid", 601, "note acme six"),
        (7, None, 1, "2026-02-02 16:00:00", "paid", 701, "note nobody seven"),
        (8, "undefined", 1, "2026-02-03 17:00:00", "paid", 809, "note undefined eight"),
        (9, "null", 1, "2026-02-03 18:00:00", "open", 907, "note null nine"),
        (10, "", 1, "2026-02-03 19:00:00", "open", 1009, "note empty ten"),
        (11, "acme,globex", 1, "2026-02-03 20:00:00", "open", 1103, "note list eleven"),
        (12, "[object Object]", 1, "2026-02-03 21:00:00", "open", 1201, "note object twelve"),
        (13, "7", 1, "2026-02-03 22:00:00", "open", 1301, "note number thirteen"),
        (14, "true", 1, "2026-02-03 23:00:00", "open", 1409, "note true fourteen"),
    ),
    "payments": (
        (1, "acme", "card", "4000-1111", 11, "memo acme one"),
        (2, "acme", "cash", "4000-2222", 23, "memo acme two"),
        (3, "globex", "card", "4000-3333", 31, "memo globex three"),
        (4, "globex", "card", "4000-4444", 41, "memo globex four"),
    ),
}

KEYS: Final = {"stores": "store_id", "customers": "customer_id", "orders": "order_id", "payments": "payment_id"}
JOINS: Final = (("orders", "customer_id", "customers"), ("customers", "store_id", "stores"))
"""(from, column, to): the column holds the key of the other."""

EXPRESSIONS: Final[Mapping[str, Mapping[str, tuple[str, frozenset[str]]]]] = {
    "orders": {
        "label": ("note || ' for ' || amount", frozenset({"note", "amount"})),
        "is_large": ("case when amount > 400 then 'large' else 'small' end", frozenset({"amount"})),
    },
    "payments": {"receipt": ("card || ' ' || memo", frozenset({"card", "memo"}))},
}
"""table -> dimension -> (SQL, the columns in it)."""

MEASURES: Final[Mapping[str, Mapping[str, tuple[str, str, frozenset[str]]]]] = {
    "orders": {
        "revenue": ("sum", "amount", frozenset({"amount"})),
        "largest": ("max", "amount", frozenset({"amount"})),
        "buyers": ("count_distinct", "customer_id", frozenset({"customer_id"})),
    },
    "customers": {
        "oldest": ("max", "age", frozenset({"age"})),
        "emails": ("count_distinct", "email", frozenset({"email"})),
    },
    "payments": {
        "total_paid": ("sum", "paid", frozenset({"paid"})),
        "cards": ("count_distinct", "card", frozenset({"card"})),
    },
}
"""table -> measure -> (aggregation, SQL, the columns in it)."""

METRICS: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "orders": {
        "revenue_": frozenset({"amount"}),
        "orders_": frozenset({"customer_id"}),
        "average_order": frozenset({"amount", "customer_id"}),
        "twice": frozenset({"amount"}),
        "revenue_so_far": frozenset({"amount"}),
        "large_orders": frozenset({"customer_id", "amount"}),
    }
}
"""table -> metric -> the columns in it."""


def statements() -> list[str]:
    """What makes the tables, in the SQL that DuckDB and PostgreSQL have in common."""
    made = [f"create schema {SCHEMA}", "create schema floe_serve"]
    # Where Cube looks whether a table has changed.
    made.append("create table floe_serve.tables (schema_name varchar, table_name varchar, snapshot_id bigint)")
    for table, columns in COLUMNS.items():
        declared = ", ".join(f"{name} {data_type}" for name, data_type, _ in columns)
        values = ", ".join("(" + ", ".join(map(_literal, row)) + ")" for row in ROWS[table])
        made += [f"create table {SCHEMA}.{table} ({declared})", f"insert into {SCHEMA}.{table} values {values}"]
    return made


def bundle(environment: str) -> Bundle:
    """What floe renders for `environment`."""
    return render(artifact(), graph(), environment)


def graph() -> NodeGraph:
    """The product's nodes, its semantic models and its exposure."""
    return NodeGraph(
        project="shop",
        nodes=tuple(_node(table) for table in COLUMNS),
        checks=(),
        exposures=(
            Exposure(
                unique_id="exposure.shop.board",
                name=VIEW,
                type="dashboard",
                depends_on=tuple(f"model.shop.{table}" for table in VIEWED),
            ),
        ),
        semantic_models=tuple(_semantic_model(table) for table in COLUMNS if table in MEASURES),
        metrics=(
            _metric("average_order", "ratio", numerator={"name": "revenue_"}, denominator={"name": "orders_"}),
            _metric("twice", "derived", expr="2 * revenue_", metrics=[{"name": "revenue_"}]),
            _metric("revenue_", "simple", measure={"name": "revenue"}),
            _metric("orders_", "simple", measure={"name": "buyers"}),
            {**_metric("large_orders", "simple", measure={"name": "buyers"}), "filter": _where("is_large", "large")},
            _metric(
                "revenue_so_far", "cumulative", measure={"name": "revenue"}, cumulative_type_params={"window": None}
            ),
        ),
    )


def _node(table: str) -> Node:
    checks = tuple(
        Check(
            unique_id=f"test.shop.relationships_{table}_{column}",
            name="relationships",
            column=column,
            to_node=f"model.shop.{target}",
            to_column=KEYS[target],
        )
        for source, column, target in JOINS
        if source == table
    )
    return Node(
        unique_id=f"model.shop.{table}",
        name=table,
        resource_type="model",
        materialized="table",
        database="warehouse",
        schema_name=SCHEMA,
        identifier=table,
        path=f"models/{table}.sql",
        expose=True,
        primary_key=(KEYS[table],),
        checks=checks,
        columns=tuple(
            Column(
                name=name,
                data_type=data_type,
                classification=Classification(classification=classification) if classification else None,
            )
            for name, data_type, classification in COLUMNS[table]
        ),
    )


def _semantic_model(table: str) -> dict[str, Any]:
    return {
        "unique_id": f"semantic_model.shop.{table}",
        "name": table,
        "depends_on": {"nodes": [f"model.shop.{table}"]},
        "defaults": {"agg_time_dimension": "ordered_at" if table == "orders" else None},
        "entities": [{"name": table.removesuffix("s"), "type": "primary", "expr": KEYS[table]}],
        "dimensions": [
            *(
                {"name": name, "type": "categorical", "expr": sql}
                for name, (sql, _) in EXPRESSIONS.get(table, {}).items()
            ),
            *(
                [{"name": "ordered_at", "type": "time", "type_params": {"time_granularity": "day"}}]
                if table == "orders"
                else []
            ),
        ],
        "measures": [
            {"name": name, "agg": aggregation, "expr": sql} for name, (aggregation, sql, _) in MEASURES[table].items()
        ],
    }


def _metric(name: str, kind: str, **parameters: Any) -> dict[str, Any]:
    return {"unique_id": f"metric.shop.{name}", "name": name, "type": kind, "type_params": parameters}


def _where(dimension: str, value: str) -> dict[str, Any]:
    template = f"{{{{ Dimension('order__{dimension}') }}}} = '{value}'"
    return {"where_filters": [{"where_sql_template": template}]}


def artifact() -> CompiledArtifacts:
    """The product as compiled, without the digests of its nodes."""
    return CompiledArtifacts(
        product=ProductIdentity(name="shop", version="1.0.0", description="", owner="shop@example.com", labels={}),
        sources=Sources(bundle=digest_of(b"bundle"), platform=digest_of(b"platform")),
        tools=Tools(dbt_core="1.11.16", adapters={"duckdb": "1.11.1"}),
        transforms=(DbtProject(path="dbt"),),
        landing=("table", "incremental"),
        serving=Serving(cube=True, row_owner=CompiledRowOwner(column=OWNER_COLUMN, claim=CLAIM)),
        triggers=(),
        orchestration=CompiledOrchestration(
            retries=CompiledRetries(max_attempts=1, delay_seconds=0, backoff="constant"),
            concurrency=CompiledConcurrency(queue="queue", partitions=1),
        ),
        observability=CompiledObservability(traces=True, metrics=True, lineage=True, attributes={}),
        environments={environment: _environment(policies) for environment, policies in POLICIES.items()},
    )


def _environment(policies: Mapping[str, tuple[Action, tuple[str, ...]]]) -> CompiledEnvironment:
    return CompiledEnvironment(
        refs=("*",),
        compute=Compute(name="duckdb", type="duckdb", threads=1),
        storage=Storage(name="local", type="local"),
        catalog=Catalog(name="local", type="sql"),
        policies={
            name: CompiledPolicy(action=action, requires_role=roles) for name, (action, roles) in policies.items()
        },
        manifest=digest_of(b"manifest"),
        nodes=digest_of(b"nodes"),
    )


def _literal(value: Any) -> str:
    return "null" if value is None else repr(value)
