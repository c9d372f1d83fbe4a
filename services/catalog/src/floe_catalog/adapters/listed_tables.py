"""All tables below a namespace, whoever made them."""

from __future__ import annotations

from collections.abc import Iterator

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.exceptions import NoSuchNamespaceError
from sqlalchemy import select
from sqlalchemy.orm import Session

from floe_lakehouse.catalogs import reaching
from floe_lakehouse.identifiers import Identifier, dotted


def listed_tables(catalog: Catalog, namespace: Identifier) -> dict[str, str | None]:
    """The tables below a namespace: identifier -> its metadata file, where listing tells; none where there is none.

    Raises:
        CatalogUnreachable: the catalog does not answer, or not to the end.
    """
    with reaching("the catalog"):
        if isinstance(catalog, SqlCatalog):
            return _from_database(catalog, dotted(namespace))
        return {dotted(identifier): None for identifier in _below(catalog, namespace)}


def _from_database(catalog: SqlCatalog, namespace: str) -> dict[str, str | None]:
    """One query, which sees one moment; pyiceberg's own listing leaves the metadata's place out."""
    query = select(IcebergTables.table_namespace, IcebergTables.table_name, IcebergTables.metadata_location).where(
        IcebergTables.catalog_name == catalog.name,
        IcebergTables.table_namespace.startswith(namespace, autoescape=True),
    )
    with Session(catalog.engine) as session:
        rows = session.execute(query).all()
    return {f"{found}.{name}": location for found, name, location in rows if f"{found}.".startswith(f"{namespace}.")}


def _below(catalog: Catalog, namespace: Identifier) -> Iterator[Identifier]:
    try:
        yield from (tuple(identifier) for identifier in catalog.list_tables(namespace))
        for child in catalog.list_namespaces(namespace):
            yield from _below(catalog, tuple(child))
    except NoSuchNamespaceError:  # nothing was landed there, or it went while we looked
        return
