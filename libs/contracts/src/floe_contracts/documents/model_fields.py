"""What the models of the documents say of themselves: the fields at a path, their descriptions, types and defaults."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from floe_contracts.documents.yaml_tree import Path
from floe_contracts.secret_refs import SecretRef

_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", types.NoneType: "nothing"}


@dataclass(frozen=True, slots=True)
class FieldNote:
    """What a model says of one field.

    Attributes:
        path: the field, from the top of the document.
        description: what it means.
        type: what may stand there, in words.
        required: whether it has to be written.
        default: what holds where it is not written; None also where nothing does.
    """

    path: Path
    description: str
    type: str
    required: bool
    default: Any


def names_at(model: type[BaseModel], path: Path, document: Any = None) -> list[str]:
    """The names of the fields that a document may have at `path`.

    Args:
        model: of the document.
        path: a section.
        document: its values; of a section of several kinds, only the fields of the kind that they name are told.
    """
    found = [leaf for leaf in _entered(model, path, document) if _is_model(leaf)]
    return list(dict.fromkeys(field.alias or name for leaf in found for name, field in leaf.model_fields.items()))


def is_open(model: type[BaseModel], path: Path) -> bool:
    """Whether any name may stand below `path`: it is a map."""
    return any(typing.get_origin(leaf) is dict for leaf in _entered(model, path, None))


@lru_cache(maxsize=1024)
def has_kinds(model: type[BaseModel], path: Path) -> bool:
    """Whether the section at `path` is one of several kinds, so that pydantic's locations name the kind there."""
    return sum(map(_is_model, _entered(model, path, None))) > 1


def note_of(model: type[BaseModel], path: Path, document: Any = None) -> FieldNote | None:
    """What `model` says of the field at `path`; None if it has no such field.

    Args:
        model: of the document.
        path: the field.
        document: its values, which tell the kind of a section of several kinds.
    """
    if not path:
        return None
    for candidate in _entered(model, path[:-1], document):
        if _is_model(candidate):
            for name, field in candidate.model_fields.items():
                if (field.alias or name) == path[-1]:
                    return _note(path, field)
        elif typing.get_origin(candidate) in (dict, list):
            above = note_of(model, path[:-1], document)
            words = " or ".join(dict.fromkeys(_words(leaf) for leaf in _leaves(typing.get_args(candidate)[-1])))
            return FieldNote(path, above.description if above else "", words, required=False, default=None)
    return None


def _note(path: Path, field: FieldInfo) -> FieldNote:
    words = [_words(leaf) for leaf in _leaves(field.annotation) if leaf is not types.NoneType]
    default = None if field.is_required() else _plain(field.get_default(call_default_factory=True))
    return FieldNote(
        path,
        field.description or _summary(field.annotation),
        " or ".join(dict.fromkeys(words)),
        required=field.is_required(),
        default=default,
    )


def _plain(value: Any) -> Any:
    """A default as it would stand in a document."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else value


def _summary(annotation: Any) -> str:
    models = [leaf for leaf in _leaves(annotation) if _is_model(leaf)]
    return (models[0].__doc__ or "").strip().splitlines()[0] if models else ""


def _words(leaf: Any) -> str:
    origin, arguments = typing.get_origin(leaf), typing.get_args(leaf)
    if origin is Literal:
        return f"one of {', '.join(str(argument) for argument in arguments)}" if len(arguments) > 1 else arguments[0]
    if origin in (dict, list):
        inner = " or ".join(dict.fromkeys(_words(item) for item in _leaves(arguments[-1])))
        return f"{'map' if origin is dict else 'list'} of {inner}"
    if leaf is SecretRef:
        return "a secretRef"
    return "section" if _is_model(leaf) else _WORDS.get(leaf, getattr(leaf, "__name__", "value"))


def _entered(model: type[BaseModel], path: Path, document: Any) -> list[Any]:
    """What may stand at `path`: models, containers and scalars."""
    candidates: list[Any] = [model]
    value = document
    for part in path:
        following: list[Any] = []
        for candidate in candidates:
            if _is_model(candidate):
                fields = [field for name, field in candidate.model_fields.items() if (field.alias or name) == part]
                following += [leaf for field in fields for leaf in _leaves(field.annotation)]
            elif typing.get_origin(candidate) in (dict, list):
                following += _leaves(typing.get_args(candidate)[-1])
        value = _below(value, part)
        candidates = [candidate for candidate in following if _may_be(value, candidate)]
    return candidates


def _below(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(part)
    return value[part] if isinstance(value, list) and isinstance(part, int) and part < len(value) else None


def _may_be(value: Any, candidate: Any) -> bool:
    """Whether a section may be of the kind `candidate`, by the fields that name its kind."""
    if not isinstance(value, dict) or not _is_model(candidate):
        return True
    for name, field in candidate.model_fields.items():
        written = value.get(field.alias or name)
        names_kind = field.is_required() and typing.get_origin(field.annotation) is Literal
        if names_kind and isinstance(written, str) and written not in typing.get_args(field.annotation):
            return False
    return True


def _is_model(leaf: Any) -> bool:
    return isinstance(leaf, type) and issubclass(leaf, BaseModel)


def _leaves(annotation: Any) -> list[Any]:
    """An annotation without its unions and constraints; containers stay, a tuple as a list."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _leaves(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return [leaf for argument in arguments for leaf in _leaves(argument)]
    if origin is tuple:
        return [list[arguments[0]]]  # type: ignore[valid-type]  # made of what is only known here
    return [annotation]
