"""Finding plugins by their entry points. A plugin is imported when it is asked for, and made anew each time."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel

from floe_contracts.documents.field_problems import validate_tree
from floe_contracts.documents.placed import Placed
from floe_contracts.plugins.catalogs import CatalogPlugin
from floe_contracts.plugins.errors import PluginBroken, PluginOutdated, PluginTwice, PluginUnknown
from floe_contracts.plugins.lineage_backends import LineageBackendPlugin
from floe_contracts.plugins.metadata import API_VERSION, Plugin, PluginMetadata
from floe_contracts.plugins.secret_stores import SecretStorePlugin
from floe_contracts.plugins.targets import TargetPlugin
from floe_contracts.plugins.transforms import TransformPlugin
from floe_contracts.suggestions import meant_or_known

PluginT = TypeVar("PluginT", bound=Plugin)
PluginT_co = TypeVar("PluginT_co", bound=Plugin, covariant=True)


@dataclass(frozen=True, slots=True)
class Group(Generic[PluginT_co]):
    """A group of plugins.

    Attributes:
        name: of the group of entry points.
        kind: what its plugins are, for people.
    """

    name: str
    kind: str


TARGETS: Final[Group[TargetPlugin]] = Group("floe.targets", "target")
CATALOGS: Final[Group[CatalogPlugin]] = Group("floe.catalogs", "kind of catalog")
TRANSFORMS: Final[Group[TransformPlugin]] = Group("floe.transforms", "kind of transform")
LINEAGE_BACKENDS: Final[Group[LineageBackendPlugin]] = Group("floe.lineage_backends", "lineage backend")
SECRETS: Final[Group[SecretStorePlugin]] = Group("floe.secrets", "secret store")
GROUPS: Final[tuple[Group[Plugin], ...]] = (TARGETS, CATALOGS, TRANSFORMS, LINEAGE_BACKENDS, SECRETS)


def installed(group: Group[Plugin]) -> tuple[str, ...]:
    """The names of a group's plugins; none is imported."""
    return tuple(sorted(_found(group.name, tuple(sys.path))))


def load(group: Group[PluginT], name: str) -> PluginT:
    """A new instance of a plugin.

    Raises:
        PluginUnknown: no installed package has it.
        PluginTwice: several have it.
        PluginBroken: it cannot be imported or made, or is not what it says.
        PluginOutdated: it was written for another major of `API_VERSION`.
    """
    found = _found(group.name, tuple(sys.path))
    entries = found.get(name, ())
    if not entries:
        raise PluginUnknown(f"there is no {group.kind} {name!r} installed", hint=meant_or_known(name, found))
    if len(entries) > 1:
        raise PluginTwice(
            f"the {group.kind} {name!r} is installed twice: by {' and by '.join(sorted(map(_package, entries)))}",
            hint="uninstall one of them",
        )
    plugin: PluginT = _made(entries[0], group)
    _check(plugin.metadata, entries[0], group)
    return plugin


def read_options(plugin: Plugin, options: Placed) -> Any:
    """An instance of the plugin's model of options.

    Args:
        plugin: the plugin.
        options: a part of a document, or an `Unplaced` mapping.

    Raises:
        DocumentInvalid: with all problems, each at its place.
    """
    return validate_tree(plugin.options, options)


def options_schema(plugin: Plugin) -> dict[str, Any]:
    """JSON Schema of the plugin's options, by the names that documents use."""
    return plugin.options.model_json_schema(by_alias=True)


@lru_cache(maxsize=32)
def _found(group: str, path: tuple[str, ...]) -> Mapping[str, tuple[EntryPoint, ...]]:
    """The entry points of a group, by name, as long as Python's path stays what it is."""
    del path
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in entry_points(group=group):
        found[entry.name] = (*found.get(entry.name, ()), entry)
    return found


def _made(entry: EntryPoint, group: Group[PluginT]) -> PluginT:
    try:
        plugin = entry.load()()
        sound = isinstance(plugin.metadata, PluginMetadata) and issubclass(plugin.options, BaseModel)
    except Exception as error:  # it is somebody else's code
        message = (
            f"the {group.kind} {entry.name!r} of {_package(entry)} cannot be loaded: {type(error).__name__}: {error}"
        )
        raise PluginBroken(message, hint="see whether the package is whole, and of the right version") from error
    if not sound:
        raise PluginBroken(f"the {group.kind} {entry.name!r} of {_package(entry)} has no metadata or no options")
    return plugin  # type: ignore[no-any-return]  # what the group asks for, as far as one can see


def _check(metadata: PluginMetadata, entry: EntryPoint, group: Group[Plugin]) -> None:
    if metadata.name != entry.name:
        raise PluginBroken(f"the {group.kind} {entry.name!r} of {_package(entry)} calls itself {metadata.name!r}")
    if metadata.api_version.split(".")[0] != API_VERSION.split(".")[0]:
        raise PluginOutdated(
            f"the {group.kind} {entry.name!r} of {_package(entry)} was written for version {metadata.api_version} of "
            f"the interface of plugins, and this floe has {API_VERSION}",
            hint="install a version of the plugin that fits this floe",
        )


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"
