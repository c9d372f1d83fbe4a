"""What every plugin says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from pydantic import BaseModel

API_VERSION: Final = "1.0"
"""Version of the interfaces of this package. A plugin of the same major works; a minor only adds."""

SecretReader: TypeAlias = Callable[[str], str]
"""Tells a secret by its name, when it is needed and not before; raises a `FloeError` where there is none."""


@dataclass(frozen=True, slots=True)
class PluginMetadata:
    """Who a plugin is.

    Attributes:
        name: the name of its entry point; what documents and settings call it by.
        version: semantic version of the plugin.
        api_version: the `API_VERSION` that it was written for.
        description: what it is, in a sentence.
    """

    name: str
    version: str
    api_version: str
    description: str


class Plugin(Protocol):
    """What all plugins have. One is made anew, without arguments, whenever it is asked for."""

    @property
    def metadata(self) -> PluginMetadata:
        """Who it is."""
        ...

    @property
    def options(self) -> type[BaseModel]:
        """The model of its options; a `Section` refuses unknown ones. Secrets in it are `SecretRef`s."""
        ...
