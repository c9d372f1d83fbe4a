"""What holds for a field, which document it came from, and what it overrode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from floe_contracts.documents.model_fields import FieldNote, names_at, note_of
from floe_contracts.documents.placed import Placed
from floe_contracts.documents.yaml_tree import Path
from floe_contracts.errors import Where
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.governance.scopes import stricter
from floe_contracts.platform.forbidden import Forbidden
from floe_contracts.platform.inheritance import Scope
from floe_contracts.platform.resolution import OWN_FIELDS, ResolvedPlatform
from floe_contracts.platform_spec import PlatformSpec
from floe_contracts.suggestions import meant_or_known

_GOVERNANCE: Final = ("governance",)
_RULES: Final = ("governance", "rules")


@dataclass(frozen=True, slots=True)
class Said:
    """What one document says of a field.

    Attributes:
        value: as it was written.
        where: the place.
        scope: how widely the document holds, if it says so.
    """

    value: Any
    where: Where
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one field.

    Attributes:
        document: FloeSpec or PlatformSpec.
        note: what the model says of it.
        value: what holds, with defaults filled in; None where nothing does.
        origin: who said so; None where it is the default, or nothing at all.
        overrode: who said otherwise, from the narrowest document up.
        forbidden: who forbids documents below to set it.
        floor: the platform's rule where it is stricter than that of floe.yaml.
    """

    document: str
    note: FieldNote
    value: Any
    origin: Said | None
    overrode: tuple[Said, ...] = ()
    forbidden: Forbidden | None = None
    floor: Said | None = None


def explain_platform(platform: ResolvedPlatform, path: Path) -> Explanation | None:
    """What holds at `path` of a platform; None if there is no such field."""
    note = _note(PlatformSpec, path, platform.tree.value)
    if note is None:
        return None
    value = _at(_plain(platform.spec), path)
    said = list(_said(platform, path))
    origin, overrode = None, said
    if _at(platform.tree.value, path) is not None:
        place = platform.where(path)
        origin = next((one for one in said if _same(one.where, place)), None)
        overrode = [one for one in said if one is not origin]
    forbids = (forbidden for document in platform.documents for forbidden in document.forbids)
    forbidden = next((forbidden for forbidden in forbids if forbidden.covers(path)), None)
    return Explanation("PlatformSpec", note, value, origin, tuple(overrode), forbidden)


def explain_floe_spec(
    spec: FloeSpec, tree: Placed, path: Path, platform: ResolvedPlatform | None = None
) -> Explanation | None:
    """What holds at `path` of a floe.yaml.

    Args:
        spec: the product.
        tree: the document as it was written.
        path: the field.
        platform: the product's platform, whose governance is the least that holds.
    """
    note = _note(FloeSpec, path, tree.value)
    if note is None:
        return None
    value, written = _at(_plain(spec), path), _at(tree.value, path)
    origin = Said(written, tree.where(path)) if written is not None else None
    floor = _floor(spec, path, value, platform) if platform is not None else None
    return Explanation("FloeSpec", note, floor.value if floor else value, origin, floor=floor)


def suggest_field(path: Path, *documents: tuple[type[BaseModel], Any]) -> str:
    """A hint for a path that leads nowhere: the names known at the first part that does not fit.

    Args:
        path: the path.
        documents: models with the values that there are, for the names in maps.
    """
    if deeper := _deeper(path, [model for model, _ in documents]):
        return f"did you mean {' or '.join(deeper)}?"
    known: set[str] = set()
    fits = -1
    for model, value in documents:
        length = next(
            (length for length in range(len(path)) if str(path[length]) not in _names(model, value, path[:length])),
            len(path),
        )
        names = {".".join((*map(str, path[:length]), name)) for name in _names(model, value, path[:length])}
        if names and length >= fits:
            known, fits = (known | names if length == fits else names), length
    return meant_or_known(".".join(map(str, path[: fits + 1])), known)


def _deeper(path: Path, models: Iterable[type[BaseModel]]) -> list[str]:
    """The fields one section down that have the very name of a path of one part."""
    if len(path) != 1:
        return []
    sections = [(top, names_at(model, (top,))) for model in models for top in names_at(model, ())]
    return sorted({repr(f"{top}.{path[0]}") for top, names in sections if path[0] in names})


def _names(model: type[BaseModel], value: Any, path: Path) -> list[str]:
    below = _at(value, path)
    written = [str(index) for index in range(len(below))] if isinstance(below, list) else list(below or ())
    return [*names_at(model, path), *(written if isinstance(below, dict | list) else ())]


def _said(platform: ResolvedPlatform, path: Path) -> Iterator[Said]:
    """What each document says, from the narrowest up."""
    for index, document in enumerate(platform.documents):
        value = _at(document.tree.value, path)
        if value is not None and (index == 0 or path[0] not in OWN_FIELDS):
            yield Said(value, document.tree.where(path), document.header.scope)


def _note(model: type[BaseModel], path: Path, document: Any) -> FieldNote | None:
    """What the model says; None also below the name of something in a map or list that is not there."""
    for length in range(1, len(path) + 1):
        named = str(path[length - 1]) in names_at(model, path[: length - 1])
        if not named and _at(document, path[:length]) is None:
            return None
    return note_of(model, path, document)


def _floor(spec: FloeSpec, path: Path, own: Any, platform: ResolvedPlatform) -> Said | None:
    if path[:2] != _RULES:
        return None
    holds = _at(_plain(stricter(platform.spec.governance, spec.governance.rules)), path[2:])
    if holds == own:
        return None
    return Said(holds, platform.where((*_GOVERNANCE, *path[2:])))


def _same(one: Where, other: Where) -> bool:
    return (one.file, one.line, one.column) == (other.file, other.line, other.column)


def _plain(model: BaseModel) -> Any:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def _at(value: Any, path: Path) -> Any:
    for part in path:
        if isinstance(value, dict):
            value = value.get(str(part))
        elif isinstance(value, list) and str(part).isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value
