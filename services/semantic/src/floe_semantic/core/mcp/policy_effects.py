"""What the policies have made of a query, read from the query that Cube says it has run.

Cube answers `/v1/load` and `/v1/dry-run` with the query as it stands after its policies: members that are masked, the
filters that were added, and a segment that nothing fulfils where no policy grants access.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_DENIED: Final = "rlsAccessDenied"


@dataclass(frozen=True, slots=True)
class PolicyEffects:
    """What a caller does not get to see of what was asked.

    Attributes:
        denied: whether no policy grants the query, so that it has no rows.
        masked: those of the query's members whose values are hidden.
        limited_by: members whose values decide which rows the caller may see.
    """

    denied: bool
    masked: tuple[str, ...]
    limited_by: tuple[str, ...]


def policy_effects(run: Mapping[str, Any], named: Iterable[str], own_filters: int) -> PolicyEffects:
    """What the policies did.

    Args:
        run: the query as Cube has run it.
        named: members that the caller's query names.
        own_filters: how many filters the caller's query has; Cube adds its own behind them.
    """
    asked = set(named)
    masked = {item.get("member") for item in _objects(run.get("maskedMembers"))}
    added = _objects(run.get("filters"))[own_filters:]
    return PolicyEffects(
        denied=any(item.get("name") == _DENIED for item in _objects(run.get("segments"))),
        masked=tuple(sorted(asked & masked)),
        limited_by=tuple(sorted({member for item in added for member in _members(item)})),
    )


def _members(item: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(item.get("member"), str):
        yield item["member"]
    for key in ("and", "or"):
        for part in _objects(item.get(key)):
            yield from _members(part)


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
