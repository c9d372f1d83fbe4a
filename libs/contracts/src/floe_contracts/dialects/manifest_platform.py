"""The `Manifest` of a platform in its canonical form; the rules are in docs/reference/dialects.md."""

from __future__ import annotations

from typing import Any, Final

from floe_contracts.dialects.computes import put_compute
from floe_contracts.dialects.conversion import Converted, Draft
from floe_contracts.dialects.manifest_governance import put_governance
from floe_contracts.dialects.manifest_models import Manifest, ManifestObservability, Plugin, Plugins
from floe_contracts.dialects.profiles import put_catalog, put_profiles, put_storage
from floe_contracts.documents.yaml_tree import Path, Tree

_ENVIRONMENTS: Final = (
    *("env_overrides", "environments", "environment", "env", "dev", "staging", "prod", "production"),
    *("target_env", "floe_env"),
)
_NAME: Final = "default"
_SAME: Final = {
    "orchestrator": ("dagster", "floe orchestrates with Dagster"),
    "dbt": ("core", "floe builds with dbt-core"),
    "semantic_layer": ("cube", "floe serves through Cube"),
    "secrets": ("k8s-secrets", "secrets are variables or mounted files of the worker"),
    "ingestion": (None, "floe does not ingest"),
    "identity": (None, "the cluster says who a worker is"),
}
"""Capabilities that floe has in one way: that way, and what to know when a document asks for another one."""
_STORAGES: Final = {"minio": "s3", "azure-blob": "azure"}
_GROUPS: Final = {
    "compute": "targets",
    "catalog": "catalogs",
    "lineage_backend": "lineageBackends",
    "secrets": "secrets",
}


def convert_manifest(tree: Tree, manifest: Manifest) -> Converted:
    """The canonical platform.yaml of a manifest.

    Args:
        tree: the document.
        manifest: the same, as its own form reads it.
    """
    draft = Draft(tree, kind="PlatformSpec")
    draft.move_all(("metadata",), ("metadata",), {key: key for key in ("name", "version", "owner", "description")})
    draft.move(("scope",), ("scope",))
    draft.move(("parent_manifest",), ("parent", "file"))
    _plugins(draft, manifest.plugins)
    if manifest.parent_manifest is None:
        names = [_NAME, *([manifest.plugins.compute.type] if manifest.plugins.compute else [])]
        put_profiles(draft, names, ("plugins",), "manifest-environments")
        message = "this form has no environments: dev stands for the one that it is written for (manifest-environments)"
        draft.note((), message)
    put_governance(draft, manifest.governance)
    _observability(draft, manifest.observability)
    _approvals(draft, manifest)
    for name in ("defaults", "artifacts", "resource_presets"):
        draft.drop((name,), "no home in floe: a matter of the deployment (manifest-deployment)")
    _unknown(draft, manifest)
    return draft.finish()


def _plugins(draft: Draft, plugins: Plugins) -> None:
    if plugins.compute:
        place: Path = ("plugins", "compute")
        secret = plugins.compute.connection_secret_ref
        put_compute(draft, _NAME, plugins.compute.type, place, (*place, "config"), secret, "manifest-compute")
    if plugins.storage:
        _storage(draft, plugins.storage)
    if plugins.catalog:
        _catalog(draft, plugins.catalog)
    _receivers(draft, plugins)
    for name, (same, why) in _SAME.items():
        plugin: Plugin | None = getattr(plugins, name)
        if plugin is not None and (plugin.type != same or plugin.config or plugin.connection_secret_ref):
            draft.note(("plugins", name), f"no home in floe: {why} (manifest-plugins)")
    draft.drop(("plugins", "quality"), "no home in floe: quality is said by dbt tests (manifest-plugins)")
    for name in ("compute", "storage", "catalog", "lineage_backend", "telemetry_backend"):
        draft.drop(("plugins", name, "version"), "no home in floe: the lock files say versions (manifest-plugins)")


def _storage(draft: Draft, plugin: Plugin) -> None:
    place: Path = ("plugins", "storage")
    put_storage(draft, _NAME, _STORAGES.get(plugin.type, plugin.type), place, (*place, "config"), "manifest-storage")
    if plugin.connection_secret_ref is not None and plugin.type != "local":
        target: Path = ("storage", _NAME, "credentials")
        draft.put((*target, "mode"), "static", place)
        draft.put((*target, "secretRef"), plugin.connection_secret_ref, (*place, "connection_secret_ref"))


def _catalog(draft: Draft, plugin: Plugin) -> None:
    place: Path = ("plugins", "catalog")
    options: Path = (*place, "config")
    put_catalog(draft, _NAME, plugin.type, place, options, "manifest-catalog")
    written = draft.written((*options, "oauth2"))
    source: Path = (*options, "oauth2") if isinstance(written, dict) else options
    target: Path = ("catalogs", _NAME, "credentials")
    secret = plugin.connection_secret_ref
    fields = {"client_id": "clientId", "client_secret": "clientSecret"}
    if secret is None and not any(draft.written((*source, field)) for field in fields):
        return
    draft.put((*target, "mode"), "oauth2", source)
    draft.trace(target, source)
    for old, new in fields.items():
        if secret is not None and draft.written((*source, old)) is None:
            named = f"{secret}-{old.replace('_', '-')}"
            draft.put((*target, new), {"secretRef": named}, place)
            draft.note(place, f"credentials.{new} is read from the secret {named} (secret-names)")
        else:
            draft.move_reference((*source, old), (*target, new))
    draft.move((*source, "scope"), (*target, "scope"))
    draft.move((*source, "token_url"), (*target, "serverUri"))


def _receivers(draft: Draft, plugins: Plugins) -> None:
    for category, fields in (("lineage_backend", ("url", "endpoint")), ("telemetry_backend", ("endpoint",))):
        plugin: Plugin | None = getattr(plugins, category)
        if plugin is None:
            continue
        place: Path = ("plugins", category)
        found = next((f for f in fields if isinstance(draft.written((*place, "config", f)), str)), None)
        if found is None:
            draft.note(place, "left out: it names no address (manifest-observability)")
        elif category == "lineage_backend":
            _put_lineage(draft, (*place, "config", found))
        else:
            draft.move((*place, "config", found), ("observability", "otlpEndpoint"))


def _put_lineage(draft: Draft, origin: Path) -> None:
    draft.put(("observability", "lineage", _NAME, "type"), "http", origin)
    draft.move(origin, ("observability", "lineage", _NAME, "url"))


def _observability(draft: Draft, observability: ManifestObservability | None) -> None:
    if observability is None:
        return
    place: Path = ("observability",)
    tracing, lineage, logging = observability.tracing, observability.lineage, observability.logging
    if tracing and tracing.enabled:
        draft.move((*place, "tracing", "endpoint"), (*place, "otlpEndpoint"))
    elif tracing:
        draft.put((*place, "samplingRatio"), 0, (*place, "tracing", "enabled"))
    if lineage and lineage.enabled and lineage.endpoint is not None:
        _put_lineage(draft, (*place, "lineage", "endpoint"))
    elif lineage and lineage.endpoint is not None:
        draft.drop((*place, "lineage", "endpoint"), "left out: lineage is not enabled (manifest-observability)")
    if logging and logging.level:
        level = logging.level.lower().replace("critical", "error")
        draft.put((*place, "logLevel"), level, (*place, "logging", "level"))
    for section, known in (
        ("tracing", {"enabled", "endpoint", "exporter"}),
        ("lineage", {"enabled", "endpoint", "transport"}),
        ("logging", {"level", "format"}),
    ):
        for name in draft.keys((*place, section)):
            if name not in known:
                draft.drop((*place, section, name), "no home in floe (manifest-observability)")


def _approvals(draft: Draft, manifest: Manifest) -> None:
    draft.move_all((), (), {"approved_sinks": "approvedSinks", "approved_products": "approvedProducts"})
    for category in manifest.approved_plugins or {}:
        place: Path = ("approved_plugins", category)
        if category in _GROUPS:
            draft.move(place, ("approvedPlugins", _GROUPS[category]))
        else:
            draft.drop(place, "no home in floe: there is nothing to choose (manifest-plugins)")


def _unknown(draft: Draft, manifest: Manifest) -> None:
    extra: dict[str, Any] = manifest.model_extra or {}
    for name in extra:
        if name in _ENVIRONMENTS:
            message = f"{name} may not stand in a manifest: this form is the same in all environments"
            draft.refuse((name,), message, "manifest-environments", "migrate, and write environments")
        else:
            draft.note((name,), "not a field of this form: left out, as the original did (manifest-unknown)")
