"""What a platform document forbids those below it, and where one of them does it all the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from floe_contracts.documents.model_fields import is_open, names_at
from floe_contracts.documents.placed import Placed
from floe_contracts.documents.yaml_tree import Path
from floe_contracts.errors import Where
from floe_contracts.platform.errors import FieldForbidden, ForbiddenUnknown
from floe_contracts.platform.merging import replaces
from floe_contracts.suggestions import meant_or_known

ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Forbidden:
    """A field that no document below may set.

    Attributes:
        pattern: the field, as it was written; `*` is any name.
        where: the place that forbids it.
    """

    pattern: str
    where: Where

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the path."""
        return tuple(self.pattern.split("."))

    def covers(self, path: Path) -> bool:
        """Whether the field at `path` is forbidden, by itself or with a field that it belongs to."""
        return len(self.parts) <= len(path) and all(
            part in (ANY, str(name)) for part, name in zip(self.parts, path, strict=False)
        )


def unknown_fields(
    model: type[BaseModel], forbids: Iterable[Forbidden], own: Iterable[str]
) -> Iterator[ForbiddenUnknown]:
    """The fields that are forbidden and are none.

    Args:
        model: the model of the document.
        forbids: what one document forbids.
        own: fields that each document says for itself, so that forbidding them means nothing.
    """
    for forbidden in forbids:
        parts = forbidden.parts
        for length, part in enumerate(parts):
            known = [name for name in names_at(model, parts[:length]) if length or name not in own]
            if part not in known and not is_open(model, parts[:length]):
                yield ForbiddenUnknown(
                    f"{forbidden.pattern!r} is no field that a document below could set",
                    where=forbidden.where,
                    hint=meant_or_known(part, known),
                )
                break


def set_in_spite(forbids: Iterable[Forbidden], above: Any, tree: Placed) -> Iterator[FieldForbidden]:
    """Where a document sets what those above it forbid.

    Args:
        forbids: what all documents above forbid.
        above: the values of all documents above, merged.
        tree: the document.
    """
    for forbidden in forbids:
        for path in _set(tree.value, above, forbidden.parts, ()):
            yield FieldForbidden(
                f"{forbidden.pattern!r} is forbidden by {forbidden.where}",
                where=tree.where(path),
                hint="take it out here, or ask the owner of the document above to allow it",
            )


def _set(value: Any, above: Any, parts: tuple[str, ...], path: Path) -> Iterator[Path]:
    """The paths in `value` that set the field `parts`, or take it away with what it belongs to."""
    below = above if isinstance(above, dict) else {}
    if not parts or not isinstance(value, dict) or replaces(below, value):
        yield path
    else:
        for name in [name for name in value if parts[0] in (ANY, name)]:
            yield from _set(value[name], below.get(name), parts[1:], (*path, name))
