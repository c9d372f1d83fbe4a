"""Opening Iceberg catalogs, and their namespaces.

A kind of catalog is a plugin of the group `floe.catalogs`. Every function that talks to a catalog does so inside
`reaching`, which turns what the catalog's driver raises into `CatalogUnreachable`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchNamespaceError
from sqlalchemy.exc import IntegrityError, OperationalError

from floe_contracts.documents.placed import Unplaced
from floe_contracts.plugins.errors import PluginUnknown
from floe_contracts.plugins.registry import CATALOGS, load, read_options
from floe_lakehouse.errors import CatalogMisconfigured, CatalogUnreachable
from floe_lakehouse.identifiers import Identifier, checked

DEFAULT_NAME: Final = "floe"


def open_catalog(properties: Mapping[str, str]) -> Catalog:
    """Open the catalog that `properties` describe.

    Args:
        properties: `type`, the name of a plugin (floe brings `sql`), and its options: `sql` needs `uri` (an SQLAlchemy
            URL such as `sqlite:////data/catalog.db`) and `warehouse` (a folder or a URI under which tables stand).
            `name` is the catalog's name inside its database, the same for every process that shares it (`floe` if
            absent). Everything else is handed to pyiceberg as it is (`s3.endpoint`, ...).

    Raises:
        CatalogMisconfigured: an unknown type, a missing property, a `uri` that is none.
        PluginBroken: the plugin of this type cannot be loaded.
        CatalogUnreachable: the database cannot be opened.
    """
    kind = properties.get("type", "")
    try:
        plugin = load(CATALOGS, kind)
    except PluginUnknown as error:
        raise CatalogMisconfigured(f"{kind!r} is no type of catalog that floe knows", hint=error.hint) from error
    fields = {field.alias or name: field for name, field in plugin.options.model_fields.items()}
    if missing := [name for name, field in fields.items() if field.is_required() and not properties.get(name)]:
        raise CatalogMisconfigured(f"the catalog lacks {', '.join(missing)}", hint="set it beside `type`")
    given = {name: value for name, value in properties.items() if name in fields}
    rest = {name: value for name, value in properties.items() if name not in (*fields, "name", "type")}
    options = read_options(plugin, Unplaced(f"the catalog of type {kind}", given))
    with reaching("the catalog"):
        catalog: Catalog = plugin.open(properties.get("name") or DEFAULT_NAME, options, rest)
        return catalog


def ensure_namespace(catalog: Catalog, namespace: Identifier, properties: Mapping[str, str]) -> None:
    """Make `namespace` exist with at least these properties.

    May be called by many processes at once. Its parents are created too, without properties. Properties that differ are
    set; others that the namespace has are left alone.

    Args:
        catalog: the catalog.
        namespace: the levels, for a product `(tenant, environment, product)`.
        properties: what the namespace must have.

    Raises:
        InvalidIdentifier: a level that not every catalog can hold.
        CatalogUnreachable: the catalog does not answer.
    """
    checked(namespace, least=1)
    with reaching("the catalog"):
        for depth in range(1, len(namespace)):
            _create_if_absent(catalog, namespace[:depth], {})
        _create_if_absent(catalog, namespace, properties)
        present = catalog.load_namespace_properties(namespace)
        if changed := {key: value for key, value in properties.items() if present.get(key) != value}:
            catalog.update_namespace_properties(namespace, updates=changed)


@contextmanager
def reaching(what: str) -> Iterator[None]:
    """Turn a driver's failure to reach `what` into `CatalogUnreachable`.

    Raises:
        CatalogUnreachable: the block raised an error of the connection.
    """
    try:
        yield
    except (OperationalError, sqlite3.OperationalError) as error:
        reason = error.orig if isinstance(error, OperationalError) else error
        raise CatalogUnreachable(
            f"{what} cannot be reached: {reason}", hint="check its `uri`, and whether its database runs"
        ) from error


def _create_if_absent(catalog: Catalog, namespace: Identifier, properties: Mapping[str, str]) -> None:
    try:
        catalog.load_namespace_properties(namespace)
    except NoSuchNamespaceError:
        try:
            catalog.create_namespace(namespace, dict(properties))
        except (NamespaceAlreadyExistsError, IntegrityError):  # the SQL catalog lets the database's own error through
            return
