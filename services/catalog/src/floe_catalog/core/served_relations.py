"""Which tables of a product are shown to readers, and as which relations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from floe_catalog.core.declared_tables import DeclaredTable
from floe_lakehouse.identifiers import Identifier


@dataclass(frozen=True, slots=True)
class ServedRelation:
    """A table by its levels in the catalog, and the relation of dbt as which it is shown."""

    levels: Identifier
    schema_name: str
    table_name: str


def served_relations(
    namespace: Identifier, declared: Mapping[str, DeclaredTable], listed: Iterable[str]
) -> Iterator[ServedRelation]:
    """The relations of a product: those that its project declares, then what else stands in its namespace.

    A catalog's name of a table may differ from dbt's, and what is no longer declared is shown under the catalog's.

    Args:
        namespace: the product's, under which its schemas are.
        declared: the tables that the project declares, by identifier.
        listed: the identifiers of the tables below the namespace.
    """
    there = sorted(listed)
    for identifier in sorted(declared):
        table = declared[identifier]
        if table.attached or identifier in there:
            yield ServedRelation(table.levels, *table.relation)
    for identifier in there:
        levels = tuple(identifier.split("."))
        if identifier not in declared and len(levels) == len(namespace) + 2:
            yield ServedRelation(levels, *levels[-2:])
