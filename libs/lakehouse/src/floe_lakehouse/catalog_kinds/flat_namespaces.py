"""Namespaces of several levels in catalogs that have one level of databases: Glue and Hive.

A database is called by its levels in the signs that both take, `[a-z0-9_]`, so that it can be read back: levels are
joined by `__`, and any other sign, `_` among them, is `_` and its byte in hex. A namespace of one level keeps its name.
"""

from __future__ import annotations

import re
from typing import Final

from pyiceberg.catalog import Catalog, MetastoreCatalog
from pyiceberg.exceptions import NamespaceNotEmptyError, NoSuchNamespaceError, NoSuchTableError
from pyiceberg.typedef import Identifier

_BETWEEN: Final = "__"
_KEPT: Final = re.compile(r"[a-z0-9]")
_PART: Final = re.compile(r"__|_([0-9a-f]{2})|([a-z0-9])")


def database_of(namespace: Identifier) -> str:
    """The database that stands for a namespace."""
    return namespace[0] if len(namespace) == 1 else _BETWEEN.join(map(_level, namespace))


def namespace_of(database: str) -> Identifier:
    """The namespace that a database stands for; its own name, where it is none of `database_of`."""
    levels, place = [bytearray()], 0
    while match := _PART.match(database, place):
        place = match.end()
        if match[0] == _BETWEEN:
            levels.append(bytearray())
        else:
            levels[-1] += bytes.fromhex(match[1]) if match[1] else match[2].encode()
    try:
        found = tuple(level.decode() for level in levels)
    except UnicodeDecodeError:
        return (database,)
    return found if database_of(found) == database else (database,)


class FlatNamespaces(MetastoreCatalog):
    """Gives a kind of pyiceberg's that knows databases only namespaces of several levels; to be inherited before it."""

    @staticmethod
    def identifier_to_database(
        identifier: str | Identifier, err: type[ValueError | NoSuchNamespaceError] = ValueError
    ) -> str:
        """The database of a namespace."""
        levels = Catalog.identifier_to_tuple(identifier)
        if not levels:
            raise err("a namespace has one level at least")
        return database_of(levels)

    @staticmethod
    def identifier_to_database_and_table(
        identifier: str | Identifier,
        err: type[ValueError | NoSuchTableError | NoSuchNamespaceError] = ValueError,
    ) -> tuple[str, str]:
        """The database of a table, and its name in it."""
        levels = Catalog.identifier_to_tuple(identifier)
        if len(levels) < 2:
            raise err(f"{'.'.join(levels)!r} names no namespace")
        return database_of(levels[:-1]), levels[-1]

    def list_namespaces(self, namespace: str | Identifier = ()) -> list[Identifier]:
        """As in `Catalog`."""
        above = Catalog.identifier_to_tuple(namespace)
        known = {namespace_of(database) for (database,) in super().list_namespaces()}  # type: ignore[safe-super]
        below = {levels[: len(above) + 1] for levels in known if len(levels) > len(above)}
        return sorted(levels for levels in below if levels[:-1] == above)

    def list_tables(self, namespace: str | Identifier) -> list[Identifier]:
        """As in `Catalog`."""
        return [(*namespace_of(database), name) for database, name in super().list_tables(namespace)]  # type: ignore[safe-super]

    def drop_namespace(self, namespace: str | Identifier) -> None:
        """As in `Catalog`."""
        if below := self.list_namespaces(namespace):
            raise NamespaceNotEmptyError(f"there are namespaces below it, as {'.'.join(below[0])}")
        super().drop_namespace(namespace)  # type: ignore[safe-super]


def _level(level: str) -> str:
    return "".join(
        sign if _KEPT.fullmatch(sign) else "".join(f"_{byte:02x}" for byte in sign.encode()) for sign in level
    )
