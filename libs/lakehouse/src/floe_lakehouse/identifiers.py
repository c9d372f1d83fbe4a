"""Names of namespaces and tables: a tuple of levels, the table's name last."""

from __future__ import annotations

from typing import TypeAlias

from floe_contracts.openlineage.naming import Place
from floe_lakehouse.errors import InvalidIdentifier

Identifier: TypeAlias = tuple[str, ...]


def product_namespace(place: Place) -> Identifier:
    """The namespace of a product in an environment; the schemas of its tables are namespaces below it."""
    return (place.tenant, place.environment, place.product)


def product_table(place: Place, schema: str, name: str) -> Identifier:
    """The table of a product's relation.

    Warehouses take names that no catalog takes, such as `v1.2`: a sign that no level may hold becomes `_` and its code.
    """
    return (*product_namespace(place), _as_level(schema), _as_level(name))


def dotted(identifier: Identifier) -> str:
    """`acme.dev.orders.customers`, for messages."""
    return ".".join(identifier)


def checked(identifier: Identifier, *, least: int) -> Identifier:
    """`identifier` itself, if every catalog reads it in the same way.

    A SQL catalog stores a namespace as its levels joined by dots, and every level becomes a part of a path, so a
    level holds neither.

    Args:
        identifier: the levels.
        least: how many levels there must be: 1 for a namespace, 2 for a table.

    Raises:
        InvalidIdentifier: too few levels, or a level that is empty or holds a dot, a slash or a control character.
    """
    if len(identifier) < least:
        raise InvalidIdentifier(f"{dotted(identifier)!r} has {len(identifier)} levels, needed are at least {least}")
    for level in identifier:
        if not level or not all(map(_may_stand, level)):
            raise InvalidIdentifier(
                f"{level!r} cannot be a level of an Iceberg name",
                hint="use letters, digits, '_' and '-'",
            )
    return identifier


def _as_level(name: str) -> str:
    return "".join(
        sign if _may_stand(sign) else "".join(f"_{byte:02x}" for byte in sign.encode(errors="surrogatepass"))
        for sign in name
    )


def _may_stand(sign: str) -> bool:
    return sign.isprintable() and sign not in "./\\?#%"
