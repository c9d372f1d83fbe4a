"""What must hold between the fields of a `platform.yaml`, beside what each field says of itself."""

from __future__ import annotations

from collections.abc import Iterator

from floe_contracts.governance import known_classifications
from floe_contracts.platform_spec import PlatformSpec
from floe_contracts.product.checks import Violation
from floe_contracts.suggestions import did_you_mean


def check_platform_spec(spec: PlatformSpec) -> Iterator[Violation]:
    """Every violation in a platform whose fields are valid by themselves."""
    yield from _policies(spec)


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
