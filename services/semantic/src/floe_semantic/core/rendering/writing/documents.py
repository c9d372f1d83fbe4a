"""Cubes and views as the YAML documents that Cube reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from floe_contracts.nodes import Node
from floe_semantic.core.rendering.cubes.members import Cube, Dimension, Join, Measure, Rollup
from floe_semantic.core.rendering.cubes.views import Included, View
from floe_semantic.core.rendering.policies.access_policies import (
    MASK,
    RowFilter,
    Rules,
    access_policies,
    is_masked,
    rules_over,
)
from floe_semantic.core.rendering.sql.dialects import DUCKDB, relation
from floe_semantic.core.rendering.sql.serve_database import landed_snapshot
from floe_semantic.core.rendering.writing.cube_text import literal, prose


def cube_document(cube: Cube, rules: Mapping[str, Rules], claim: str | None, *, in_view: bool) -> dict[str, Any]:
    """The file of one cube.

    Args:
        cube: what is written.
        rules: of the model's columns, casefolded.
        claim: the caller's claim that the row owner must equal, if rows have owners.
        in_view: whether a view stands on it.
    """
    node = cube.node
    meta = _meta(
        dbt_unique_id=node.unique_id,
        owner=node.owner,
        tier=node.tier,
        tags=node.tags,
        joins_to=[join.target for join in cube.joins],
    )
    document: dict[str, Any] = {
        "name": cube.name,
        "sql_table": literal(relation(node, cube.scope.dialect)),
        **({"data_source": cube.data_source} if cube.data_source else {}),
        **_described(cube.title, node.description),
        "meta": meta,
    }
    if cube.scope.dialect is DUCKDB:
        document["refresh_key"] = {"every": "1 second", "sql": literal(landed_snapshot(node))}
    if cube.joins:
        document["joins"] = [_join(join) for join in cube.joins]
    document["dimensions"] = [_dimension(item, node, rules) for item in cube.dimensions]
    document["measures"] = [_measure(item) for item in cube.measures]
    if cube.rollups:
        document["pre_aggregations"] = [_rollup(item) for item in cube.rollups]
    document["access_policy"] = access_policies(member_rules(cube, rules), _row_filter(cube, claim), in_view=in_view)
    return {"cubes": [document]}


def view_document(view: View, rules: Mapping[str, Mapping[str, Rules]], claim: str | None) -> dict[str, Any]:
    """The file of one view.

    Its policies name its own members, since a view passes over the member rules of its cubes. Its row filter is that of
    the cube it stands around; the others bring their own as soon as a query touches them.

    Args:
        view: what is written.
        rules: of the columns of each model, by unique id.
        claim: the caller's claim that the row owner must equal, if rows have owners.
    """
    members: dict[str, Rules] = {}
    for part in view.included:
        of_cube = member_rules(part.cube, rules[part.cube.node.unique_id])
        members.update({shown: of_cube[name] for name, shown in part.members.items()})
    root = view.included[0]
    cubes = []
    for part in view.included:
        entry: dict[str, Any] = {"join_path": part.path}
        if part.prefixed:
            entry["prefix"] = True
        cubes.append({**entry, "includes": [_include(part, name) for name in sorted(part.members)]})
    document = {
        "name": view.name,
        **_described(view.wanted.title, view.wanted.description),
        "meta": _meta(dbt_unique_id=view.wanted.unique_id, owner=view.wanted.owner, type=view.wanted.type),
        "cubes": cubes,
        "access_policy": access_policies(members, _row_filter(root.cube, claim)),
    }
    return {"views": [document]}


def _include(part: Included, member: str) -> str | dict[str, str]:
    named = part.members[member].removeprefix(f"{part.cube.name}_") if part.prefixed else part.members[member]
    return member if named == member else {"name": member, "alias": named}


def member_rules(cube: Cube, rules: Mapping[str, Rules]) -> dict[str, Rules]:
    """Every member of `cube` with the rules of all columns that it is computed from."""
    return {item.name: rules_over(item.columns, rules) for item in cube.members}


def _row_filter(cube: Cube, claim: str | None) -> RowFilter | None:
    return RowFilter(cube.row_owner, claim) if cube.row_owner is not None and claim is not None else None


def _dimension(dimension: Dimension, node: Node, rules: Mapping[str, Rules]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": dimension.name,
        **_described(dimension.title, dimension.description),
        "sql": dimension.sql,
        "type": dimension.type,
    }
    if dimension.primary_key:
        # Cube hides primary keys unless told otherwise.
        document.update(primary_key=True, public=True)
    if dimension.type == "string" and is_masked(rules_over(dimension.columns, rules)):
        document["mask"] = {"sql": MASK}
    elif dimension.type == "time" and rules_over(dimension.columns, rules):
        document["mask"] = {"sql": "cast(null as timestamp)"}
    read = [column for column in node.columns if column.name.casefold() in dimension.columns]
    classes = sorted({one.classification.classification for one in read if one.classification is not None})
    tags = sorted({tag for column in read for tag in column.tags})
    document["meta"] = _meta(columns=sorted(dimension.columns), classification=classes, tags=tags)
    return document


def _measure(measure: Measure) -> dict[str, Any]:
    # No mask here: Cube passes over a measure's SQL mask in ungrouped queries. Without one, null is shown.
    document: dict[str, Any] = {
        "name": measure.name,
        **_described(measure.title, measure.description),
        "type": measure.type,
    }
    if measure.sql is not None:
        document["sql"] = measure.sql
    if measure.filters:
        document["filters"] = [{"sql": sql} for sql in measure.filters]
    window = measure.rolling_window
    if window is not None and window.to_date is not None:
        document["rolling_window"] = {"type": "to_date", "granularity": window.to_date}
    elif window is not None:
        document["rolling_window"] = {"trailing": window.trailing}
    meta = _meta(columns=sorted(measure.columns), dbt_unique_id=measure.source)
    if meta["floe"]:
        document["meta"] = meta
    return document


def _rollup(rollup: Rollup) -> dict[str, Any]:
    document: dict[str, Any] = {"name": rollup.name, "type": "rollup", "external": rollup.external}
    members = {"measures": rollup.measures, "dimensions": rollup.dimensions}
    document.update({kind: list(names) for kind, names in members.items() if names})
    if rollup.times:
        document["time_dimensions"] = [{"dimension": name, "granularity": grain} for name, grain in rollup.times]
    document["refresh_key"] = {"every": rollup.refresh.every}
    if rollup.refresh.timezone is not None:
        document["refresh_key"]["timezone"] = rollup.refresh.timezone
    return document


def _join(join: Join) -> dict[str, Any]:
    return {"name": join.target, "sql": join.sql, "relationship": join.relationship}


def _described(title: str, description: str) -> dict[str, str]:
    texts = {"title": prose(title), "description": prose(description)}
    return {name: text for name, text in texts.items() if text}


def _meta(**values: str | Sequence[str] | None) -> dict[str, Any]:
    # Lists hold names, of which every sign counts.
    texts = {
        name: prose(value) if isinstance(value, str) else [literal(item) for item in value]
        for name, value in sorted(values.items())
        if value
    }
    return {"floe": {name: text for name, text in texts.items() if text}}
