"""JSON Schemas of the standard facets of OpenLineage, from the classes of its own Python client.

The receiver checks foreign events against them. Formats and descriptions are not in the classes, so the check is
milder than the specification's own schemas.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import types
import typing
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

import attrs
from openlineage.client import facet_v2

from floe_contracts.cloudevents import SCHEMA_ROOT

PATH: Final = "openlineage/standard-facets.json"
_KINDS: Final = {
    "run": facet_v2.RunFacet,
    "job": facet_v2.JobFacet,
    "inputDataset": facet_v2.InputDatasetFacet,
    "outputDataset": facet_v2.OutputDatasetFacet,
    "dataset": facet_v2.DatasetFacet,
}
_ALWAYS: Final = ("_producer", "_schemaURL")
_PLAIN: Final[dict[Any, dict[str, Any]]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    type(None): {"type": "null"},
    object: {},
    Any: {},
}
_SUFFIXES: Final = ("OutputDatasetFacet", "InputDatasetFacet", "DatasetFacet", "RunFacet", "JobFacet")
# Where the key of a facet is not its class's name: the facet files of the specification, version 2-0-2.
_KEYS: Final = {
    "DatasetVersionDatasetFacet": "version",
    "DatasourceDatasetFacet": "dataSource",
    "EnvironmentVariablesRunFacet": "environmentVariables",
    "InputSubsetInputDatasetFacet": "subset",
    "OutputSubsetOutputDatasetFacet": "subset",
    "ProcessingEngineRunFacet": "processing_engine",
    "SQLJobFacet": "sql",
}


def standard_facets() -> dict[str, Any]:
    """The schemas by the kind of what carries the facet, and by its key there."""
    facets: dict[str, dict[str, Any]] = {kind: {} for kind in sorted(_KINDS)}
    for facet in _classes():
        kind = next(kind for kind, parent in _KINDS.items() if issubclass(facet, parent))
        facets[kind][_key(facet.__name__)] = _schema(facet)
    return {
        "$id": f"{SCHEMA_ROOT}/{PATH}",
        "source": f"openlineage-python {importlib.metadata.version('openlineage-python')}",
        "facets": {kind: dict(sorted(found.items())) for kind, found in facets.items()},
    }


def _classes() -> Iterator[type]:
    for _, module in inspect.getmembers(facet_v2, lambda value: isinstance(value, types.ModuleType)):
        for _, member in inspect.getmembers(module, inspect.isclass):
            if member.__module__ == module.__name__ and issubclass(member, facet_v2.BaseFacet):
                yield member


def _key(name: str) -> str:
    if name in _KEYS:
        return _KEYS[name]
    short = next(name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix))
    return short[0].lower() + short[1:]


def _schema(facet: type) -> dict[str, Any]:
    definitions: dict[str, Any] = {}
    _refer(facet, definitions)
    own = definitions.pop(facet.__name__)
    # A deleted facet has nothing but the mark.
    needed = [name for name in own.pop("required", ()) if name not in _ALWAYS]
    own["required"] = list(_ALWAYS)
    if needed:
        own["anyOf"] = [{"required": ["_deleted"], "properties": {"_deleted": {"const": True}}}, {"required": needed}]
    return own | ({"$defs": definitions} if definitions else {})


def _refer(model: type, definitions: dict[str, Any]) -> dict[str, Any]:
    """A reference to the schema of an attrs class, which is added to the definitions."""
    if model.__name__ not in definitions:
        definitions[model.__name__] = schema = {"type": "object", "properties": {}}
        fields, hints = attrs.fields(model), typing.get_type_hints(model)
        schema["properties"] = {field.name: _of(hints[field.name], definitions) for field in fields}
        if required := [field.name for field in fields if field.default is attrs.NOTHING]:
            schema["required"] = required
    return {"$ref": f"#/$defs/{model.__name__}"}


def _of(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_of(argument, definitions) for argument in arguments]}
    if origin is list:
        return {"type": "array", "items": _of(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of(arguments[1], definitions)}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    if attrs.has(hint):
        return _refer(hint, definitions)
    return _PLAIN[hint]
