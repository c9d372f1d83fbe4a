"""From a dbt manifest to the nodes that the rest of floe works with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from floe_contracts.errors import FloeError, Where
from floe_contracts.nodes import CLASSIFICATIONS, Check, Column, Exposure, Node, NodeGraph
from floe_dbt.classification import MetaReader
from floe_dbt.errors import DbtMetaInvalid, DbtMetaProblem
from floe_dbt.fingerprints import Fingerprinter, ProjectFiles
from floe_dbt.key_constraints import read_keys
from floe_dbt.landing_meta import read_landing
from floe_dbt.measure_meta import read_measures

_NODE_TYPES: Final = ("model", "seed", "snapshot")
_CARRIED: Final = ("semantic_models", "metrics", "saved_queries")
_ANY_FAILURE: Final = frozenset({"!=0", "<>0", ">0", ">=1"})
MOST_NESTED: Final = 100
"""Levels of what a project may say freely: what writes JSON further on follows them by recursion."""

Resource = Mapping[str, Any]


def read_nodes(
    manifest: Mapping[str, Any],
    *,
    classifications: Sequence[str] = CLASSIFICATIONS,
    files: ProjectFiles | None = None,
) -> NodeGraph:
    """The models, seeds, snapshots and sources of a manifest, with their columns and checks.

    Args:
        manifest: a normalised manifest.
        classifications: the names that columns may be classified by: floe's own and those of the platform.
        files: what the manifest does not say of the project's files; needed where fingerprints are compared.

    Raises:
        DbtMetaInvalid: entries of `meta.floe` that floe does not understand, or a `meta` that is nested too deep; holds
            all of them.
    """
    _refuse_nested(manifest)
    fingerprinter = Fingerprinter(manifest, files or ProjectFiles())
    attached, unattached = _checks(manifest, fingerprinter)
    problems: list[FloeError] = []
    resources = [node for node in manifest["nodes"].values() if node["resource_type"] in _NODE_TYPES]
    resources += manifest["sources"].values()
    relations = {item["relation_name"]: item["unique_id"] for item in resources if item.get("relation_name")}
    nodes = [
        _node(resource, attached.get(resource["unique_id"], ()), problems, classifications).model_copy(
            update={"fingerprints": fingerprinter.of_node(resource), "keys": read_keys(resource, relations)}
        )
        for resource in resources
    ]
    if problems:
        raise DbtMetaInvalid(problems)
    return NodeGraph(
        project=manifest["metadata"]["project_name"],
        nodes=tuple(sorted(nodes, key=lambda node: node.unique_id)),
        checks=unattached,
        exposures=tuple(_exposure(resource) for _, resource in sorted(manifest["exposures"].items())),
        semantic_models=_as_they_are(manifest["semantic_models"]),
        metrics=_as_they_are(manifest["metrics"]),
        saved_queries=_as_they_are(manifest["saved_queries"]),
    )


def _refuse_nested(manifest: Mapping[str, Any]) -> None:
    resources = [*manifest["nodes"].values(), *manifest["sources"].values()]
    free = [(resource, [resource.get("meta"), resource["config"].get("meta")]) for resource in resources]
    free += [(resource, [resource]) for kind in _CARRIED for resource in manifest[kind].values()]
    problems = [
        DbtMetaProblem(
            f"{resource['name']}: nested deeper than {MOST_NESTED} levels", where=Where(file=_documented_in(resource))
        )
        for resource, values in free
        if _is_nested(values)
    ]
    if problems:
        raise DbtMetaInvalid(problems)


def _is_nested(value: Any) -> bool:
    """Whether `value` goes deeper than `MOST_NESTED`; itself without recursion."""
    level = [value]
    for _ in range(MOST_NESTED):
        level = [item for each in level for item in (each.values() if isinstance(each, dict) else each)]
        level = [item for item in level if isinstance(item, dict | list) and item]
        if not level:
            return False
    return True


def _node(
    resource: Resource, checks: Sequence[Check], problems: list[FloeError], classifications: Sequence[str]
) -> Node:
    reader = MetaReader(resource["name"], _documented_in(resource), problems, classifications)
    meta = reader.of_node(resource)
    config = resource["config"]
    return Node(
        unique_id=resource["unique_id"],
        name=resource["name"],
        resource_type=resource["resource_type"],
        materialized=config.get("materialized") or resource["resource_type"],
        database=resource["database"] or "",
        schema_name=resource["schema"],
        identifier=resource.get("identifier") or resource["alias"],
        relation_name=resource.get("relation_name"),
        path=resource["original_file_path"],
        patch_path=_patch_path(resource),
        description=resource["description"],
        owner=meta.owner,
        tier=meta.tier,
        tags=tuple(sorted(set(resource["tags"]))),
        meta={**(resource.get("meta") or {}), **(config.get("meta") or {})},
        expose=meta.expose,
        depends_on=_depends_on(resource),
        columns=tuple(_column(column, reader, config) for _, column in sorted(resource["columns"].items())),
        primary_key=tuple(resource.get("primary_key") or _inferred_primary_key(checks)),
        unique_key=_as_tuple(config.get("unique_key")),
        checks=tuple(checks),
        raw_code=resource.get("raw_code") or None,
        contract_enforced=bool((resource.get("contract") or {}).get("enforced")),
        landing=read_landing(meta.landing, resource, _documented_in(resource), problems),
        measures=read_measures(meta.measures, resource["name"], _documented_in(resource), problems),
    )


def _column(column: Resource, reader: MetaReader, config: Resource) -> Column:
    meta = reader.of_column(column)
    enforced = (config.get("contract") or {}).get("enforced")
    return Column(
        name=column["name"],
        data_type=column["data_type"],
        description=column["description"],
        classification=meta.classification,
        row_owner=meta.row_owner,
        constraints=tuple(sorted({each["type"] for each in column.get("constraints") or ()})) if enforced else (),
        quoted=bool(column.get("quote")),
        tags=tuple(sorted(set(column.get("tags") or ()))),
    )


def _checks(
    manifest: Mapping[str, Any], fingerprinter: Fingerprinter
) -> tuple[dict[str, list[Check]], tuple[Check, ...]]:
    """All tests: those of one node under its id, and those of no single one."""
    tests = [node for node in manifest["nodes"].values() if node["resource_type"] == "test"]
    tests += manifest["unit_tests"].values()
    attached: dict[str, list[Check]] = defaultdict(list)
    unattached = []
    for test in sorted(tests, key=lambda test: str(test["unique_id"])):
        parents = _depends_on(test)
        node = test.get("attached_node") or (parents[0] if len(parents) == 1 else None)
        check = _check(test, node, fingerprinter.of_check(test))
        if node is None:
            unattached.append(check)
        else:
            attached[node].append(check)
    return attached, tuple(unattached)


def _check(test: Resource, node: str | None, fingerprint: str) -> Check:
    metadata = test.get("test_metadata") or {}
    arguments = metadata.get("kwargs") or {}
    namespace = f"{metadata['namespace']}." if metadata.get("namespace") else ""
    parents = _depends_on(test)
    to_column = arguments.get("field") if metadata.get("name") == "relationships" else None
    return Check(
        unique_id=test["unique_id"],
        name=f"{namespace}{metadata['name']}" if metadata else test["name"],
        column=test.get("column_name") or arguments.get("column_name"),
        depends_on=parents,
        to_node=next((parent for parent in parents if parent != node), node) if to_column else None,
        to_column=to_column,
        path=test["original_file_path"],
        fingerprint=fingerprint,
        partial=_is_partial(test["config"]),
    )


def _is_partial(config: Resource) -> bool:
    """Whether a test that passes may leave rows that do not fulfil it; `!= 0` is dbt's default of both conditions."""
    conditions = (config.get("warn_if") or "!= 0", config.get("error_if") or "!= 0")
    bears = any(condition.replace(" ", "") not in _ANY_FAILURE for condition in conditions)
    warns = str(config.get("severity") or "error").lower() == "warn"
    return bool(bears or warns or config.get("where") or config.get("limit") or not config.get("enabled", True))


def _inferred_primary_key(checks: Iterable[Check]) -> tuple[str, ...]:
    """The column that is unique and not null, as dbt itself infers it, but for models only."""
    by_name: dict[str, set[str]] = defaultdict(set)
    for check in checks:
        if check.column:
            by_name[check.name].add(check.column)
    columns = sorted(by_name["unique"] & by_name["not_null"])
    return (columns[0],) if len(columns) == 1 else ()


def _exposure(resource: Resource) -> Exposure:
    owner = resource["owner"]
    return Exposure(
        unique_id=resource["unique_id"],
        name=resource["name"],
        type=resource["type"],
        label=resource.get("label"),
        owner=owner.get("name") or owner.get("email"),
        description=resource["description"],
        depends_on=_depends_on(resource),
    )


def _as_they_are(resources: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    return tuple(dict(resource) for _, resource in sorted(resources.items()))


def _depends_on(resource: Resource) -> tuple[str, ...]:
    return tuple(sorted(resource.get("depends_on", {}).get("nodes", ())))


def _documented_in(resource: Resource) -> str:
    """The properties file, or else the file of the node itself."""
    return _patch_path(resource) or str(resource["original_file_path"])


def _patch_path(resource: Resource) -> str | None:
    """The properties file, which dbt names `package://path`."""
    patch: str | None = resource.get("patch_path")
    return patch.split("://", 1)[-1] if patch else None


def _as_tuple(value: str | Sequence[str] | None) -> tuple[str, ...]:
    if not value:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
