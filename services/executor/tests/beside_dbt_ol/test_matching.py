"""The comparison finds what differs, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from .matching import differences


@pytest.mark.parametrize(
    ("expected", "found", "places"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["a.b"]),
        ({"a": {}}, {}, ["a"]),
        ({"a": {"_producer": "x"}}, {"a": {"_producer": "y"}}, ["_producer"]),
        ({"a": "{{ any(result) }}"}, {"a": 5}, []),
        ({"a": "{{ any(result) }}"}, {}, ["a"]),
        ({"a": "{{ is_datetime(result) }}"}, {"a": "2026-11-20T09:30:15Z"}, []),
        ({"a": "{{ is_datetime(result) }}"}, {"a": "2026-11-20T09:30:15"}, ["a"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["a[]"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a[]"]),
        (
            {"a": [{"name": "x", "n": 1}, {"name": "y"}]},
            {"a": [{"name": "y"}, {"name": "x", "n": 2}]},
            ["a[] in order", "a[].n"],
        ),
        ({"a": [{"name": "x"}]}, {"a": [{"name": "y"}]}, ["a[].name"]),
        ({"a": [{"name": "x"}, {"name": "y"}]}, {"a": [{"name": "x"}]}, ["a[]"]),
    ],
    ids=str,
)
def test_what_is_expected_must_be_there(expected: Any, found: Any, places: list[str]) -> None:
    assert [place for place, _, _ in differences(expected, found)] == places
