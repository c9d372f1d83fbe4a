"""Which form a document has, and what a document of no known form looks like."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

_FLAT_PLATFORM: Final = frozenset(
    {"catalogs", "storage", "compute", "layers", "observability", "infrastructure", "security"}
)
_HEADERS: Final = frozenset({"apiVersion", "api_version", "kind", "metadata"})
_MODEL_ONLY: Final = frozenset({"type", "path", "module"})
_KINDS: Final[Mapping[str, str]] = {
    "FloeSpec": "a floe.yaml",
    "PlatformSpec": "a platform.yaml",
    "Manifest": "a manifest.yaml of a platform",
    "DataContract": "a data contract (ODCS)",
}


class Dialect(StrEnum):
    """The forms in which both documents may be written."""

    CANONICAL = "canonical"
    FLAT = "flat"
    MANIFEST = "manifest"


def dialect_of_floe(document: Mapping[str, Any]) -> Dialect | None:
    """The form of a floe.yaml; None if it is none."""
    if document.keys() & _HEADERS:
        if document.get("kind") != "FloeSpec":
            return None
        return Dialect.MANIFEST if _names_models(document) else Dialect.CANONICAL
    flat = "name" in document and not _is_flat_platform(document)
    return Dialect.FLAT if flat and not _is_dbt_project(document) else None


def dialect_of_platform(document: Mapping[str, Any]) -> Dialect | None:
    """The form of a platform.yaml; None if it is none."""
    if document.keys() & _HEADERS:
        kinds = {"Manifest": Dialect.MANIFEST, "PlatformSpec": Dialect.CANONICAL}
        return kinds.get(str(document.get("kind")))
    return Dialect.FLAT if _is_flat_platform(document) else None


def likeness(document: Mapping[str, Any]) -> str | None:
    """What a document looks like, in words; None if it looks like nothing that floe knows."""
    if known := _KINDS.get(str(document.get("kind"))):
        return known
    if _is_dbt_project(document):
        return "a dbt_project.yml"
    if "dataContractSpecification" in document:
        return "a data contract"
    if {"artifactVersion", "sources"} <= document.keys() or {"compiled_at", "transforms"} <= document.keys():
        return "a compiled artifact"
    if document.keys() & _HEADERS:
        return None
    if _is_flat_platform(document):
        return "a flat platform.yaml"
    return "a flat floe.yaml" if {"name", "transforms"} <= document.keys() else None


def _names_models(document: Mapping[str, Any]) -> bool:
    """Whether a FloeSpec lists models instead of projects, or names its platform by manifest."""
    platform = document.get("platform")
    if isinstance(platform, dict) and "manifest" in platform:
        return True
    transforms = document.get("transforms")
    entries = [entry for entry in transforms if isinstance(entry, dict)] if isinstance(transforms, list) else []
    return bool(entries) and all("name" in entry and not entry.keys() & _MODEL_ONLY for entry in entries)


def _is_flat_platform(document: Mapping[str, Any]) -> bool:
    sections = [document[key] for key in _FLAT_PLATFORM & document.keys()]
    return "name" not in document and (
        any(isinstance(section, dict) for section in sections) or document.keys() == {"version"}
    )


def _is_dbt_project(document: Mapping[str, Any]) -> bool:
    return bool(document.keys() & {"config-version", "model-paths", "profile", "require-dbt-version"})
