"""What Cube must show of a bundle to somebody who has every role and claim: the measure of its first answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

CLAIM_VALUE: Final = "floe"
"""Stands for whatever a claim may hold: members do not depend on it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is there to be seen.

    Attributes:
        cubes: the members of each cube that somebody may see, sorted.
        views: the same of each view.
        policies: number of access policies.
    """

    cubes: Mapping[str, tuple[str, ...]]
    views: Mapping[str, tuple[str, ...]]
    policies: int


def shown(documents: Iterable[Mapping[str, Any]]) -> Shown:
    """What is to be seen of cubes and views, as they are written to the files of a bundle."""
    cubes: dict[str, tuple[str, ...]] = {}
    views: dict[str, tuple[str, ...]] = {}
    policies = 0
    for document in documents:
        for cube in document.get("cubes", ()):
            cubes[cube["name"]] = _visible(cube, _members_of_cube(cube))
            policies += len(cube.get("access_policy", ()))
        for view in document.get("views", ()):
            views[view["name"]] = _visible(view, _members_of_view(view))
            policies += len(view.get("access_policy", ()))
    return Shown(dict(sorted(cubes.items())), dict(sorted(views.items())), policies)


def claims(path: str | None) -> dict[str, Any]:
    """Claims that hold a value at `path`, names joined by dots; none without a path."""
    if path is None:
        return {}
    first, _, rest = path.partition(".")
    return {first: claims(rest) if rest else CLAIM_VALUE}


def _members_of_cube(cube: Mapping[str, Any]) -> set[str]:
    kinds = ("dimensions", "measures", "segments")
    return {item["name"] for kind in kinds for item in cube.get(kind, ()) if item.get("public", True)}


def _members_of_view(view: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    for part in view["cubes"]:
        prefix = f"{part['join_path'].rpartition('.')[2]}_" if part.get("prefix") else ""
        for item in part["includes"]:
            named = item if isinstance(item, str) else item.get("alias") or item["name"]
            found.add(prefix + named)
    return found


def _visible(item: Mapping[str, Any], members: set[str]) -> tuple[str, ...]:
    policies = item.get("access_policy")
    if policies is None:
        return tuple(sorted(members))
    found: set[str] = set()
    for policy in policies:
        level = policy.get("member_level", {})
        included, excluded = level.get("includes", "*"), level.get("excludes", ())
        found |= _listed(included, members) - _listed(excluded, members)
        found |= _listed(policy.get("member_masking", {}).get("includes", ()), members)
    return tuple(sorted(found))


def _listed(names: str | Iterable[str], members: set[str]) -> set[str]:
    return members if names == "*" else members & set(names)
