"""The views of a bundle: what an exposure of the dbt project uses, each around one cube and those it is joined to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from floe_contracts.nodes import Exposure
from floe_semantic.core.rendering.cubes.members import Cube
from floe_semantic.core.rendering.sql.identifiers import cube_name, free_name


@dataclass(frozen=True, slots=True)
class Included:
    """A cube in a view: the joins that lead to it, and its members -> their names in the view."""

    cube: Cube
    path: str
    members: Mapping[str, str]

    @property
    def prefixed(self) -> bool:
        """Whether the members have the cube's name before theirs; only those of the view's own cube have not."""
        return self.path != self.cube.name


@dataclass(frozen=True, slots=True)
class View:
    """A view; the first of `included` is the cube that it stands around."""

    name: str
    exposure: Exposure
    included: tuple[Included, ...]


def views_of(
    exposures: Iterable[Exposure], cubes: Mapping[str, Cube], viewable: Collection[str], skipped: list[str]
) -> tuple[View, ...]:
    """One view for each cube of an exposure that no other cube of it leads to, sorted by exposure.

    Args:
        exposures: of the dbt project.
        cubes: all of the bundle, by unique id; a view has none of their names.
        viewable: the unique ids of those that views may stand on.
        skipped: is told what no view has.
    """
    members = {item.name.casefold() for cube in cubes.values() for item in cube.members}
    taken = members | {cube.name.casefold() for cube in cubes.values()}
    views: list[View] = []
    for exposure in sorted(exposures, key=lambda item: item.unique_id):
        used = [cubes[node_id] for node_id in sorted(set(exposure.depends_on)) if node_id in viewable]
        if not used:
            skipped.append(f"{exposure.unique_id}: no view, because none of its models can stand in one")
        roots = _roots(used)
        for root in roots:
            wanted = exposure.name if len(roots) == 1 else f"{exposure.name}_{root.name}"
            name = free_name(cube_name(wanted), taken, "_view")
            taken.add(name.casefold())
            views.append(View(name, exposure, _included(name, root, used, skipped)))
    return tuple(views)


def _roots(cubes: list[Cube]) -> list[Cube]:
    by_name = {cube.name: cube for cube in sorted(cubes, key=lambda item: item.name)}
    targets = {join.target for cube in cubes for join in cube.joins}
    roots = [cube for name, cube in by_name.items() if name not in targets]
    reached = {name for root in roots for name in _paths(root, by_name)}
    # What is still not reached lies on a circle of joins.
    for name, cube in by_name.items():
        if name not in reached:
            roots.append(cube)
            reached.update(_paths(cube, by_name))
    return roots


def _paths(root: Cube, cubes: Mapping[str, Cube]) -> dict[str, str]:
    paths = {root.name: root.name}
    queue = [root]
    for cube in queue:
        for join in cube.joins:
            if join.target in cubes and join.target not in paths:
                paths[join.target] = f"{paths[cube.name]}.{join.target}"
                queue.append(cubes[join.target])
    return paths


def _included(view: str, root: Cube, used: list[Cube], skipped: list[str]) -> tuple[Included, ...]:
    by_name = {cube.name: cube for cube in used}
    taken: set[str] = set()
    included: list[Included] = []
    for name, path in _paths(root, by_name).items():
        cube = by_name[name]
        prefix = "" if cube is root else f"{name}_"
        members: dict[str, str] = {}
        for member in cube.members:
            shown = prefix + member.name
            if shown.casefold() in taken:
                skipped.append(f"view {view}: {name}.{member.name} is left out: another member is named {shown}")
                continue
            taken.add(shown.casefold())
            members[member.name] = shown
        included.append(Included(cube, path, members))
    return tuple(included)
