"""The flat `floe.yaml` in its canonical form; the rules are in docs/reference/dialects.md."""

from __future__ import annotations

from typing import Final

from floe_contracts.dialects.conversion import Converted, Draft
from floe_contracts.dialects.flat_models import FlatSpec
from floe_contracts.dialects.glimpses import product_name
from floe_contracts.documents.yaml_tree import Path, Tree

_NO_TRANSFORM_PATH: Final = "dbt"
_PLATFORMS: Final = "say it in platform.yaml, where it is the same for all products"
_BY_ENVIRONMENT: Final = "the environment of a run decides"
_CUBE: Final = "no home in floe: a matter of the Cube deployment"
_ORCHESTRATED: Final = {
    "asset_modules": "name each module as a Python transform",
    "dbt": "floe finds the project by transforms.path and writes the profile itself",
    "partitions": "floe partitions the product, not assets: see orchestration.partitions",
    "assets": "floe's runs follow from triggers and schedule",
    "jobs": "a run builds the product",
    "sensors": "see triggers",
    "backfills": "a backfill is asked for when it is wanted",
}


def convert_flat_spec(tree: Tree, spec: FlatSpec) -> Converted:
    """The canonical floe.yaml of a flat one.

    Args:
        tree: the document.
        spec: the same, as its own form reads it.
    """
    draft = Draft(tree, kind="FloeSpec")
    _metadata(draft, spec)
    draft.move_all((), (), {"compute": "compute", "storage": "storage", "catalog": "catalog"})
    _transforms(draft, spec)
    _schedule(draft, spec)
    _consumption(draft, spec)
    _observability(draft, spec)
    draft.drop(("service_account",), "the platform says who a run is (flat-identity)")
    draft.drop(("principal_role",), "the credentials of the platform's catalog say which role is taken (flat-identity)")
    return draft.finish()


def _metadata(draft: Draft, spec: FlatSpec) -> None:
    name = product_name(spec.name)
    draft.put(("metadata", "name"), name, ("name",))
    if name != spec.name:
        draft.note(("name",), f"becomes {name}: product names are lower-case with hyphens (flat-name)")
    draft.semver(("version",), ("metadata", "version"), "flat-version")
    draft.put(("metadata", "owner"), "unknown", ())
    draft.note((), "metadata.owner becomes 'unknown': this form names no owner (flat-owner)")


def _transforms(draft: Draft, spec: FlatSpec) -> None:
    if not spec.transforms:
        draft.put(("transforms",), [{"type": "dbt", "path": _NO_TRANSFORM_PATH}], ("transforms",))
        draft.note(("transforms",), f"no transforms: the dbt project is looked for in {_NO_TRANSFORM_PATH} (flat-dbt)")
        return
    entries = [{"type": transform.type, "path": transform.path} for transform in spec.transforms]
    draft.put(("transforms",), entries, ("transforms",))
    for index in range(len(spec.transforms)):
        draft.drop(("transforms", index, "target"), f"no home in floe: {_BY_ENVIRONMENT} (flat-target)")


def _schedule(draft: Draft, spec: FlatSpec) -> None:
    for name, instead in _ORCHESTRATED.items():
        draft.drop(("orchestration", name), f"no home in floe: {instead} (flat-orchestration)")
    schedules = (spec.orchestration and spec.orchestration.schedules) or {}
    for name in schedules:
        place: Path = ("orchestration", "schedules", name)
        if len(schedules) > 1:
            draft.note(place, "left out: a product has one schedule, and here are several (flat-schedule)")
            continue
        fields = {"cron_schedule": "cron", "timezone": "timezone", "enabled": "enabled"}
        draft.move_all(place, ("schedule",), fields)
        draft.trace(("schedule",), place)
        draft.drop((*place, "partition_selector"), "no home in floe: a tick builds what is due (flat-schedule)")
        draft.note((*place, "job"), "the schedule starts a run of the product, not of a job (flat-schedule)")


def _consumption(draft: Draft, spec: FlatSpec) -> None:
    place: Path = ("consumption",)
    draft.put(("consumption", "cube", "enabled"), spec.consumption.enabled, (*place, "enabled"))
    old = {"refresh_schedule": "refreshSchedule", "timezone": "timezone", "external": "external"}
    draft.move_all((*place, "pre_aggregations"), ("consumption", "cube", "preAggregations"), old)
    for name in ("port", "database_type", "dev_mode", "api_secret_ref"):
        draft.drop((*place, name), f"{_CUBE} (flat-cube)")
    for name in ("cube_store", "export_bucket"):
        draft.drop((*place, "pre_aggregations", name), f"{_CUBE} (flat-cube)")
    _row_owner(draft, spec, (*place, "security"))


def _row_owner(draft: Draft, spec: FlatSpec, place: Path) -> None:
    security = spec.consumption.security
    if security is not None and security.row_level:
        for name in ("column", "claim"):
            draft.put(("governance", "rowOwner", name), security.filter_column, (*place, "filter_column"))
    elif security is None and spec.consumption.enabled:
        draft.note(
            ("consumption",),
            "no row filter: the original's default, organization_id, was never applied; if rows have owners, say "
            "governance.rowOwner (flat-rows)",
        )
    if spec.governance.classification_source == "external":
        message = "floe reads classifications from dbt's meta only (flat-classification)"
        draft.note(("governance", "classification_source"), message)
    policies = "nothing ever applied them; policies by classification stand in platform.yaml (flat-policies)"
    draft.drop(("governance", "policies"), policies)


def _observability(draft: Draft, spec: FlatSpec) -> None:
    place: Path = ("observability",)
    draft.move_all(place, place, {name: name for name in ("traces", "metrics", "lineage", "attributes")})
    if not spec.governance.emit_lineage:
        draft.put((*place, "lineage"), False, ("governance", "emit_lineage"))
    for name in ("otlp_endpoint", "lineage_endpoint", "tracing", "metrics_config", "logging", "compute_logs"):
        draft.drop((*place, name), f"no home in floe.yaml: {_PLATFORMS} (flat-endpoints)")
