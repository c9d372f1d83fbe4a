"""Cubes and views of a bundle as far as lineage goes: which columns of which dbt nodes their members come from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import yaml

from floe_contracts.errors import ContractError

_PLAIN_COLUMN: Final = re.compile(r"\{CUBE\}\.(\w+|[\"`][^\"`]+[\"`])")
_SIDES: Final = re.compile(r"\{(\w+)\}\.(\w+|[\"`][^\"`]+[\"`])")
_COUNTS: Final = frozenset({"count", "count_distinct", "count_distinct_approx"})
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class ServedMember:
    """A member of a cube.

    Attributes:
        columns: of the cube's dbt node, casefolded.
        measure: whether it is computed from many rows.
        counts: whether only rows are counted, so that no value can be seen.
        plain: whether it is a column as it stands.
    """

    columns: tuple[str, ...]
    measure: bool = False
    counts: bool = False
    plain: bool = False


@dataclass(frozen=True, slots=True)
class ServedJoin:
    """A join: the columns that decide on it, of the cube and of the one that it leads to, casefolded."""

    own: tuple[str, ...]
    other: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServedCube:
    """A cube."""

    node_id: str
    owner: str | None
    members: Mapping[str, ServedMember]
    joins: Mapping[str, ServedJoin]


@dataclass(frozen=True, slots=True)
class ServedView:
    """A view: its members, and the cube and member that each one is."""

    owner: str | None
    members: Mapping[str, tuple[str, str]]
    whole: tuple[tuple[str, str], ...] = ()
    """Cubes that are included with all their members, and the prefix of these."""

    def find(self, name: str) -> tuple[str, str] | None:
        """The cube and the member that a member of the view is."""
        if name in self.members:
            return self.members[name]
        for cube, prefix in self.whole:
            if name.startswith(prefix):
                return cube, name[len(prefix) :]
        return None


def read_cube(text: str) -> ServedCube:
    """A cube from its file.

    Raises:
        ContractError: the file holds none.
    """
    with _as_rendered():
        cube = _only(text, "cubes")
        members = {
            item["name"]: _member(item, measure=key == "measures")
            for key in ("dimensions", "measures", "segments")
            for item in cube.get(key) or ()
        }
        joins = {item["name"]: _join(item) for item in cube.get("joins") or ()}
        told = _floe(cube)
        return ServedCube(str(told.get("dbt_unique_id") or ""), told.get("owner"), members, joins)


def read_view(text: str) -> ServedView:
    """A view from its file.

    Raises:
        ContractError: the file holds none.
    """
    with _as_rendered():
        view = _only(text, "views")
        members: dict[str, tuple[str, str]] = {}
        whole = []
        for entry in view.get("cubes") or ():
            cube = str(entry["join_path"]).rpartition(".")[2]
            prefix = f"{entry.get('alias') or cube}_" if entry.get("prefix") else ""
            includes = entry.get("includes") or ()
            if includes == "*":
                whole.append((cube, prefix))
                continue
            for name, shown in _included(includes):
                members[prefix + shown] = (cube, name)
        return ServedView(_floe(view).get("owner"), members, tuple(whole))


@contextmanager
def _as_rendered() -> Iterator[None]:
    try:
        yield
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ContractError(f"a file of a bundle is not as floe renders it: {error!r}") from error


def _only(text: str, key: str) -> Mapping[str, Any]:
    (found,) = yaml.load(text, Loader=_LOADER)[key]  # noqa: S506 - both loaders are safe ones
    return dict(found)


def _floe(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return (item.get("meta") or {}).get("floe") or {}


def _member(item: Mapping[str, Any], *, measure: bool) -> ServedMember:
    return ServedMember(
        columns=tuple(_floe(item).get("columns") or ()),
        measure=measure,
        counts=measure and item.get("type") in _COUNTS,
        plain=not measure and _PLAIN_COLUMN.fullmatch(str(item.get("sql", ""))) is not None,
    )


def _join(item: Mapping[str, Any]) -> ServedJoin:
    sides = [(cube, column.strip('"`').casefold()) for cube, column in _SIDES.findall(str(item.get("sql", "")))]
    own = tuple(sorted({column for cube, column in sides if cube == "CUBE"}))
    return ServedJoin(own, tuple(sorted({column for cube, column in sides if cube == item["name"]})))


def _included(includes: Any) -> Iterator[tuple[str, str]]:
    for item in includes:
        if isinstance(item, str):
            yield item, item
        else:
            yield item["name"], item.get("alias") or item["name"]
