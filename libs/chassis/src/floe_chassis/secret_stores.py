"""The secret stores that floe brings: variables of the environment, and mounted files. Both register as plugins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import Field

from floe_chassis.errors import SecretUnusable
from floe_contracts.plugins.metadata import API_VERSION, PluginMetadata
from floe_contracts.sections import Section

MAX_BYTES: Final = 64 * 1024
"""No more fits into a variable of a child's environment, by a good margin."""
MOUNTED_FOLDER: Final = "/var/run/secrets/floe"


class EnvironmentStore:
    """Holds the secret `warehouse-password` as the variable `WAREHOUSE_PASSWORD`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def find(self, name: str) -> str | None:
        return self._environment.get(variable_of(name)) or None

    def place(self, name: str) -> str:
        return f"a variable {variable_of(name)}"


class MountedStore:
    """Holds each secret as a file of its name; one line break at its end is dropped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, name: str) -> str | None:
        file = self._folder / name
        try:
            with file.open("rb") as opened:
                content = opened.read(MAX_BYTES + 2)
            return content.decode().removesuffix("\n").removesuffix("\r") or None
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            kind = type(error).__name__
            raise SecretUnusable(f"the file {file} of the secret {name!r} cannot be read: {kind}") from None

    def place(self, name: str) -> str:
        return f"a file {self._folder / name}"


class EnvironmentOptions(Section):
    """Nothing can be set."""


class EnvironmentSecrets:
    """The plugin `environment`."""

    metadata = PluginMetadata("environment", "1.0.0", API_VERSION, "Variables of the process's environment.")
    options = EnvironmentOptions

    def store(self, options: EnvironmentOptions, environment: Mapping[str, str]) -> EnvironmentStore:
        del options
        return EnvironmentStore(environment)


class MountedOptions(Section):
    """Where the files are."""

    folder: str = Field(default=MOUNTED_FOLDER, description="Folder of the files.")


class MountedSecrets:
    """The plugin `mounted`."""

    metadata = PluginMetadata("mounted", "1.0.0", API_VERSION, "A file for each secret, as containers mount them.")
    options = MountedOptions

    def store(self, options: MountedOptions, environment: Mapping[str, str]) -> MountedStore:
        del environment
        return MountedStore(Path(options.folder))


def variable_of(name: str) -> str:
    """The variable that holds a secret."""
    return name.upper().replace("-", "_")
