"""The datasets of a run: what each node builds or reads, as the project documents it and as dbt found it to be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from floe_contracts.artifacts import CompiledEnvironment
from floe_contracts.events import LandedTable
from floe_contracts.nodes import Check, Node, NodeGraph
from floe_contracts.openlineage import dataset_facets as facets
from floe_contracts.openlineage import naming
from floe_contracts.openlineage.facet import Facet
from floe_contracts.openlineage.naming import Place
from floe_executor.core.landed_table import Landed
from floe_executor.core.lineage.meta import meta_tags, owner_of

Dataset = dict[str, Any]

_VIEWS: Final = frozenset({"view", "materialized_view"})
_REPLACED: Final = frozenset({"table", "seed"})
_EPHEMERAL: Final = "ephemeral"
_IDENTITY: Final = facets.transformation("DIRECT", "IDENTITY")


class Datasets:
    """The datasets of one environment; what dbt finds out about their columns is remembered for those who read them."""

    def __init__(self, place: Place, graph: NodeGraph, environment: CompiledEnvironment) -> None:
        self._place = place
        self._environment = environment
        self._nodes = {node.unique_id: node for node in graph.nodes}
        self._checked = {check.unique_id: (node, check) for node in graph.nodes for check in node.checks}
        self._single = {check.unique_id: check for check in graph.checks}
        self._namespaces: dict[str | None, str] = {}
        self._made: dict[str, Dataset] = {}
        self._learnt: set[str] = set()
        self._rows: dict[str, int] = {}
        self._read: dict[str, tuple[Node, ...]] = {}

    def node(self, unique_id: str) -> Node | None:
        """The node of that id; None for tests and whatever else is no relation."""
        return self._nodes.get(unique_id)

    def rows(self, unique_id: str) -> int | None:
        """The rows of a node's table, where they are known."""
        return self._rows.get(unique_id)

    def warehouse(self, node: Node | None) -> str:
        """The type of the warehouse that a node is built in; without a node, that of the environment."""
        own = self._environment.computes.get(node.compute) if node and node.compute else None
        return (own or self._environment.compute).type

    def learn(self, unique_id: str, columns: Sequence[tuple[str, str]], rows: int | None) -> None:
        """Remember what was found out about a node's relation."""
        if rows is not None:
            self._rows[unique_id] = rows
        node = self._nodes.get(unique_id)
        if columns and node is not None:
            documented = {column.name.lower(): column.description for column in node.columns}
            real = [(name, kind, documented.get(name.lower(), "")) for name, kind in columns]
            dataset = self.of_node(node)
            self._made[unique_id] = _with_schema(dataset, real)
            self._learnt.add(unique_id)

    def of_node(self, node: Node) -> Dataset:
        """The relation of a node. Not to be changed: every event that speaks of it shares it."""
        if node.unique_id not in self._made:
            namespace = self._namespace(node.compute)
            described = _described(node, namespace)
            self._made[node.unique_id] = facets.dataset((namespace, naming.relation(node)), described)
        return self._made[node.unique_id]

    def inputs(self, node: Node) -> list[Dataset]:
        """What a node reads; through an ephemeral model, which is no relation, what that one reads."""
        return [self.of_node(parent) for parent in self.parents(node)]

    def parents(self, node: Node) -> Sequence[Node]:
        """The nodes whose relations a node reads."""
        if node.unique_id not in self._read:
            self._read[node.unique_id] = tuple(self._relations(node.depends_on, set()))
        return self._read[node.unique_id]

    def names(self, depends_on: Iterable[str]) -> list[Dataset]:
        """The relations that somebody reads, by their names alone."""
        found = (self.of_node(node) for node in self._relations(depends_on, set()))
        return [facets.dataset((dataset["namespace"], dataset["name"]), {}) for dataset in found]

    def output(self, node: Node, *, full_refresh: bool, rows: int | None) -> Dataset:
        """What a node has written."""
        made = self.of_node(node)
        change = _change(node, full_refresh=full_refresh)
        if change:
            made = made | {"facets": made["facets"] | {"lifecycleStateChange": facets.lifecycle(change)}}
        if rows is not None:
            made = made | {"outputFacets": {"outputStatistics": facets.output_statistics(rows=rows)}}
        return made

    def tested(self, unique_id: str) -> tuple[Check | None, list[Node], list[Node]]:
        """A test, the nodes that it is about, and the others that it reads."""
        if unique_id in self._checked:
            node, check = self._checked[unique_id]
            about, other = self._built(node.unique_id) or node, self._built(check.to_node) if check.to_node else None
            return check, [about], [other] if other is not None and other is not about else []
        single = self._single.get(unique_id)
        found = [self._built(parent) for parent in (single.depends_on if single else ())]
        return single, [node for node in found if node is not None], []

    def about(self, unique_id: str) -> Node | None:
        """The first of the nodes that a test is about."""
        return next(iter(self.tested(unique_id)[1]), None)

    def landed(self, landed: Landed, *, location: str | None) -> Dataset:
        """The Iceberg table that a node has become."""
        table, columns = landed.table, landed.columns
        name = naming.iceberg_dataset(self._place, table.identifier)
        catalog = self._environment.catalog
        levels = [("NAMESPACE", level) for level in table.identifier.split(".")[:-1]]
        described: dict[str, Facet] = {
            "dataSource": facets.data_source(name[0]),
            "datasetType": facets.dataset_type("TABLE", "ICEBERG"),
            "version": facets.version(str(table.snapshot_id)),
            "catalog": facets.catalog(name=catalog.name, kind=catalog.type),
            "storage": facets.storage("iceberg", "parquet"),
            "hierarchy": facets.hierarchy(
                [("CATALOG", catalog.name), *levels, ("TABLE", table.identifier.rpartition(".")[2])]
            ),
        }
        if location:
            described["symlinks"] = facets.symlinks([(*naming.stored_dataset(location), "LOCATION")])
        if change := _landed_change(table, created=landed.created):
            described["lifecycleStateChange"] = facets.lifecycle(change)
        node = self._nodes.get(table.unique_id)
        if node is not None:
            documented = {column.name.lower(): column.description for column in node.columns}
            columns = [(name, kind, text or documented.get(name.lower(), "")) for name, kind, text in columns]
            described |= _meaning(node)
            if identities := self._identities(node, landed):
                described["columnLineage"] = facets.column_lineage(identities)
        described["schema"] = facets.schema(columns)
        written = {"outputStatistics": facets.output_statistics(rows=table.rows, size=table.bytes, files=table.files)}
        if commit := landed.commit:
            written["icebergCommitReport"] = facets.iceberg_commit(
                table.snapshot_id,
                operation=commit.operation,
                sequence_number=commit.sequence_number,
                summary=commit.summary,
            )
        return facets.dataset(name, described, outputFacets=written)

    def read_by_landing(self, node: Node, landed: Landed | None) -> Dataset:
        """The relation that a landing copies, with the rows that were read where all of them were copied.

        One that an earlier attempt has built has the columns that were copied: whoever reads of columns made of others
        looks for those in the same run.
        """
        dataset = self.of_node(node)
        if landed is not None and landed.source_columns and node.unique_id not in self._learnt:
            documented = {column.name.lower(): (column.data_type, column.description) for column in node.columns}
            copied = [(name, *documented.get(name.lower(), (None, ""))) for name in landed.source_columns]
            dataset = _with_schema(dataset, copied)
        if landed is None or landed.table.mode != "replace":
            return dataset
        return dataset | {"inputFacets": {"inputStatistics": facets.input_statistics(rows=landed.table.rows)}}

    def _identities(self, node: Node, landed: Landed) -> dict[str, list[Mapping[str, Any]]]:
        """By the columns of a landed table, the columns of the relation that they are copied from."""
        relation = (self._namespace(node.compute), naming.relation(node))
        copied = {name.casefold(): name for name in landed.source_columns}
        return {
            name: [facets.input_field(relation, copied[name.casefold()], _IDENTITY)]
            for name, _, _ in landed.columns
            if name.casefold() in copied
        }

    def _relations(self, depends_on: Iterable[str], seen: set[str]) -> Iterator[Node]:
        for unique_id in depends_on:
            parent = self._built(unique_id)
            if parent is None or parent.unique_id in seen:
                continue
            seen.add(parent.unique_id)
            if parent.materialized == _EPHEMERAL:
                yield from self._relations(parent.depends_on, seen)
            else:
                yield parent

    def _built(self, unique_id: str) -> Node | None:
        """The node of that id; for a source that is the table of a Python transform, the transform."""
        node = self._nodes.get(unique_id)
        if node is None or node.resource_type != "source" or not node.depends_on:
            return node
        return self._nodes.get(node.depends_on[0], node)

    def _namespace(self, compute: str | None) -> str:
        found = self._environment.computes.get(compute) if compute else None
        name = compute if found else None
        if name not in self._namespaces:
            used = found or self._environment.compute
            self._namespaces[name] = naming.warehouse_namespace(self._place, used.type, used.properties)
        return self._namespaces[name]


def _with_schema(dataset: Dataset, columns: Iterable[tuple[str, str | None, str]]) -> Dataset:
    return dataset | {"facets": dataset["facets"] | {"schema": facets.schema(columns)}}


def _described(node: Node, namespace: str) -> dict[str, Facet]:
    """The facets of a node's relation, as far as the project documents it."""
    is_view = node.materialized in _VIEWS
    kind = "VIEW" if is_view else "TABLE"
    sub_type = "MATERIALIZED" if node.materialized == "materialized_view" else None
    names = (("DATABASE", node.database), ("SCHEMA", node.schema_name), (kind, node.identifier))
    described = {
        "dataSource": facets.data_source(namespace),
        "datasetType": facets.dataset_type(kind, sub_type),
        "hierarchy": facets.hierarchy([(level, name) for level, name in names if name]),
    }
    if node.columns:
        documented = ((each.name, each.data_type, each.description) for each in node.columns)
        described["schema"] = facets.schema(documented, ordered=False)
    return described | _meaning(node)


def _meaning(node: Node) -> dict[str, Facet]:
    """What the project says about the data of a node, wherever it is stored."""
    tags = [(tag, "true", "DBT") for tag in node.tags]
    if node.tier:
        tags.append(("tier", node.tier, "FLOE"))
    tags += meta_tags(node)
    owner = owner_of(node)
    said: Mapping[str, Facet | None] = {
        "documentation": facets.documentation(node.description) if node.description else None,
        "ownership": facets.owners(owner) if owner else None,
        "floe_classification": facets.classification(node.columns),
        "tags": facets.tags(tags, node.columns),
    }
    return {key: facet for key, facet in said.items() if facet is not None}


def _change(node: Node, *, full_refresh: bool) -> str | None:
    if node.materialized in _REPLACED or (full_refresh and node.materialized == "incremental"):
        return "OVERWRITE"
    return "CREATE" if node.materialized in _VIEWS else None


def _landed_change(table: LandedTable, *, created: bool) -> str | None:
    if created:
        return "CREATE"
    return "OVERWRITE" if table.mode in {None, "replace"} else None
