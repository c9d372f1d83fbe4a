"""The `FloeSpec` that names models, in its canonical form; the rules are in docs/reference/dialects.md."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from floe_contracts.dialects.conversion import Converted, Draft
from floe_contracts.dialects.manifest_models import NamedSpec
from floe_contracts.documents.yaml_tree import Path, Tree
from floe_contracts.suggestions import meant_or_known

PROJECT_PATH: Final = "."
"""Folder of dbt_project.yml, which stood beside floe.yaml."""
_OWNER_LABELS: Final = ("owner", "team")
_DBT: Final = ("transforms", 0)


def convert_named_spec(tree: Tree, spec: NamedSpec) -> Converted:
    """The canonical floe.yaml of one that names models.

    Args:
        tree: the document.
        spec: the same, as its own form reads it.
    """
    draft = Draft(tree, kind="FloeSpec")
    draft.move_all(("metadata",), ("metadata",), {key: key for key in ("name", "version", "description", "labels")})
    _owner(draft, spec)
    draft.move(("platform", "manifest"), ("platform", "file"))
    _models(draft, spec)
    if spec.schedule is not None and spec.schedule.cron is None:
        draft.drop(("schedule",), "left out: it has no cron, so it never ticks (manifest-schedule)")
    else:
        draft.move(("schedule",), ("schedule",))
    _output_ports(draft, spec)
    _destinations(draft, spec)
    return draft.finish()


def _owner(draft: Draft, spec: NamedSpec) -> None:
    if spec.metadata.owner is not None:
        draft.move(("metadata", "owner"), ("metadata", "owner"))
        return
    labels = spec.metadata.labels or {}
    label = next((label for label in _OWNER_LABELS if labels.get(label)), None)
    owner = labels[label] if label else "unknown"
    place: Path = ("metadata", "labels", label) if label else ("metadata",)
    draft.put(("metadata", "owner"), owner, place)
    draft.note(place, f"metadata.owner becomes {'what this label says' if label else repr(owner)} (manifest-owner)")


def _models(draft: Draft, spec: NamedSpec) -> None:
    """The named transforms as annotations of the one dbt project; the list is complete, so names can be checked."""
    names = [transform.name for transform in spec.transforms]
    counts = Counter(names)
    models: dict[str, Any] = {}
    for index, transform in enumerate(spec.transforms):
        place: Path = ("transforms", index)
        if transform.name in names[:index]:
            draft.refuse((*place, "name"), f"the transform {transform.name!r} stands twice", "manifest-names", "rename")
        key = "dependsOn" if draft.written((*place, "dependsOn")) is not None else "depends_on"
        for position, upstream in enumerate(transform.depends_on or ()):
            if upstream not in counts:
                message = f"there is no transform {upstream!r}"
                hint = meant_or_known(upstream, counts)
                draft.refuse((*place, key, position), message, "manifest-depends-on", hint)
        models[transform.name] = _annotation(draft, index)
        draft.trace((*_DBT, "models", transform.name), place)
    draft.put(("transforms",), [{"type": "dbt", "path": PROJECT_PATH, "models": models}], ("transforms",))
    draft.trace(_DBT, ("transforms",))
    draft.trace((*_DBT, "models"), ("transforms",))


def _annotation(draft: Draft, index: int) -> dict[str, Any]:
    place: Path = ("transforms", index)
    written = draft.written(place)
    target: Path = (*_DBT, "models", written["name"])
    annotation = {key: written[key] for key in ("tier", "tags", "compute") if written.get(key) is not None}
    for old in ("dependsOn", "depends_on"):
        if written.get(old) is not None:
            annotation["dependsOn"] = written[old]
            draft.trace((*target, "dependsOn"), (*place, old))
    for old in ("qualityChecks", "quality_checks"):
        if written.get(old) is not None:
            annotation["qualityChecks"] = _checks(draft, (*place, old), (*target, "qualityChecks"))
    return annotation


def _checks(draft: Draft, place: Path, target: Path) -> list[dict[str, Any]]:
    draft.trace(target, place)
    checks: list[dict[str, Any]] = []
    for index, written in enumerate(draft.written(place)):
        if str(written.get("enabled", "true")).lower() in ("false", "no", "off", "0", "n", "f"):
            draft.note((*place, index), "left out: a check that is not enabled does nothing (manifest-checks)")
            continue
        draft.trace((*target, len(checks)), (*place, index))
        draft.drop((*place, index, "custom_weight"), "no home in floe: checks have a severity (manifest-checks)")
        checks.append({key: value for key, value in written.items() if key not in ("enabled", "custom_weight")})
    return checks


def _output_ports(draft: Draft, spec: NamedSpec) -> None:
    key = "outputPorts" if draft.written(("outputPorts",)) is not None else "output_ports"
    ports: list[dict[str, Any]] = []
    for index in range(len(spec.output_ports or ())):
        place: Path = (key, index)
        written = draft.written(place)
        draft.drop((*place, "owner"), "no home in floe: a port belongs to the product's owner (manifest-ports)")
        port = {name: written[name] for name in ("name", "description") if written.get(name) is not None}
        port["schema"] = [
            _column(draft, (*place, "schema", position), column) for position, column in enumerate(written["schema"])
        ]
        ports.append(port)
    if ports:
        draft.put(("outputPorts",), ports, (key,))


def _column(draft: Draft, place: Path, written: dict[str, Any]) -> dict[str, Any]:
    for name in ("primaryKey", "primary_key", "classification"):
        elsewhere = "classification is said in dbt's meta" if name == "classification" else "say it in a data contract"
        draft.drop((*place, name), f"no home in floe: {elsewhere} (manifest-ports)")
    kept = ("name", "type", "required", "description")
    return {name: written[name] for name in kept if written.get(name) is not None}


def _destinations(draft: Draft, spec: NamedSpec) -> None:
    destinations: list[dict[str, Any]] = []
    for index, destination in enumerate(spec.destinations or ()):
        place: Path = ("destinations", index)
        target: Path = ("destinations", index)
        value: dict[str, Any] = {"name": destination.name, "type": destination.sink_type}
        value["secretRef"] = destination.connection_secret_ref
        if destination.source_table is not None:
            value["models"] = [destination.source_table.rpartition(".")[2]]
        if destination.config is not None:
            value["options"] = draft.written((*place, "config"))
        for old, new in (("sink_type", "type"), ("connection_secret_ref", "secretRef"), ("config", "options")):
            draft.trace((*target, new), (*place, old))
        draft.trace((*target, "models"), (*place, "source_table"))
        for name in ("field_mapping", "batch_size"):
            draft.drop((*place, name), "no home in floe: write it among the options (manifest-destinations)")
        destinations.append(value)
    if destinations:
        draft.put(("destinations",), destinations, ("destinations",))
