"""Markdown tables of the fields that a JSON Schema describes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; cells may hold pipes and line breaks."""
    columns = list(header)
    lines = [columns, ["---"] * len(columns), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def code(text: object) -> str:
    """`text` as code."""
    return f"`{text}`"


def fields(schema: Schema, known: Schema | None = None) -> str:
    """The fields of an object: name, type, whether it must be there, and what it means.

    Args:
        schema: of the object.
        known: what it may refer to, if `$defs` of `schema` is not all.
    """
    required = set(schema.get("required", ()))
    definitions = schema.get("$defs", {}) if known is None else known
    rows = (
        (code(name), type_of(field), _presence(name, field, required), _meaning(field, definitions))
        for name, field in schema.get("properties", {}).items()
    )
    return table(("field", "type", "", "meaning"), rows)


def definitions(schemas: Iterable[Schema]) -> Iterator[tuple[str, Schema]]:
    """Every object that the schemas refer to, once, by name."""
    found = {name: definition for schema in schemas for name, definition in schema.get("$defs", {}).items()}
    yield from sorted((name, found[name]) for name in found if "properties" in found[name])


def type_of(field: Schema) -> str:
    """The type of a field in words."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in field:
        return " or ".join(type_of(choice) for choice in field["anyOf"] if choice.get("type") != "null")
    if "const" in field:
        return code(field["const"])
    if "enum" in field:
        return ", ".join(code(value) for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {type_of(field.get('items', {}))}"
    if field.get("type") == "object":
        values = next(iter(field.get("patternProperties", {}).values()), field.get("additionalProperties"))
        return f"map of {type_of(values)}" if isinstance(values, Mapping) else "object"
    if field.get("type") == "string":
        return {"path": "path", "uri": "URL", "password": "secret"}.get(field.get("format", ""), "text")
    return str(field.get("type", "any"))


def _meaning(field: Schema, known: Schema) -> str:
    """What the field says, or else the object that it holds."""
    if "description" in field:
        return str(field["description"])
    inner = [field.get("items", {}), *field.get("anyOf", ()), field]
    references = [part["$ref"].rpartition("/")[2] for part in inner if isinstance(part, Mapping) and "$ref" in part]
    return str(known.get(references[0], {}).get("description", "")) if references else ""


def _presence(name: str, field: Schema, required: set[str]) -> str:
    if name in required:
        return "required"
    default = field.get("default")
    if default is None or default in ({}, [], ""):
        return "optional"
    values = default if isinstance(default, list) else [default]
    return "optional" if isinstance(default, dict) else "default " + ", ".join(code(_written(item)) for item in values)


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
