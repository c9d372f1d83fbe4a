"""What a compilation depends on: the key under which its outcome is found again, and the days on which that holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from floe_contracts.artifacts import CompiledArtifacts, Tools
from floe_contracts.digests import PREFIX, canonical_json, digest_of
from floe_contracts.governance.reports import EnforcementSummary


@dataclass(frozen=True, slots=True)
class CompileInputs:
    """Everything that the outcome of a compilation depends on, but for the day.

    Attributes:
        tenant: whose product it is; no tenant is answered with what another one compiled.
        product: the name that it was submitted under.
        bundle: digest of its source bundle.
        platforms: digests of the platform documents by where they came from, the installation's own included.
        tools: versions of dbt and its adapters.
        code: digest of floe's own code and the versions of what it uses.
    """

    tenant: str
    product: str
    bundle: str
    platforms: Mapping[str, str]
    tools: Tools
    code: str


@dataclass(frozen=True, slots=True)
class Days:
    """The days on which an outcome holds, both ends included; None is no end."""

    first: date | None = None
    last: date | None = None

    def include(self, day: date) -> bool:
        """Whether the outcome holds on `day`."""
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class CachedCompilation:
    """What a compilation came to, as far as it does not depend on what was compiled before.

    Attributes:
        artifact: the artifact.
        enforcement: what governance found, where it looked.
        days: when both would come out the same again.
    """

    artifact: CompiledArtifacts
    enforcement: EnforcementSummary | None = None
    days: Days = Days()


def cache_key(inputs: CompileInputs) -> str:
    """The key of a compilation: 64 hex digits, different for all that may have another outcome."""
    said = {
        "tenant": inputs.tenant,
        "product": inputs.product,
        "bundle": inputs.bundle,
        "platforms": dict(inputs.platforms),
        "tools": inputs.tools.model_dump(mode="json"),
        "code": inputs.code,
    }
    return digest_of(canonical_json(said)).removeprefix(PREFIX)


def days_between(today: date, last_days: Iterable[date]) -> Days:
    """The days around `today` between which nothing ends.

    Args:
        today: the day that the compilation went by.
        last_days: the last day of each exception to a rule of governance, past ones included.
    """
    ends = sorted(set(last_days))
    past = [end for end in ends if end < today]
    coming = [end for end in ends if end >= today]
    return Days(past[-1] + timedelta(days=1) if past else None, coming[0] if coming else None)


def named_blobs(cached: CachedCompilation) -> frozenset[str]:
    """The digests of the blobs without which an outcome is of no use."""
    artifact = cached.artifact
    digests = {artifact.sources.bundle, artifact.sources.packages}
    for environment in artifact.environments.values():
        digests |= {environment.manifest, environment.nodes}
    if cached.enforcement is not None:
        digests |= {cached.enforcement.report_digest, cached.enforcement.sarif_digest}
    return frozenset(filter(None, digests))
