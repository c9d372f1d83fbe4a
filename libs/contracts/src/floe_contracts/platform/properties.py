"""A section of platform.yaml as the artifact has it: its values, and apart from them the names of its secrets."""

from __future__ import annotations

from typing import Any

from floe_contracts.sections import Section

_REFERENCE = "secret_ref"


def properties_of(section: Section) -> tuple[dict[str, Any], dict[str, str]]:
    """What a section says beside its type, and the secrets that it names, by the dotted path of the property."""
    values = section.model_dump(mode="json", by_alias=False, exclude={"type"}, exclude_none=True)
    secrets: dict[str, str] = {}
    return _without_references(values, (), secrets), dict(sorted(secrets.items()))


def _without_references(values: dict[str, Any], path: tuple[str, ...], secrets: dict[str, str]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in values.items():
        if name == _REFERENCE:
            secrets[".".join(path)] = value
        elif isinstance(value, dict):
            inner = _without_references(value, (*path, name), secrets)
            if inner or not value:
                kept[name] = inner
        else:
            kept[name] = value
    return kept
