"""The views of a bundle: what exposures and saved queries ask for, each around one cube and those it is joined to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from floe_contracts.nodes import Exposure
from floe_semantic.core.rendering.cubes.members import Cube
from floe_semantic.core.rendering.metricflow.saved_queries import Query
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
class Wanted:
    """What an exposure or a saved query of the dbt project asks for.

    Attributes:
        unique_id: dbt's id.
        type: dbt's kind of exposure, or `saved_query`.
        members: names of members by the unique id of their model; None for all of them.
    """

    unique_id: str
    name: str
    type: str
    members: Mapping[str, frozenset[str] | None]
    title: str = ""
    description: str = ""
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A view; the first of `included` is the cube that it stands around."""

    name: str
    wanted: Wanted
    included: tuple[Included, ...]


def exposed(exposure: Exposure) -> Wanted:
    """What an exposure asks for: all of the models that it reads."""
    return Wanted(
        unique_id=exposure.unique_id,
        name=exposure.name,
        type=exposure.type,
        members=dict.fromkeys(exposure.depends_on),
        title=exposure.label or "",
        description=exposure.description,
        owner=exposure.owner,
    )


def queried(query: Query) -> Wanted:
    """What a saved query asks for."""
    return Wanted(query.unique_id, query.name, "saved_query", query.members(), query.title, query.description)


def views_of(
    wanted: Iterable[Wanted], cubes: Mapping[str, Cube], viewable: Collection[str], skipped: list[str]
) -> tuple[View, ...]:
    """One view for each cube of what is wanted that no other cube of it leads to, sorted by dbt's ids.

    Args:
        wanted: by the dbt project.
        cubes: all of the bundle, by unique id; a view has none of their names.
        viewable: the unique ids of those that views may stand on.
        skipped: is told what no view has, and what has another name there.
    """
    members = {item.name.casefold() for cube in cubes.values() for item in cube.members}
    taken = members | {cube.name.casefold() for cube in cubes.values()}
    passable = {cubes[node_id].name: cubes[node_id] for node_id in sorted(viewable)}
    views: list[View] = []
    for one in sorted(wanted, key=lambda item: item.unique_id):
        used = [cubes[node_id] for node_id in sorted(one.members) if node_id in viewable]
        if not used:
            skipped.append(f"{one.unique_id}: no view, because none of its models can stand in one")
        whole = any(names is None for names in one.members.values())
        ways = {cube.name: cube for cube in used} if whole else passable
        roots = _roots(used, ways)
        for root in roots:
            wish = one.name if len(roots) == 1 else f"{one.name}_{root.name}"
            name = free_name(cube_name(wish), taken, "_view")
            taken.add(name.casefold())
            views.append(View(name, one, _included(name, one, root, used, ways, skipped)))
    return tuple(views)


def _roots(cubes: list[Cube], ways: Mapping[str, Cube]) -> list[Cube]:
    by_name = {cube.name: cube for cube in sorted(cubes, key=lambda item: item.name)}
    leads = {name: _paths(cube, ways).keys() - {name} for name, cube in by_name.items()}
    roots = [cube for name, cube in by_name.items() if not any(name in reached for reached in leads.values())]
    covered = {name for root in roots for name in (root.name, *leads[root.name])}
    # What is still not covered lies on a circle of joins.
    for name, cube in by_name.items():
        if name not in covered:
            roots.append(cube)
            covered.update((name, *leads[name]))
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


def _included(
    view: str, wanted: Wanted, root: Cube, used: list[Cube], ways: Mapping[str, Cube], skipped: list[str]
) -> tuple[Included, ...]:
    by_name = {cube.name: cube for cube in used}
    taken: set[str] = set()
    included: list[Included] = []
    for name, path in _paths(root, ways).items():
        if name not in by_name:
            continue
        cube = by_name[name]
        asked = wanted.members[cube.node.unique_id]
        # Rows are chosen by their owner, so a view has it whether it was asked for or not.
        members = [item for item in cube.members if asked is None or item.name in asked or item.name == cube.row_owner]
        names = _names(cube, [item.name for item in members], "" if cube is root else f"{name}_", taken)
        for member, (plain, shown) in names.items():
            if shown != plain:
                skipped.append(f"view {view}: {name}.{member} is {shown} there: another member is named {plain}")
        included.append(Included(cube, path, {member: shown for member, (_, shown) in names.items()}))
    return tuple(included)


def _names(cube: Cube, members: list[str], prefix: str, taken: set[str]) -> dict[str, tuple[str, str]]:
    """The members of a cube in a view, each with the name that it would have and the one that it has.

    Args:
        cube: theirs.
        members: their names in the cube.
        prefix: stands before all of them.
        taken: casefolded names of the view's members so far; those of these are added.
    """
    plain = {member: prefix + member for member in members}
    shown = {member: name for member, name in plain.items() if name.casefold() not in taken}
    taken.update(name.casefold() for name in shown.values())
    keys = [item.name for item in cube.dimensions if item.primary_key]
    for member in members:
        if member not in shown:
            # `b_id` of a cube `a` and `id` of the cube `b`, to which it points, is the usual case.
            wish = f"{prefix}key" if keys == [member] else f"{plain[member]}_"
            shown[member] = free_name(wish, taken)
            taken.add(shown[member].casefold())
    return {member: (plain[member], shown[member]) for member in members}
