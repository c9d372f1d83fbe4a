"""A product's nodes as Dagster assets, and its tests as their checks."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import dagster
from dagster._core.definitions.utils import is_valid_owner

from floe_contracts.nodes import Check, Column, Node
from floe_executor.adapters.dagster_graph.partitions import partitions_definition
from floe_executor.adapters.dagster_graph.product_definition import ProductDefinition

SCHEMA: Final = "dagster/column_schema"
ROWS: Final = "dagster/row_count"
_TAG: Final = re.compile(r"[A-Za-z0-9_.-]{1,63}")
_OUTSIDE_A_NAME: Final = re.compile(r"[^A-Za-z0-9_]")
_OUTSIDE_A_KEY: Final = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True, slots=True)
class ProductAssets:
    """What Dagster has of a product.

    Attributes:
        keys: asset key of each node, by its id; a source that a Python transform builds has the key of that.
        built: the assets that a run builds.
        sources: the assets that others build.
        checks: the check that each test is, by the test's id.
        columns: descriptions of the columns of each node, by its id and their names.
    """

    keys: Mapping[str, dagster.AssetKey]
    built: tuple[dagster.AssetSpec, ...]
    sources: tuple[dagster.AssetSpec, ...]
    checks: Mapping[str, dagster.AssetCheckSpec]
    columns: Mapping[str, Mapping[str, Column]]


def product_assets(product: ProductDefinition) -> ProductAssets:
    """The assets of a product. All products share one instance: the keys begin with tenant, environment and product."""
    nodes = {node.unique_id: node for node in product.graph.nodes}
    keys = _keys(product)
    partitions = partitions_definition(product.place, product.partitions) if product.partitions else None
    aliases = {unique_id for unique_id, node in nodes.items() if node.resource_type == "source" and node.depends_on}
    built = tuple(_spec(product, node, keys, partitions) for node in nodes.values() if node.resource_type != "source")
    sources = tuple(
        _spec(product, node, keys, None)
        for node in nodes.values()
        if node.resource_type == "source" and node.unique_id not in aliases
    )
    return ProductAssets(
        keys=keys,
        built=built,
        sources=sources,
        checks=_checks(product, keys),
        columns={node.unique_id: {column.name: column for column in node.columns} for node in nodes.values()},
    )


def column_schema(columns: Mapping[str, Column], types: tuple[tuple[str, str], ...] = ()) -> dagster.TableSchema:
    """Dagster's schema of a table: as documented, or as it was built where types are given."""
    told = types or tuple((column.name, column.data_type or "unknown") for column in columns.values())
    return dagster.TableSchema([_column(name, kind, columns.get(name)) for name, kind in told])


def _column(name: str, kind: str, documented: Column | None) -> dagster.TableColumn:
    if documented is None:
        return dagster.TableColumn(name, kind)
    of = documented.classification
    return dagster.TableColumn(
        name,
        kind,
        description=documented.description or None,
        constraints=dagster.TableColumnConstraints(
            nullable="not_null" not in documented.constraints, unique="unique" in documented.constraints
        ),
        tags={"classification": of.classification, "sensitivity": of.sensitivity} if of else None,
    )


def _keys(product: ProductDefinition) -> dict[str, dagster.AssetKey]:
    prefix = [product.tenant, product.environment, product.product]
    names = {node.unique_id: _name(node) for node in product.graph.nodes}
    often = Counter(names.values())
    keys: dict[str, dagster.AssetKey] = {}
    taken: set[dagster.AssetKey] = set()
    for unique_id, name in names.items():
        package = [unique_id.split(".")[1]] if often[name] > 1 else []  # dbt allows a name once a package
        key = dagster.AssetKey([_legal(part) for part in (*prefix, *package, *name)])
        if key in taken:  # two names are spelt alike once they are legal
            key = dagster.AssetKey([*key.path[:-1], _marked(key.path[-1], unique_id)])
        taken.add(key)
        keys[unique_id] = key
    for node in product.graph.nodes:
        if node.resource_type == "source" and node.depends_on:
            keys[node.unique_id] = keys[node.depends_on[0]]
    return keys


def _name(node: Node) -> tuple[str, ...]:
    parts = tuple(node.unique_id.split(".")[2:])
    return parts if node.resource_type == "source" else ("_".join(parts),)  # a versioned model ends in its version


def _legal(part: str) -> str:
    """A part of a key, or the name of a check: dbt takes any letter in the name of a file, and Dagster does not."""
    return _OUTSIDE_A_KEY.sub(lambda found: "".join(f"_{byte:02x}" for byte in found[0].encode()), part)


def _marked(name: str, unique_id: str) -> str:
    return f"{name}__{hashlib.sha256(unique_id.encode()).hexdigest()[:8]}"


def _spec(
    product: ProductDefinition,
    node: Node,
    keys: Mapping[str, dagster.AssetKey],
    partitions: dagster.PartitionsDefinition[str] | None,
) -> dagster.AssetSpec:
    source = node.resource_type == "source"
    group = "sources" if source else product.groups.get(node.unique_id, node.resource_type)
    owner = node.owner or ("" if source else product.owner)
    tags = {tag: "" for tag in node.tags if _TAG.fullmatch(tag)}
    if node.tier:
        tags["floe/tier"] = node.tier
    return dagster.AssetSpec(
        key=keys[node.unique_id],
        deps=sorted({keys[one] for one in node.depends_on if one in keys and keys[one] != keys[node.unique_id]}),
        description=node.description or None,
        group_name="/".join(
            _OUTSIDE_A_NAME.sub("_", part) or "_" for part in (product.environment, product.product, group)
        ),
        owners=[owner] if is_valid_owner(owner) else None,
        tags=tags,
        kinds=_kinds(product, node),
        partitions_def=partitions,
        metadata=dict(_metadata(product, node, owner, set(node.tags) - set(tags))),
    )


def _kinds(product: ProductDefinition, node: Node) -> set[str]:
    if node.resource_type == "source":
        return {"source", product.compute}
    by = "python" if node.resource_type == "python" else "dbt"
    return {by, product.compute, _OUTSIDE_A_NAME.sub("_", node.materialized)[:63] or "table"}


def _metadata(product: ProductDefinition, node: Node, owner: str, other_tags: set[str]) -> Iterator[tuple[str, Any]]:
    yield "floe/node", node.unique_id
    yield "floe/artifact", product.artifact_digest
    yield "floe/file", node.path
    yield "dagster/table_name", ".".join(part for part in (node.database, node.schema_name, node.identifier) if part)
    if node.columns:
        yield SCHEMA, column_schema({column.name: column for column in node.columns})
    if owner and not is_valid_owner(owner):
        yield "floe/owner", owner
    if other_tags:
        yield "floe/tags", sorted(other_tags)


def _checks(product: ProductDefinition, keys: Mapping[str, dagster.AssetKey]) -> dict[str, dagster.AssetCheckSpec]:
    found: dict[str, dagster.AssetCheckSpec] = {}
    taken: set[tuple[dagster.AssetKey, str]] = set()

    def add(unique_id: str, asset: dagster.AssetKey, others: set[dagster.AssetKey], check: Check | None) -> None:
        parts = unique_id.split(".")
        name = _legal(parts[2] if len(parts) < 4 or parts[0] == "test" else ".".join(parts[3:]))
        if (asset, name) in taken:
            name = _marked(name, unique_id)
        taken.add((asset, name))
        found[unique_id] = dagster.AssetCheckSpec(
            name,
            asset=asset,
            additional_deps=sorted(others - {asset}),
            metadata={"floe/node": unique_id} | ({"column": check.column} if check and check.column else {}),
        )

    for node in product.graph.nodes:
        for check in node.checks:
            add(check.unique_id, keys[node.unique_id], {keys[one] for one in check.depends_on if one in keys}, check)
    for check in product.graph.checks:  # of several nodes: shown at the first of them
        tested = [keys[one] for one in check.depends_on if one in keys]
        if tested:
            add(check.unique_id, tested[0], set(tested), check)
    for unique_id, node_id in product.unit_tests.items():
        if node_id in keys:
            add(unique_id, keys[node_id], set(), None)
    return found
