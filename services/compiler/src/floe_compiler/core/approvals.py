"""What a platform allows its products: which of them there may be, and what they may use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from floe_compiler.errors import NotApproved, PlatformMismatch
from floe_contracts.documents.yaml_tree import Path
from floe_contracts.errors import FloeError, Where
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.platform.resolution import ResolvedPlatform
from floe_contracts.product.transforms import DbtTransform
from floe_contracts.suggestions import meant_or_known


def check_approvals(spec: FloeSpec, platform: ResolvedPlatform) -> Iterator[FloeError]:
    """Everything about `spec` that `platform` does not approve; a list that is left out approves anything."""
    yield from _platform_name(spec, platform)
    allowed = _Allowed(platform)
    yield from allowed.check(("approvedProducts",), spec.metadata.name, "the product", _floe("metadata.name"))
    for index, destination in enumerate(spec.destinations):
        yield from allowed.check(
            ("approvedSinks",), destination.type, "a destination of type", _floe(f"destinations.{index}.type")
        )
    for index, transform in enumerate(spec.transforms):
        yield from allowed.check(
            ("approvedPlugins", "transforms"), transform.type, "a transform of type", _floe(f"transforms.{index}.type")
        )
    yield from _profiles(spec, platform, allowed)
    for name, backend in platform.spec.observability.lineage.items():
        where = platform.where(("observability", "lineage", name, "type"))
        yield from allowed.check(
            ("approvedPlugins", "lineageBackends"), backend.type, "a lineage backend of type", where
        )


def _platform_name(spec: FloeSpec, platform: ResolvedPlatform) -> Iterator[FloeError]:
    wanted, found = spec.platform.name, platform.spec.metadata.name
    if wanted is not None and wanted != found:
        yield PlatformMismatch(
            f"the product is written for the platform {wanted!r}, and this one is {found!r}",
            where=_floe("platform.name"),
            hint="compile it where that platform is, or name this one",
        )


def _profiles(spec: FloeSpec, platform: ResolvedPlatform, allowed: _Allowed) -> Iterator[FloeError]:
    """The kinds of compute and catalog behind the logical names, in every environment."""
    for name, environment in sorted(platform.spec.environments.items()):
        for place, logical in _computes(spec):
            profile = environment.profiles.get(logical)
            compute = platform.spec.compute.get(profile.compute) if profile else None
            if compute is not None:
                what = f"in the environment {name!r} a compute of type"
                yield from allowed.check(("approvedPlugins", "targets"), compute.type, what, _floe(place))
        profile = environment.profiles.get(spec.catalog)
        catalog = platform.spec.catalogs.get(profile.catalog) if profile else None
        if catalog is not None:
            what = f"in the environment {name!r} a catalog of type"
            yield from allowed.check(("approvedPlugins", "catalogs"), catalog.type, what, _floe("catalog"))


def _computes(spec: FloeSpec) -> Iterator[tuple[str, str]]:
    """Where floe.yaml names a compute, and the logical name."""
    yield "compute", spec.compute
    for index, transform in enumerate(spec.transforms):
        if isinstance(transform, DbtTransform):
            for model, annotation in transform.models.items():
                if annotation.compute is not None:
                    yield f"transforms.{index}.models.{model}.compute", annotation.compute
        elif transform.compute is not None:
            yield f"transforms.{index}.compute", transform.compute


class _Allowed:
    """The lists of a platform's approvals."""

    def __init__(self, platform: ResolvedPlatform) -> None:
        plugins = platform.spec.approved_plugins
        self._platform = platform
        self._lists: dict[Path, Iterable[str] | None] = {
            ("approvedProducts",): platform.spec.approved_products,
            ("approvedSinks",): platform.spec.approved_sinks,
            ("approvedPlugins", "targets"): plugins.targets,
            ("approvedPlugins", "catalogs"): plugins.catalogs,
            ("approvedPlugins", "transforms"): plugins.transforms,
            ("approvedPlugins", "lineageBackends"): plugins.lineage_backends,
        }

    def check(self, path: Path, used: str, what: str, where: Where) -> Iterator[NotApproved]:
        """A refusal, if the list at `path` has not what is used."""
        approved = self._lists[path]
        if approved is not None and used not in approved:
            yield NotApproved(
                f"{what} {used!r} is not approved by {self._platform.where(path)}",
                where=where,
                hint=meant_or_known(used, approved).replace("known are", "approved are"),
            )


def _floe(path: str) -> Where:
    return Where("floe.yaml", path=path)
