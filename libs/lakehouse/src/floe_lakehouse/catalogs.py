"""Opening Iceberg catalogs, and their namespaces.

A kind of catalog is one row of `_KINDS`. Every function that talks to a catalog does so inside `reaching`, which turns
what the catalog's driver raises into `CatalogUnreachable`.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchNamespaceError
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError

from floe_lakehouse.errors import CatalogMisconfigured, CatalogUnreachable
from floe_lakehouse.identifiers import Identifier, checked
from floe_lakehouse.locations import warehouse_location

DEFAULT_NAME: Final = "floe"
# Writers of one SQLite file queue up; a commit takes milliseconds, so this long a queue means a stuck process.
_BUSY_TIMEOUT_SECONDS: Final = 60
_CREATION_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of catalog: the properties it cannot do without, and how it is opened."""

    required: tuple[str, ...]
    open: Callable[[str, dict[str, str]], Catalog]


def open_catalog(properties: Mapping[str, str]) -> Catalog:
    """Open the catalog that `properties` describe.

    Args:
        properties: `type` (`sql`) and what the type needs. `sql` needs `uri` (an SQLAlchemy URL such as
            `sqlite:////data/catalog.db`) and `warehouse` (a folder or a URI under which tables stand). `name` is the
            catalog's name inside its database, the same for every process that shares it (`floe` if absent).
            Everything else is handed to pyiceberg as it is (`s3.endpoint`, ...).

    Raises:
        CatalogMisconfigured: an unknown type, a missing property, a `uri` that is none.
        CatalogUnreachable: the database cannot be opened.
    """
    kind = _KINDS.get(properties.get("type", ""))
    if kind is None:
        raise CatalogMisconfigured(
            f"{properties.get('type')!r} is no type of catalog that floe knows", hint=f"known: {', '.join(_KINDS)}"
        )
    if missing := [key for key in kind.required if not properties.get(key)]:
        raise CatalogMisconfigured(f"the catalog lacks {', '.join(missing)}", hint="set it beside `type`")
    rest = {key: value for key, value in properties.items() if key not in ("name", "type")}
    with reaching("the catalog"):
        return kind.open(properties.get("name") or DEFAULT_NAME, rest)


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


def _open_sql(name: str, properties: dict[str, str]) -> Catalog:
    try:
        url = make_url(properties["uri"])
    except ArgumentError as error:
        # The text itself may hold a password, so it is not repeated.
        raise CatalogMisconfigured(
            "the catalog's `uri` is not an SQLAlchemy URL", hint="for example sqlite:////data/catalog.db"
        ) from error
    if url.get_backend_name() == "sqlite":
        url = _shared_sqlite(url)
    properties["uri"] = url.render_as_string(hide_password=False)
    properties["warehouse"] = warehouse_location(properties["warehouse"])
    for _ in range(_CREATION_TRIES):
        try:
            return SqlCatalog(name, **properties)
        except OperationalError as error:
            # pyiceberg looks for its two tables and then creates them, so that of two first openers one fails.
            if "already exists" not in str(error.orig):
                raise
            time.sleep(random.uniform(0, 0.02))  # noqa: S311 - jitter, not a secret
    raise CatalogUnreachable("the tables of the catalog could not be created: other processes were always faster")


def _shared_sqlite(url: URL) -> URL:
    """`url` with a busy timeout; its file is made ready for readers beside a writer."""
    if not url.database or url.database == ":memory:":
        return url
    file = Path(url.database)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CatalogUnreachable(f"the folder of the catalog's database cannot be created: {error}") from error
    with closing(sqlite3.connect(file, timeout=_BUSY_TIMEOUT_SECONDS)) as connection:
        connection.execute("pragma journal_mode=wal")
    return url if "timeout" in url.query else url.update_query_dict({"timeout": str(_BUSY_TIMEOUT_SECONDS)})


_KINDS: Final[Mapping[str, _Kind]] = {
    "sql": _Kind(required=("uri", "warehouse"), open=_open_sql),
}
