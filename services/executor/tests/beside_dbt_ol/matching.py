"""Comparing events with expected ones, whose values may be matchers: `{{ any(result) }}`, `{{ is_datetime(result) }}`.

As the peer compares: what is expected must be there, and what is there beside it does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

_MATCHERS: Final = {"{{ any(result) }}", "{{ is_datetime(result) }}"}


def differences(expected: Any, found: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The places that differ, each with what is expected and what is there.

    Entries of lists are those of the same name, or else of the same position; a place in a list is written `[]`.
    Facets say in each place who made them, which counts as one place.
    """
    if isinstance(expected, dict) and isinstance(found, dict):
        for key, value in expected.items():
            place = key if key == "_producer" else f"{path}.{key}" if path else key
            if key in found:
                yield from differences(value, found[key], place)
            else:
                yield place, value, None
    elif isinstance(expected, list) and isinstance(found, list):
        yield from _of_lists(expected, found, f"{path}[]")
    elif expected in _MATCHERS:
        if "is_datetime" in expected and not _is_time(found):
            yield path, expected, found
    elif expected != found:
        yield path, expected, found


def _of_lists(expected: list[Any], found: list[Any], path: str) -> Iterator[tuple[str, Any, Any]]:
    wanted, there = _names(expected), _names(found)
    if not wanted or set(wanted) != set(there):
        if len(expected) != len(found):
            yield path, expected, found
        pairs = list(zip(expected, found, strict=False))
    else:
        if wanted != there:
            yield f"{path} in order", wanted, there
        pairs = [(each, found[there.index(name)]) for each, name in zip(expected, wanted, strict=True)]
    for one, other in pairs:
        yield from differences(one, other, path)


def _names(entries: list[Any]) -> list[str]:
    return [entry["name"] for entry in entries if isinstance(entry, dict) and "name" in entry]


def _is_time(text: Any) -> bool:
    return isinstance(text, str) and datetime.fromisoformat(text).tzinfo is not None
