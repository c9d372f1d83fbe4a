"""Looking up secrets by name, where the run is: in one store after the other, the first that has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from floe_chassis.errors import SecretMissing, SecretUnusable
from floe_chassis.secret_stores import MAX_BYTES, EnvironmentStore, MountedStore, variable_of
from floe_contracts.documents.placed import Unplaced
from floe_contracts.plugins.metadata import Plugin
from floe_contracts.plugins.registry import SECRETS, load, read_options
from floe_contracts.plugins.secret_stores import SecretStore
from floe_contracts.sections import SECRET_PATTERN

_OWN_PREFIX: Final = "FLOE_"
_TENANT: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TENANTS_OWN: Final = "--"
_NO_OPTIONS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({})


class Secrets(Protocol):
    """Tells secrets by name."""

    def __call__(self, name: str) -> str:
        """The secret.

        Raises:
            SecretMissing: there is none of this name.
            SecretUnusable: it cannot be handed on.
        """
        ...


def open_secrets(
    names: Sequence[str], environment: Mapping[str, str], options: Mapping[str, Mapping[str, str]] = _NO_OPTIONS
) -> Secrets:
    """Secrets from stores that are plugins.

    Args:
        names: of the stores, in the order in which they are asked; see `FLOE_SECRET_STORES`.
        environment: that of the process; `FLOE_SECRET_STORE_<STORE>_<OPTION>` sets an option.
        options: what holds where the environment sets nothing, by store and option.

    Raises:
        PluginUnknown: a store is not installed.
        DocumentInvalid: an option has a value that it cannot have.
    """
    stores: list[SecretStore] = []
    for name in names:
        plugin = load(SECRETS, name)
        values = {**options.get(name, {}), **_options(plugin, environment)}
        read = read_options(plugin, Unplaced(f"the options of the secret store {name}", values))
        stores.append(plugin.store(read, environment))
    return read_through(stores)


def mounted_secrets(environment: Mapping[str, str], folder: Path) -> Secrets:
    """Secrets as containers get them: in the environment first, then in a folder of mounted files."""
    return read_through([EnvironmentStore(environment), MountedStore(folder)])


def read_through(stores: Sequence[SecretStore]) -> Secrets:
    """Secrets from `stores`, the first that has one.

    Names whose variable would be one of floe's own are refused: those open the bus and the blobs, and a platform
    document could send them anywhere.
    """

    def read(name: str) -> str:
        if not re.fullmatch(SECRET_PATTERN, name) or variable_of(name).startswith(_OWN_PREFIX):
            raise SecretUnusable(f"{name!r} cannot be the name of a secret", hint="name it otherwise in platform.yaml")
        value = next((found for store in stores if (found := store.find(name))), None)
        if value is None:
            places = [store.place(name) for store in stores]
            looked = f"neither {' nor '.join(places)}" if len(places) > 1 else f"not {''.join(places)}"
            raise SecretMissing(
                f"there is no secret {name!r}: {looked}", hint="put it into one of these where the run is"
            )
        if "\0" in value or len(value.encode(errors="surrogateescape")) > MAX_BYTES:
            raise SecretUnusable(f"the secret {name!r} is over {MAX_BYTES // 1024} kB, or holds a zero byte")
        return value

    return read


def of_tenants(read: Secrets) -> Callable[[str], Secrets]:
    """What tells the secrets of each tenant, by its name: its own where there is one, else what all tenants share.

    The own secret `lake-keys` of the tenant `acme` is called `acme--lake-keys` in the stores. No document can name one
    of another tenant: a name with two hyphens or underscores in a row is refused. A tenant whose name is not of small
    letters, digits and single hyphens has no secrets of its own.
    """

    def secrets_of(tenant: str) -> Secrets:
        has_own = _TENANT.fullmatch(tenant) and not variable_of(f"{tenant}-").startswith(_OWN_PREFIX)

        def of_tenant(name: str) -> str:
            if "__" in variable_of(name):
                raise SecretUnusable(
                    f"{name!r} would be the secret of one tenant alone", hint="name it by what stands behind the tenant"
                )
            own = f"{tenant}{_TENANTS_OWN}{name}"
            if not has_own or not re.fullmatch(SECRET_PATTERN, own):
                return read(name)
            with suppress(SecretMissing):
                return read(own)
            try:
                return read(name)
            except SecretMissing as error:
                message = f"{error.message}; nor is there {own!r} for the tenant alone"
                raise SecretMissing(message, hint=error.hint) from None

        return of_tenant

    return secrets_of


def _options(plugin: Plugin, environment: Mapping[str, str]) -> dict[str, str]:
    """The options that the environment sets, by the names that documents use."""
    prefix = f"FLOE_SECRET_STORE_{variable_of(plugin.metadata.name)}_"
    return {
        field.alias or name: environment[prefix + name.upper()]
        for name, field in plugin.options.model_fields.items()
        if prefix + name.upper() in environment
    }
