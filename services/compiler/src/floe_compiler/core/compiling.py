"""Documents and parsed projects in, an artifact out: what the stages VALIDATE, ENFORCE and COMPILE do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial

from floe_compiler.core.annotations import check_annotations
from floe_compiler.core.assemble import assemble, check_row_owner, check_size
from floe_compiler.core.data_contracts.checking import check_contract
from floe_compiler.core.data_contracts.reading import DataContract
from floe_compiler.core.ports import CheckedOut
from floe_compiler.errors import ProductMismatch
from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment, Tools
from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.documents.reading import read_both, read_floe_spec
from floe_contracts.errors import DocumentInvalid, FloeError, Where
from floe_contracts.events import SpecSubmitted
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.governance.rules import known_classifications
from floe_contracts.nodes import NodeGraph
from floe_contracts.platform.resolution import ResolvedPlatform, resolve_platform
from floe_contracts.platform_spec import PlatformSpec


@dataclass(frozen=True, slots=True)
class Documents:
    """The product, and the platform that it is compiled against, with the data contracts beside it."""

    spec: FloeSpec
    resolved: ResolvedPlatform
    contracts: tuple[DataContract, ...] = ()

    @property
    def platform(self) -> PlatformSpec:
        """The platform with all that it inherits."""
        return self.resolved.spec

    def last_days(self) -> list[date]:
        """The last day of every exception to a rule."""
        rules = (self.platform.governance, self.spec.governance.rules)
        return [override.expires for each in rules for override in each.overrides]


@dataclass(frozen=True, slots=True)
class ResolvedEnvironment:
    """An environment with its profiles, and the dbt project as it is there, annotated."""

    environment: CompiledEnvironment
    manifest: bytes
    graph: NodeGraph


@dataclass(frozen=True, slots=True)
class Compiled:
    """The artifact, and the bytes of the parts that it names by their digests."""

    artifact: CompiledArtifacts
    parts: tuple[bytes, ...]


def validate(checked_out: CheckedOut, product: str) -> Documents:
    """Both documents, or all problems of both."""
    spec, platform = read_both(
        partial(read_floe_spec, checked_out.floe_yaml or ""),
        partial(resolve_platform, checked_out.platform_yaml, "platform.yaml", checked_out.platform_parents.__getitem__),
    )
    if spec.metadata.name != product:
        raise ProductMismatch(
            f"it was submitted as {product!r}, and its floe.yaml says {spec.metadata.name!r}",
            where=Where("floe.yaml", path="metadata.name"),
            hint="submit it under the name that floe.yaml gives it",
        )
    return Documents(spec, platform)


def enforce_declarations(documents: Documents, environments: Mapping[str, ResolvedEnvironment]) -> None:
    """Hold the project against what is said of it.

    Raises:
        DocumentInvalid: with everything that does not hold, each once, in whichever environments.
    """
    problems: dict[str, FloeError] = {}
    for resolved in environments.values():
        found = [*check_annotations(documents.spec, resolved.graph), *check_row_owner(documents.spec, resolved.graph)]
        classifications = known_classifications(documents.platform.governance)
        for contract in documents.contracts:
            found += check_contract(contract, resolved.graph, classifications).problems
        problems |= {str(problem): problem for problem in found}
    if problems:
        raise DocumentInvalid(problems.values())


def compile_artifact(
    documents: Documents,
    environments: Mapping[str, ResolvedEnvironment],
    submitted: SpecSubmitted,
    packages: str | None,
    tools: Tools,
) -> Compiled:
    """The artifact and the bytes of its parts. A large manifest takes a while to write: not for the event loop."""
    parts: list[bytes] = []
    compiled: dict[str, CompiledEnvironment] = {}
    for name, resolved in environments.items():
        manifest = resolved.manifest
        nodes = canonical_json(resolved.graph.model_dump(mode="json", exclude_none=True))
        parts += [manifest, nodes]
        digests = {"manifest": digest_of(manifest), "nodes": digest_of(nodes)}
        compiled[name] = resolved.environment.model_copy(update=digests)
    artifact = assemble(
        documents.spec,
        documents.platform,
        bundle=submitted.bundle,
        packages=packages,
        platform_digest=documents.resolved.digest,
        tools=tools,
        environments=compiled,
        data_contracts=tuple(contract.compiled for contract in documents.contracts),
    )
    check_size(artifact)
    return Compiled(artifact, tuple(parts))
