"""The flat `platform.yaml` in its canonical form; the rules are in docs/reference/dialects.md."""

from __future__ import annotations

from floe_contracts.dialects.computes import put_compute
from floe_contracts.dialects.conversion import Converted, Draft
from floe_contracts.dialects.flat_models import FlatObservability, FlatPlatform
from floe_contracts.dialects.profiles import (
    put_catalog,
    put_credentials,
    put_profiles,
    put_storage,
)
from floe_contracts.documents.yaml_tree import Path, Tree
from floe_contracts.suggestions import meant_or_known


def convert_flat_platform(tree: Tree, platform: FlatPlatform) -> Converted:
    """The canonical platform.yaml of a flat one.

    Args:
        tree: the document.
        platform: the same, as its own form reads it.
    """
    draft = Draft(tree, kind="PlatformSpec")
    draft.put(("metadata", "name"), "platform", ())
    draft.semver(("version",), ("metadata", "version"), "flat-version")
    draft.put(("metadata", "owner"), "unknown", ())
    draft.note((), "metadata becomes {name: platform, owner: unknown}: this form has neither (flat-owner)")
    for name, compute in platform.compute.items():
        place: Path = ("compute", name)
        secret = compute.credentials.secret_ref
        put_compute(draft, name, compute.type, place, (*place, "properties"), secret, "flat-compute")
        if secret is None:
            draft.drop((*place, "credentials"), "left out: they name no secret (flat-credentials)")
    _storage(draft, platform)
    _catalogs(draft, platform)
    put_profiles(draft, [*platform.compute, *platform.storage, *platform.catalogs], (), "flat-environments")
    message = "this form has no environments: dev stands for the one that it is written for (flat-environments)"
    draft.note((), message)
    _observability(draft, platform.observability)
    _layers(draft, platform)
    for section in ("infrastructure", "security", "governance"):
        draft.drop((section,), "no home in floe: nothing ever read it (flat-unread)")
    return draft.finish()


def _storage(draft: Draft, platform: FlatPlatform) -> None:
    for name, storage in platform.storage.items():
        place: Path = ("storage", name)
        put_storage(draft, name, storage.type, place, place, "flat-storage")
        if storage.type == "s3" and storage.region is None:
            draft.put((*place, "region"), "us-east-1", place)
        if storage.type != "local":
            put_credentials(draft, (*place, "credentials"), (*place, "credentials"), "flat-credentials")


def _catalogs(draft: Draft, platform: FlatPlatform) -> None:
    for name, catalog in platform.catalogs.items():
        place: Path = ("catalogs", name)
        put_catalog(draft, name, catalog.type, place, place, "flat-catalog")
        if catalog.type in ("polaris", "nessie", "rest") and catalog.access_delegation is None:
            draft.put((*place, "accessDelegation"), "none", place)
        if catalog.type == "hive":
            draft.drop((*place, "credentials"), "no home in floe: hive takes no credentials (flat-catalog)")
        else:
            put_credentials(draft, (*place, "credentials"), (*place, "credentials"), "flat-credentials")


def _observability(draft: Draft, observability: FlatObservability | None) -> None:
    if observability is None:
        return
    place: Path = ("observability",)
    draft.move_all(place, place, {"otlp_endpoint": "otlpEndpoint", "attributes": "attributes"})
    _sampling(draft, observability)
    if observability.logging and observability.logging.level:
        level = observability.logging.level.lower().replace("critical", "error")
        draft.put((*place, "logLevel"), level, (*place, "logging", "level"))
    if observability.lineage and observability.lineage_endpoint is not None:
        origin: Path = (*place, "lineage_endpoint")
        draft.put((*place, "lineage", "default", "type"), "http", origin)
        draft.put((*place, "lineage", "default", "url"), observability.lineage_endpoint, origin)
    elif not observability.lineage:
        draft.drop((*place, "lineage_endpoint"), "left out: lineage is off (flat-endpoints)")
    if not observability.metrics:
        draft.note((*place, "metrics"), "no home in floe: each service's settings say so (flat-endpoints)")
    for name in ("metrics_config", "compute_logs"):
        draft.drop((*place, name), "no home in floe: a matter of the collector (flat-endpoints)")
    draft.drop((*place, "tracing", "exporters"), "floe sends OTLP; the collector passes it on (flat-tracing)")
    for name in ("log_format", "backends"):
        draft.drop((*place, "logging", name), "logs are JSON on stderr; the collector passes them on (flat-endpoints)")


def _sampling(draft: Draft, observability: FlatObservability) -> None:
    place: Path = ("observability",)
    sampling = observability.tracing and observability.tracing.sampling
    if not observability.traces or (sampling and sampling.sampling_type == "always_off"):
        draft.put((*place, "samplingRatio"), 0, (*place, "traces"))
    elif sampling and sampling.sampling_type == "probabilistic":
        draft.move((*place, "tracing", "sampling", "probability"), (*place, "samplingRatio"))
    elif sampling and sampling.sampling_type == "rate_limiting":
        draft.note((*place, "tracing", "sampling"), "no home in floe: a part of the traces is kept (flat-tracing)")


def _layers(draft: Draft, platform: FlatPlatform) -> None:
    for name, layer in platform.layers.items():
        for field, found, known in (
            ("storage_ref", layer.storage_ref, platform.storage),
            ("catalog_ref", layer.catalog_ref, platform.catalogs),
        ):
            if found not in known:
                place: Path = ("layers", name, field)
                message = f"{found!r} is not defined under {'storage' if field == 'storage_ref' else 'catalogs'}"
                draft.refuse(place, message, "flat-layers", meant_or_known(found, known))
    draft.drop(("layers",), "no home in floe: models say their tier, environments their profiles (flat-layers)")
