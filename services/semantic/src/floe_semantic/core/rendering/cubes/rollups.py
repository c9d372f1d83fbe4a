"""Rollups: what Cube keeps computed for the saved queries of a project."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Final

from cronsim import CronSim

from floe_contracts.compiled_product import CompiledPreAggregations
from floe_semantic.core.rendering.cubes.members import Cube, Refresh, Rollup
from floe_semantic.core.rendering.metricflow.saved_queries import Query
from floe_semantic.core.rendering.policies.access_policies import Rules, rules_over
from floe_semantic.core.rendering.policies.guarded_joins import is_guarded
from floe_semantic.core.rendering.sql.dialects import DUCKDB
from floe_semantic.core.rendering.sql.identifiers import cube_name, free_name
from floe_semantic.core.rendering.untranslatable import Untranslatable

# What Cube takes for a schedule of equal intervals (BaseQuery.calcIntervalForCronString of 1.7.43).
_CRON: Final = re.compile(r"(\*|\d+) (\*|\d+) \* \* (\*|\d+)")
_TICKS: Final = 500
_START: Final = datetime(2024, 1, 1, tzinfo=UTC)


def with_rollups(
    cubes: Mapping[str, Cube],
    queries: Iterable[Query],
    rules: Mapping[str, Mapping[str, Rules]],
    settings: CompiledPreAggregations,
    skipped: list[str],
) -> dict[str, Cube]:
    """`cubes` (by unique id) with a rollup for every saved query over the measures of one of them.

    A rollup is built for nobody in particular. So it has no member that a policy hides from anybody, passes no join
    that is there for some callers only, and has the row owners of all its cubes, since Cube answers from a rollup only
    what it can filter there.

    Args:
        cubes: with guarded joins.
        queries: what is kept computed.
        rules: of the columns of each model, casefolded, by unique id.
        settings: how it is kept fresh, and where.
        skipped: is told of queries without a rollup.
    """
    refresh = refresh_of(settings.refresh_schedule, settings.timezone, skipped)
    rollups: dict[str, list[Rollup]] = {node_id: [] for node_id in cubes}
    for query in queries:
        try:
            node_id, rollup = _rollup(query, cubes, rules, refresh, external=settings.external)
        except Untranslatable as reason:
            skipped.append(f"{query.unique_id}: no pre-aggregation: {reason}")
            continue
        taken = {item.name.casefold() for item in rollups[node_id]}
        rollups[node_id].append(replace(rollup, name=free_name(rollup.name, taken)))
    if not any(rollups.values()):
        skipped.append("consumption.cube.preAggregations: no saved query can be kept computed")
    return {node_id: replace(cube, rollups=tuple(rollups[node_id])) for node_id, cube in cubes.items()}


def _rollup(
    query: Query,
    cubes: Mapping[str, Cube],
    rules: Mapping[str, Mapping[str, Rules]],
    refresh: Refresh,
    *,
    external: bool,
) -> tuple[str, Rollup]:
    roots = {node_id for node_id, _ in query.measures}
    if len(roots) > 1:
        raise Untranslatable("its metrics stand in several cubes")
    root = roots.pop()
    if not external and cubes[root].scope.dialect is DUCKDB:
        raise Untranslatable("the DuckDB file that Cube reads is read-only; `external: true` keeps it in Cube Store")
    for node_id, names in query.members().items():
        cube = cubes[node_id]
        hidden = [item.name for item in cube.members if item.name in names and rules_over(item.columns, rules[node_id])]
        if hidden:
            raise Untranslatable(f"not everybody may see {', '.join(f'{cube.name}.{name}' for name in sorted(hidden))}")
    passed = _passed(cubes[root], {cubes[node_id].name for node_id in query.members()}, cubes)
    _refuse_guarded_joins(passed, cubes, rules)
    owners = {f"{cube.name}.{cube.row_owner}" for cube in passed if cube.row_owner is not None}
    plain = {f"{cubes[item.node_id].name}.{item.member}" for item in query.groupings if item.grain is None}
    times = {(f"{cubes[item.node_id].name}.{item.member}", item.grain) for item in query.groupings if item.grain}
    return root, Rollup(
        name=cube_name(query.name),
        measures=tuple(f"{cubes[node_id].name}.{name}" for node_id, name in query.measures),
        dimensions=tuple(sorted(plain | owners)),
        times=tuple(sorted(times)),
        refresh=refresh,
        external=external,
    )


def _passed(root: Cube, wanted: set[str], cubes: Mapping[str, Cube]) -> list[Cube]:
    """The cubes on the shortest ways from `root` to the wanted ones, both ends included."""
    by_name = {cube.name: cube for cube in cubes.values()}
    steps = {root.name: 0}
    ways: dict[str, frozenset[str]] = {root.name: frozenset({root.name})}
    queue = [root]
    for cube in queue:
        for join in cube.joins:
            if join.target not in steps:
                steps[join.target] = steps[cube.name] + 1
                queue.append(by_name[join.target])
            if steps[join.target] == steps[cube.name] + 1:
                ways[join.target] = ways.get(join.target, frozenset({join.target})) | ways[cube.name]
    apart = sorted(wanted - set(ways))
    if apart:
        raise Untranslatable(f"no join leads from {root.name} to {', '.join(apart)}")
    return [by_name[name] for name in sorted({name for one in wanted for name in ways[one]})]


def _refuse_guarded_joins(
    passed: list[Cube], cubes: Mapping[str, Cube], rules: Mapping[str, Mapping[str, Rules]]
) -> None:
    by_name = {cube.name: node_id for node_id, cube in cubes.items()}
    for cube in passed:
        for join in cube.joins:
            target = cubes[by_name[join.target]]
            if target in passed and is_guarded(join, rules[by_name[cube.name]], rules[by_name[join.target]]):
                raise Untranslatable(f"the join of {cube.name} to {target.name} is not there for everybody")


def refresh_of(schedule: str, timezone: str, skipped: list[str]) -> Refresh:
    """The schedule as Cube takes it: a cron expression of equal intervals, or else the interval itself.

    Args:
        schedule: five fields of cron.
        timezone: its IANA name.
        skipped: is told where the schedule has intervals of different lengths; the shortest holds then.
    """
    fields = " ".join(schedule.split())
    if _CRON.fullmatch(fields):
        return Refresh(fields, timezone)
    ticks = list(islice(CronSim(fields, _START), _TICKS))
    gaps = {later - earlier for earlier, later in pairwise(ticks)}
    shortest = max(min(gaps, default=timedelta(days=1)), timedelta(minutes=1))
    every = f"{int(shortest.total_seconds()) // 60} minutes"
    if len(gaps) != 1:
        skipped.append(f"consumption.cube.preAggregations: Cube has no schedule {fields}; it refreshes every {every}")
    return Refresh(every)
