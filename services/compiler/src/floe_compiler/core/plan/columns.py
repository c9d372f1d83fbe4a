"""How the documented columns of a node differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from floe_contracts.nodes import Column, Node


@dataclass(frozen=True, slots=True)
class LostColumn:
    """A column that is gone, or no longer of its type.

    Attributes:
        name: of the column.
        message: what became of it.
        certain: whether it is known to be another one: a type that is no longer declared may still be the same.
    """

    name: str
    message: str
    certain: bool = True


def lost_columns(before: Node, after: Node) -> Iterator[LostColumn]:
    """The columns that readers of `before` do not find in `after` as they were."""
    present = {column.name.casefold(): column for column in after.columns}
    for column in before.columns:
        now = present.get(column.name.casefold())
        if now is None:
            yield LostColumn(column.name, "the column is gone")
        elif _type(now) != _type(column):
            was, becomes = column.data_type or "not declared", now.data_type or "not declared"
            declared = column.data_type is not None and now.data_type is not None
            yield LostColumn(column.name, f"its type is {becomes}, and was {was}", certain=declared)


def _type(column: Column) -> str:
    return "".join((column.data_type or "").casefold().split())
