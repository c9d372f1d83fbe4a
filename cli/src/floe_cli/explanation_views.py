"""Explanations of fields, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from floe_cli.explaining import Explained
from floe_contracts.documents.explanation import Explanation, Said
from floe_contracts.errors import Where

_FILES: Final = {"FloeSpec": "floe.yaml", "PlatformSpec": "platform.yaml"}


def to_lines(explained: Explained) -> Iterator[str]:
    """What a person reads."""
    one = explained.explanation
    yield f"{_name(one)}  ({_FILES[one.document]})"
    yield _row("value", _shown(one.value))
    if one.floor is not None:
        yield _row("from", f"{_place(one.floor)}: the stricter rule wins")
    elif one.origin is not None:
        yield _row("from", _place(one.origin))
    else:
        yield _row("from", "the default" if one.value is not None else "nowhere: it is not set")
    overrode = (one.origin,) if one.floor is not None and one.origin is not None else one.overrode
    for said in overrode:
        yield _row("overrode", f"{_shown(said.value)} of {_place(said)}")
    if one.forbidden is not None:
        yield _row("forbidden", f"to documents below by {_position(one.forbidden.where)}")
    for environment, defined in explained.resolves:
        place = f" of {_place(defined.origin)}" if defined.origin else ""
        yield _row("in", f"{environment}: {_name(defined)} = {_shown(defined.value)}{place}")
    if one.note.description:
        yield _row("means", one.note.description)
    yield _row("type", one.note.type)
    if one.note.required:
        yield _row("required", "yes")
    elif one.note.default is not None:
        yield _row("default", _shown(one.note.default))


def to_document(explained: Explained) -> dict[str, Any]:
    """What a program reads."""
    one = explained.explanation
    document = {
        "field": _name(one),
        "document": one.document,
        "value": one.value,
        "origin": _said(one.origin),
        "overrode": [_said(said) for said in one.overrode],
        "floor": _said(one.floor),
        "forbidden": _where(one.forbidden.where) if one.forbidden else None,
        "description": one.note.description,
        "type": one.note.type,
        "required": one.note.required,
        "default": one.note.default,
    }
    if explained.resolves:
        document["resolves"] = [
            {"environment": name, "field": _name(defined), "value": defined.value, "origin": _said(defined.origin)}
            for name, defined in explained.resolves
        ]
    return document


def _name(one: Explanation) -> str:
    return ".".join(str(part) for part in one.note.path)


def _row(label: str, text: str) -> str:
    return f"  {label:<10} {text}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _place(said: Said) -> str:
    return f"{_position(said.where)}{f', scope {said.scope}' if said.scope else ''}"


def _position(where: Where) -> str:
    return ":".join(str(part) for part in (where.file, where.line, where.column) if part is not None)


def _said(said: Said | None) -> dict[str, Any] | None:
    if said is None:
        return None
    return {"value": said.value, "scope": said.scope, **_where(said.where)}


def _where(where: Where) -> dict[str, Any]:
    return {"file": where.file, "line": where.line, "column": where.column}
