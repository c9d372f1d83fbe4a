"""What `meta.floe.measures` of a dbt node says: measures that Cube shows beside those of MetricFlow.

Each is a mapping: `name`, `type` (count, count_distinct, sum, avg, min, max), `sql` of one row (not needed by count),
and if wanted `title`, `description` and `filters`, a list of conditions in SQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, get_args

from floe_contracts.errors import FloeError, Where
from floe_contracts.nodes import DeclaredMeasure, MeasureAggregation
from floe_contracts.suggestions import meant_or_known
from floe_dbt.errors import DbtMetaProblem

_TEXTS: Final = ("name", "type", "sql", "title", "description")
_KEYS: Final = (*_TEXTS, "filters")
_TYPES: Final = get_args(MeasureAggregation)


def read_measures(
    stated: Sequence[Any], node: str, file: str, problems: list[FloeError]
) -> tuple[DeclaredMeasure, ...]:
    """The measures of a node; those that are wrong are left out.

    Args:
        stated: `meta.floe.measures`.
        node: name of the node.
        file: the file that documents it.
        problems: where to add what is wrong.
    """
    measures: dict[str, DeclaredMeasure] = {}
    for index, entry in enumerate(stated):
        found = list(_wrong(entry))
        if not found and entry["name"] in measures:
            found = [(f"a second measure {entry['name']!r}", None)]
        for message, hint in found:
            where = Where(file=file, path=f"{node}.meta.floe.measures[{index}]")
            problems.append(DbtMetaProblem(f"{node}: {message}", where=where, hint=hint))
        if not found:
            measures[entry["name"]] = DeclaredMeasure(**{**entry, "filters": tuple(entry.get("filters") or ())})
    return tuple(measures.values())


def _wrong(entry: Any) -> Iterator[tuple[str, str | None]]:
    """What is wrong with one measure, with a hint."""
    if not isinstance(entry, Mapping):
        yield f"measure {entry!r} is no mapping", "as in `- {name: revenue, type: sum, sql: amount}`"
        return
    for key, value in entry.items():
        if key not in _KEYS:
            yield f"{key!r} is no key of a measure", meant_or_known(str(key), _KEYS)
        elif key in _TEXTS and not (isinstance(value, str) and value.strip()):
            yield f"{key} of a measure is {value!r}, not a text", None
        elif key == "filters" and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            yield f"filters of a measure are {value!r}, not a list of texts", None
    kind = entry.get("type")
    if "name" not in entry:
        yield "a measure without a name", "add `name:`"
    if isinstance(kind, str) and kind.strip() and kind not in _TYPES:
        yield f"type of a measure is {kind!r}, not one of {', '.join(_TYPES)}", meant_or_known(kind, _TYPES)
    elif kind is None:
        yield "a measure without a type", f"add `type:`, one of {', '.join(_TYPES)}"
    elif kind != "count" and "sql" not in entry:
        yield f"a measure of type {kind} without sql", "add `sql:`, as in `sql: amount`"
