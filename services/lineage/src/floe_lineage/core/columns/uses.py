"""How a column is used, and what a use of a use is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

from floe_lineage.core.columns.model import AGGREGATION, IDENTITY, TRANSFORMATION

_DIRECT_RANKS: Final = {IDENTITY: 0, TRANSFORMATION: 1, AGGREGATION: 2}


class Use(NamedTuple):
    """A transformation, while it is being found out."""

    subtype: str
    direct: bool = True
    masking: bool = False


class Dependency(NamedTuple):
    """A column of the input with this number is used so."""

    input: int
    column: str
    use: Use


Dependencies: TypeAlias = frozenset[Dependency]

NOTHING: Final[Dependencies] = frozenset()
UNCHANGED: Final = Use(IDENTITY)
_COUNTED: Final = Use(AGGREGATION, masking=True)
CHANGED: Final = Use(TRANSFORMATION)


def indirect(subtype: str) -> Use:
    """The use of what decides about a value, or about rows, without becoming a value."""
    return Use(subtype, direct=False)


def within(outer: Use, inner: Use) -> Use:
    """The use of a column that is used as `inner` for something that is used as `outer`.

    What only decides about the outer thing cannot become a value through it; of direct uses the strongest tells most.
    Of a hash that is aggregated the hash tells more: an aggregation that masks is a count, and says nothing of a value.
    """
    masking = outer.masking or inner.masking
    if not outer.direct:
        return Use(outer.subtype, False, masking)
    if not inner.direct:
        return Use(inner.subtype, False, masking)
    if masking and _COUNTED not in (outer, inner):
        return Use(TRANSFORMATION, True, masking)
    strongest = max(outer.subtype, inner.subtype, key=_DIRECT_RANKS.__getitem__)
    return Use(strongest, True, masking)


def used_as(use: Use, dependencies: Iterable[Dependency]) -> Dependencies:
    """What something depends on that uses what has these `dependencies`."""
    return frozenset(Dependency(found.input, found.column, within(use, found.use)) for found in dependencies)
