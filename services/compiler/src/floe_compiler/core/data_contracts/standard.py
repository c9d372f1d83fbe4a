"""The Open Data Contract Standard as floe reads it: versions, types, and what its fields demand.

The fields themselves are those of the standard's own Python package. That package requires nothing and ignores what it
does not know inside of a section; the rules here are those of the standard's JSON Schema.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any, Final

from open_data_contract_standard import model as odcs
from pydantic import BaseModel

KIND: Final = "DataContract"
VERSIONS: Final = ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0")

_TYPES_OF_3_0: Final = ("array", "boolean", "date", "integer", "number", "object", "string")
LOGICAL_TYPES: Final[Mapping[str, str]] = {
    **dict.fromkeys(_TYPES_OF_3_0, "v3.0.0"),
    **dict.fromkeys(("time", "timestamp"), "v3.1.0"),
    **dict.fromkeys(("map", "vector"), "v3.2.0"),
}
"""Every logical type, and the version of the standard that brought it."""

QUALITY_TYPES: Final = ("custom", "library", "sql", "text")
QUALITY_METRICS: Final = ("duplicateValues", "invalidValues", "missingValues", "nullValues", "rowCount")
QUALITY_OPERATORS: Final = (
    "mustBe",
    "mustBeBetween",
    "mustBeGreaterOrEqualTo",
    "mustBeGreaterThan",
    "mustBeLessOrEqualTo",
    "mustBeLessThan",
    "mustNotBe",
    "mustNotBeBetween",
)

REQUIRED: Final[Mapping[type[BaseModel], tuple[str, ...]]] = {
    odcs.OpenDataContractStandard: ("version", "apiVersion", "kind", "id"),
    odcs.SchemaObject: ("name",),
    odcs.ServiceLevelAgreementProperty: ("property", "value"),
    odcs.CustomProperty: ("property", "value"),
    odcs.AuthoritativeDefinition: ("url", "type"),
    odcs.Server: ("server", "type"),
    odcs.Role: ("role",),
    odcs.Support: ("channel",),
    odcs.TeamMember: ("username",),
}
"""Fields that a section must have, beside the `name` of a property, which the items of an array do without."""

OTHER_WORDS: Final[Mapping[str, str]] = {
    "columns": "properties",
    "fields": "properties",
    "models": "schema",
    "tables": "schema",
    "sla": "slaProperties",
    "servicelevels": "slaProperties",
    "type": "logicalType",
    "dataType": "logicalType",
    "data_type": "logicalType",
    "nullable": "required",
    "not_null": "required",
    "info": "name",
    "title": "name",
}
"""What other formats call a field of the standard."""


def fields_of(section: type[BaseModel]) -> dict[str, Any]:
    """The fields of a section by the names that they have in a document, and their types."""
    return {field.alias or name: field.annotation for name, field in section.model_fields.items()}


def section_of(annotation: Any, value: Any) -> type[BaseModel] | None:
    """The section that a mapping in the place of `annotation` is, or the one that a list there is made of."""
    wanted = list if isinstance(value, list) else dict
    for option in _options(annotation):
        if wanted is dict and isinstance(option, type) and issubclass(option, BaseModel):
            return option
        if wanted is list and typing.get_origin(option) is list:
            inner = typing.get_args(option)[0]
            return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
    return None


def takes_anything(annotation: Any) -> bool:
    """Whether any value may stand in the place of `annotation`, nothing included."""
    return Any in _options(annotation)


def _options(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return tuple(leaf for option in typing.get_args(annotation) for leaf in _options(option))
    return (annotation,)
