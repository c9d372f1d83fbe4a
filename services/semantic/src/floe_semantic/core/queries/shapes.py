"""What makes two queries the same one: members, filters without their values, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import orjson

from floe_semantic.core.queries.records import QueryFilter, QueryRecord, QueryShape, QueryTime

_DIGITS: Final = 16
_LISTED: Final = 10
_NOTHING: Final = "query"


def shape_digest(queries: Sequence[QueryShape]) -> str:
    """The same for queries that ask for the same members in the same way, in whatever order they name them."""
    content = orjson.dumps([_canonical(query) for query in queries], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def asked_of(record: QueryRecord) -> str:
    """The cube or view that a query is asked of: that of its measures, else of what it groups by."""
    for query in record.queries:
        for names in (query.measures, query.dimensions, [time.dimension for time in query.time_dimensions]):
            cubes = sorted({name.partition(".")[0] for name in names} - {"?"})
            if cubes:
                return cubes[0]
    return _NOTHING


def named_members(queries: Iterable[QueryShape]) -> set[str]:
    """Members that a caller names."""
    found: set[str] = set()
    for query in queries:
        found.update(query.measures, query.dimensions, query.segments)
        found.update(time.dimension for time in query.time_dimensions)
        found.update(item.member for item in query.order)
        found.update(_leaves(query.filters))
    return {name for name in found if "." in name and "?" not in name}


def described(queries: Sequence[QueryShape]) -> str:
    """A query in words, for people who meet its job."""
    return "; ".join(_sentence(query) for query in queries[:_LISTED])


def _sentence(query: QueryShape) -> str:
    times = [f"{time.dimension} by {time.granularity}" for time in query.time_dimensions if time.granularity]
    filtered = {*_leaves(query.filters), *query.segments}
    filtered |= {time.dimension for time in query.time_dimensions if time.ranged}
    parts = [
        ("", sorted(set(query.measures))),
        ("of each ", sorted({*query.dimensions, *times})),
        ("where ", sorted(name for name in filtered if name)),
    ]
    return "Cube: " + ", ".join(f"{word}{_some(names)}" for word, names in parts if names)


def _some(names: Sequence[str]) -> str:
    return " and ".join(names[:_LISTED]) + (" and others" if len(names) > _LISTED else "")


def _canonical(query: QueryShape) -> dict[str, Any]:
    return {
        "measures": sorted(set(query.measures)),
        "dimensions": sorted(set(query.dimensions)),
        "segments": sorted(set(query.segments)),
        "times": sorted({_time(item) for item in query.time_dimensions}),
        "filters": _together(query.filters),
        "order": sorted({item.member for item in query.order}),
        "ungrouped": query.ungrouped,
    }


def _time(item: QueryTime) -> tuple[str, str, bool]:
    return item.dimension, item.granularity or "", item.ranged


def _together(filters: Iterable[QueryFilter]) -> list[Any]:
    """Filters that hold all or any, each once and in an order of their own."""
    found = {orjson.dumps(item, option=orjson.OPT_SORT_KEYS): item for item in map(_filter, filters)}
    return [item for _, item in sorted(found.items())]


def _filter(item: QueryFilter) -> Any:
    if item.both:
        return {"and": _together(item.both)}
    if item.either:
        return {"or": _together(item.either)}
    return [item.member or "", item.operator or ""]


def _leaves(filters: Iterable[QueryFilter]) -> Iterator[str]:
    for item in filters:
        if item.member:
            yield item.member
        yield from _leaves((*item.both, *item.either))
