"""The backends that the settings and platform.yaml ask for, made by their plugins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from floe_chassis.errors import SettingInvalid
from floe_contracts.documents.placed import Placed, Unplaced
from floe_contracts.documents.yaml_tree import Path as FieldPath
from floe_contracts.errors import Where
from floe_contracts.platform.resolution import ResolvedPlatform, resolve_platform
from floe_contracts.platform.services import LineageForwarding
from floe_contracts.plugins.lineage_backends import Backend
from floe_contracts.plugins.metadata import SecretReader
from floe_contracts.plugins.registry import LINEAGE_BACKENDS, load, read_options
from floe_lineage.settings import LineageSettings

_TOKEN: Final = "lineage-http-token"  # noqa: S105  # its name
_SECTION: Final = ("observability", "lineage")
_FOR_EVERY_KIND: Final = ("type", "options", "forwarding")


@dataclass(frozen=True, slots=True)
class Configured:
    """A backend that is not open yet, and how events are forwarded to it."""

    backend: Backend
    forwarding: LineageForwarding


def configured_backends(settings: LineageSettings, secrets: SecretReader) -> dict[str, Configured]:
    """The backends by name; none is open.

    Raises:
        PluginUnknown: a kind of backend is not installed.
        DocumentInvalid: platform.yaml, or the options of a backend.
        SettingInvalid: platform.yaml cannot be read, or has a backend of a name that the settings have too.
    """
    backends = {}
    for name in settings.backends:
        backend = _backend(name, _from_settings(name, settings), _with_token(settings, secrets))
        backends[name] = Configured(backend, _forwarding(name, settings))
    if settings.platform_file is not None:
        platform = _platform(settings.platform_file)
        for name, section in platform.spec.observability.lineage.items():
            if name in backends:
                raise SettingInvalid(f"the backend {name!r} stands in FLOE_LINEAGE_BACKENDS and in platform.yaml")
            backend = _backend(section.type, _options(platform, name), secrets)
            backends[name] = Configured(backend, section.forwarding)
    return backends


def _backend(kind: str, options: Placed, secrets: SecretReader) -> Backend:
    plugin = load(LINEAGE_BACKENDS, kind)
    return plugin.backend(read_options(plugin, options), secrets)


def _from_settings(name: str, settings: LineageSettings) -> Placed:
    options: dict[str, Any] = {}
    if name == "file":
        options = {"path": str(settings.file), "maxBytes": settings.file_max_bytes, "keep": settings.file_keep}
    elif name == "http":
        options = {
            "url": str(settings.http_url),
            "endpoint": settings.http_endpoint,
            "batch": settings.http_batch,
            "gzip": settings.http_gzip,
            "apiKeyHeader": settings.http_token_header,
            "timeout": settings.http_timeout,
        }
        if settings.http_token is not None:
            options["apiKey"] = {"secretRef": _TOKEN}
    return Unplaced(f"the options of the lineage backend {name}", options)


def _forwarding(name: str, settings: LineageSettings) -> LineageForwarding:
    own = {"file": settings.file_forwarding, "http": settings.http_forwarding}
    return own.get(name, LineageForwarding())


def _with_token(settings: LineageSettings, secrets: SecretReader) -> SecretReader:
    def read(name: str) -> str:
        own = settings.http_token if name == _TOKEN else None
        return own.get_secret_value() if own is not None else secrets(name)

    return read


def _platform(file: Path) -> ResolvedPlatform:
    def read(name: str) -> str:
        return (file.parent / name).read_text("utf-8", "surrogateescape")

    try:
        text = read(file.name)
    except OSError as error:
        raise SettingInvalid(f"FLOE_LINEAGE_PLATFORM_FILE: {file} cannot be read: {error.strerror}") from error
    return resolve_platform(text, str(file), read)


def _options(platform: ResolvedPlatform, name: str) -> Placed:
    """The options of a backend. What most kinds have stands beside the options, and is one of them."""
    written: Mapping[str, Any] = platform.tree.value[_SECTION[0]][_SECTION[1]][name]
    value = {key: item for key, item in written.items() if key not in _FOR_EVERY_KIND}
    return _Options(platform, name, value | (written.get("options") or {}))


@dataclass(frozen=True, slots=True)
class _Options:
    """The options of a backend, wherever below its section they stand; fulfils `Placed`."""

    platform: ResolvedPlatform
    name: str
    value: Mapping[str, Any]

    @property
    def file(self) -> str:
        """The file of the platform."""
        return self.platform.tree.file

    def where(self, path: FieldPath) -> Where:
        """The place in platform.yaml."""
        section: FieldPath = (*_SECTION, self.name)
        nested: FieldPath = (*section, "options", *path)
        return self.platform.where(nested if nested[: len(section) + 2] in self.platform.sources else (*section, *path))
