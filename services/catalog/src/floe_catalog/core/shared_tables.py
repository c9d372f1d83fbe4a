"""Tables that several environments or products have: dbt names those of an attached catalog, and may name one twice."""

from __future__ import annotations

from floe_contracts.openlineage.naming import Place
from floe_lakehouse.identifiers import dotted, product_namespace


def sharer(place: Place, identifier: str) -> str:
    """What the id of a message about a table ends with, so that others who have the table are told of it as well.

    Empty for a table below the namespace of the place, which nobody else has.
    """
    return "" if identifier.startswith(f"{dotted(product_namespace(place))}.") else f":{place}"
