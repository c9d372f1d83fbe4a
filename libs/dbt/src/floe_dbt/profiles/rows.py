"""Shorthands for the rows of the table of warehouses."""

from __future__ import annotations

from floe_contracts.plugins.targets import Kind, Property


def same(*names: str, kind: Kind = "text", required: bool = False) -> tuple[Property, ...]:
    """Properties that dbt calls by the same names."""
    return tuple(Property(name, name, kind, required) for name in names)


def required(*names: str, kind: Kind = "text") -> tuple[Property, ...]:
    """Properties that dbt calls by the same names, and that the adapter needs."""
    return same(*names, kind=kind, required=True)


def inside(section: str, *properties: Property) -> tuple[Property, ...]:
    """Properties that stand in a section of the compute, and at the top of the dbt output."""
    return tuple(
        Property(f"{section}.{each.name}", each.output, each.kind, each.required, each.source) for each in properties
    )


def secret(name: str, output: str | None = None, *, required: bool = True) -> Property:
    """A property that is always a secret."""
    return Property(name, output or name, required=required, source="secret")


def identity(name: str, output: str | None = None, *, required: bool = True) -> Property:
    """A property that may be a secret."""
    return Property(name, output or name, required=required, source="either")
