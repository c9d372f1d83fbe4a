"""What must hold between the fields of a `platform.yaml`, beside what each field says of itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from floe_contracts.governance.rules import known_classifications
from floe_contracts.platform_spec import PlatformSpec
from floe_contracts.product.checks import Violation
from floe_contracts.suggestions import did_you_mean, meant_or_known


def check_platform_spec(spec: PlatformSpec) -> Iterator[Violation]:
    """Every violation in a platform whose fields are valid by themselves."""
    yield from _policies(spec)
    yield from _profiles(spec)


def _profiles(spec: PlatformSpec) -> Iterator[Violation]:
    """What the profiles of the environments name is defined."""
    sections: dict[str, tuple[str, Collection[str]]] = {
        "compute": ("compute", spec.compute),
        "storage": ("storage", spec.storage),
        "catalog": ("catalogs", spec.catalogs),
    }
    for environment, one in spec.environments.items():
        for logical, profile in one.profiles.items():
            for part, (section, defined) in sections.items():
                named = getattr(profile, part)
                if named not in defined:
                    yield Violation(
                        ("environments", environment, "profiles", logical, part),
                        f"{named!r} is not defined under {section}",
                        meant_or_known(named, defined),
                    )


def _policies(spec: PlatformSpec) -> Iterator[Violation]:
    """A policy of a misspelt name would leave the columns that it is meant for open."""
    known = known_classifications(spec.governance)
    for name, environment in spec.environments.items():
        for classification in environment.policies:
            if classification not in known:
                yield Violation(
                    ("environments", name, "policies", classification),
                    f"{classification!r} is no classification",
                    did_you_mean(classification, known) or "declare it in governance.classification.names",
                )
