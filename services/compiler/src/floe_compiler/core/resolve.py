"""From logical profile names to what they mean in each environment of the platform."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from floe_compiler.errors import ProfileUnknown
from floe_contracts.artifacts import (
    Catalog,
    CompiledEnvironment,
    CompiledPolicy,
    Storage,
)
from floe_contracts.compiled_computes import compiled_compute, other_computes
from floe_contracts.errors import DocumentInvalid, FloeError, Where
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.maintenance import compiled_maintenance
from floe_contracts.platform.catalogs import Catalog as WrittenCatalog
from floe_contracts.platform.environments import Environment
from floe_contracts.platform.properties import properties_of
from floe_contracts.platform.storages import Storage as WrittenStorage
from floe_contracts.platform_spec import PlatformSpec
from floe_contracts.suggestions import did_you_mean

ProfileT = TypeVar("ProfileT")
NOT_PARSED = ""


def resolve(spec: FloeSpec, platform: PlatformSpec) -> dict[str, CompiledEnvironment]:
    """Every environment of `platform` as `spec` has it; the digests of its dbt parts are still `NOT_PARSED`.

    Raises:
        DocumentInvalid: with a `ProfileUnknown` for every name that leads nowhere.
    """
    problems: list[FloeError] = []
    resolved = {
        name: _environment(name, environment, spec, platform, problems)
        for name, environment in sorted(platform.environments.items())
    }
    if problems:
        raise DocumentInvalid(problems)
    return {name: environment for name, environment in resolved.items() if environment is not None}


def _environment(
    name: str, environment: Environment, spec: FloeSpec, platform: PlatformSpec, problems: list[FloeError]
) -> CompiledEnvironment | None:
    def concrete(
        part: str, logical: str, defined: Mapping[str, ProfileT], path: str | None = None
    ) -> tuple[str, ProfileT] | None:
        profiles = environment.profiles.get(logical)
        if profiles is None:
            where = Where("floe.yaml", path=path or part)
            text = f"{part}: the environment {name!r} of platform.yaml has no profile {logical!r}"
            problems.append(ProfileUnknown(text, where=where, hint=_known(logical, environment.profiles)))
            return None
        chosen: str = getattr(profiles, part)  # defined, or the platform would not have been read
        return chosen, defined[chosen]

    compute = concrete("compute", spec.compute, platform.compute)
    storage = concrete("storage", spec.storage, platform.storage)
    catalog = concrete("catalog", spec.catalog, platform.catalogs)
    others = {
        logical: concrete("compute", logical, platform.compute, path) for logical, path in other_computes(spec).items()
    }
    if compute is None or storage is None or catalog is None:
        return None
    return CompiledEnvironment(
        refs=environment.refs,
        compute=compiled_compute(*compute),
        computes={logical: compiled_compute(*other) for logical, other in sorted(others.items()) if other is not None},
        storage=_storage(*storage),
        catalog=_catalog(*catalog),
        policies={
            classification: CompiledPolicy(action=policy.action, requires_role=policy.requires_role)
            for classification, policy in sorted(environment.policies.items())
        },
        maintenance=compiled_maintenance(platform.maintenance, spec.maintenance),
        manifest=NOT_PARSED,
        nodes=NOT_PARSED,
    )


def _storage(name: str, written: WrittenStorage) -> Storage:
    properties, secrets = properties_of(written)
    return Storage(name=name, type=written.type, properties=properties, secrets=secrets)


def _catalog(name: str, written: WrittenCatalog) -> Catalog:
    properties, secrets = properties_of(written)
    return Catalog(name=name, type=written.type, properties=properties, secrets=secrets)


def _known(name: str, defined: Collection[str]) -> str:
    return did_you_mean(name, defined) or f"defined are: {', '.join(sorted(defined))}"
