"""A facet: plain JSON values with the producer and the immutable URL of the schema."""

from __future__ import annotations

from typing import Any, Final

from floe_contracts.openlineage.events import PRODUCER

Facet = dict[str, Any]

_OFFICIAL: Final = "https://openlineage.io/spec/facets"
_OWN: Final = "https://floe.dev/schemas/openlineage"


def official(version: str, facet_class: str) -> str:
    """The URL of a facet's schema in the specification."""
    return f"{_OFFICIAL}/{version}/{facet_class}.json#/$defs/{facet_class}"


def own(version: str, facet_class: str) -> str:
    """The URL of the schema of one of floe's own facets."""
    return f"{_OWN}/{version}/{facet_class}.json#/$defs/{facet_class}"


def facet(schema_url: str, /, **fields: Any) -> Facet:
    """A facet with those of its fields that have a value."""
    written: Facet = {"_producer": PRODUCER, "_schemaURL": schema_url}
    for name, value in fields.items():
        if value is not None:
            written[name] = value
    return written
