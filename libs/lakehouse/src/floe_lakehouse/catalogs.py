"""Opening Iceberg catalogs, and their namespaces.

A kind of catalog is a plugin of the group `floe.catalogs`. Every function that talks to a catalog does so inside
`reaching`, which turns what the catalog's driver raises into floe's errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError
from sqlalchemy.exc import IntegrityError

from floe_contracts.documents.placed import Unplaced
from floe_contracts.plugins.errors import PluginUnknown
from floe_contracts.plugins.registry import CATALOGS, load, read_options
from floe_lakehouse.catalog_failures import failure_of
from floe_lakehouse.errors import CatalogMisconfigured
from floe_lakehouse.identifiers import Identifier, checked

DEFAULT_NAME: Final = "floe"


def open_catalog(properties: Mapping[str, str]) -> Catalog:
    """Open the catalog that `properties` describe.

    Args:
        properties: `type`, the name of a plugin (floe brings `sql`, `rest`, `polaris`, `nessie`, `glue` and `hive`),
            and its options: `sql` needs `uri` (an SQLAlchemy URL such as `sqlite:////data/catalog.db`) and `warehouse`
            (a folder or a URI under which tables stand). `name` is the catalog's name inside its database, the same for
            every process that shares it (`floe` if absent). Everything else is handed to pyiceberg as it is
            (`s3.endpoint`, ...).

    Raises:
        CatalogMisconfigured: an unknown type, a missing property, a `uri` that is none.
        PluginBroken: the plugin of this type cannot be loaded.
        CatalogUnreachable: the database or server does not answer.
        CatalogRefused: it does not take the credentials.
        CatalogRequestRefused: it does not know the warehouse.
        CatalogDriverMissing: a package that the type needs is not installed.
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

    May be called by many processes at once. Parents that do not exist are created too, without properties; those of a
    namespace that exists are not looked at, since who may write a product's need not see what stands above it.
    Properties that differ are set; others that the namespace has are left alone.

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
        missing = 0
        while missing < len(namespace) and not catalog.namespace_exists(namespace[: len(namespace) - missing]):
            missing += 1
        for depth in range(len(namespace) - missing + 1, len(namespace) + 1):
            _create(catalog, namespace[:depth], properties if depth == len(namespace) else {})
        present = catalog.load_namespace_properties(namespace)
        if changed := {key: value for key, value in properties.items() if present.get(key) != value}:
            catalog.update_namespace_properties(namespace, updates=changed)


@contextmanager
def reaching(what: str) -> Iterator[None]:
    """Turn what a driver says of the connection to `what` into floe's errors; all else is raised as it is.

    So are the answers that callers look at themselves: a table or namespace that is not there, or is there already, and
    what became of a commit (`CommitFailedException`, `CommitStateUnknownException`, `ValidationException`).

    Raises:
        CatalogUnreachable: the catalog does not answer, or is overloaded.
        CatalogRefused: it does not take the credentials, or does not let their owner do this.
        CatalogRequestRefused: it says that the request is wrong.
        CatalogLacks: its server does not offer the operation.
        CatalogDriverMissing: a package is not installed.
    """
    try:
        yield
    except Exception as error:
        if failure := failure_of(what, error):
            raise failure from error
        raise


def _create(catalog: Catalog, namespace: Identifier, properties: Mapping[str, str]) -> None:
    # The SQL catalog lets the database's own error through.
    with suppress(NamespaceAlreadyExistsError, IntegrityError):
        catalog.create_namespace(namespace, dict(properties))
