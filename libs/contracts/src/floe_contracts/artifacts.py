"""CompiledArtifacts: the one immutable document that the compiler makes of both specs (DESIGN section 4).

It holds no time, no absolute path, no tenant, repository or commit, so that the same source has the same digest
anywhere. Node-level parts are blobs that it names by digest.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from pydantic import Field

from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.errors import ContractError, Permanent
from floe_contracts.events import Data
from floe_contracts.floe_spec import LandedKind
from floe_contracts.platform_spec import PolicyAction

VERSION: Final = "1.0.0"


class ArtifactCorrupt(Permanent):
    """The bytes of an artifact do not have the digest that was announced."""

    code = "FLOE-ART-001"
    title = "An artifact does not match its digest"


class ProductIdentity(Data):
    """The product, as its spec says."""

    name: str
    version: str
    description: str
    owner: str
    labels: dict[str, str]


class Sources(Data):
    """What was compiled, by digest."""

    bundle: str
    platform: str = Field(description="Digest of the platform document.")


class Tools(Data):
    """What compiled it."""

    dbt_core: str
    adapters: dict[str, str]


class DbtProject(Data):
    """The dbt project inside the bundle."""

    type: Literal["dbt"] = "dbt"
    path: str


class Compute(Data):
    """The compute that an environment resolves to."""

    name: str
    type: Literal["duckdb"]
    threads: int
    memory_limit: str


class Storage(Data):
    """The storage that an environment resolves to."""

    name: str
    type: Literal["local"]


class Catalog(Data):
    """The catalog that an environment resolves to."""

    name: str
    type: Literal["sql"]


class CompiledPolicy(Data):
    """What happens to one classification in one environment."""

    action: PolicyAction
    requires_role: tuple[str, ...]


class CompiledEnvironment(Data):
    """The product in one environment."""

    refs: tuple[str, ...]
    compute: Compute
    storage: Storage
    catalog: Catalog
    policies: dict[str, CompiledPolicy]
    manifest: str = Field(description="Digest of the normalised dbt manifest.")
    nodes: str = Field(description="Digest of the NodeGraph.")


class CompiledRowOwner(Data):
    """Which rows a user sees."""

    column: str
    claim: str


class Serving(Data):
    """How the tables are served."""

    cube: bool
    row_owner: CompiledRowOwner | None = None


class CompiledArtifacts(Data):
    """The document. Frozen, strict for its writer; read it with `read_artifact`."""

    version: str = VERSION
    product: ProductIdentity
    sources: Sources
    tools: Tools
    transforms: tuple[DbtProject, ...]
    landing: tuple[LandedKind, ...]
    serving: Serving
    environments: dict[str, CompiledEnvironment]

    def to_bytes(self) -> bytes:
        """The bytes that are stored and have the digest."""
        return canonical_json(self.to_document())

    def to_document(self) -> dict[str, Any]:
        """The document as plain JSON values."""
        return self.model_dump(mode="json", exclude_none=True)

    def digest(self) -> str:
        """The artifact's digest."""
        return digest_of(self.to_bytes())


def read_artifact(content: bytes, digest: str) -> CompiledArtifacts:
    """Read an artifact after checking that its bytes have `digest`.

    Raises:
        ArtifactCorrupt: they do not.
        ContractError: the document is of another major, or does not fulfil the contract.
    """
    if digest_of(content) != digest:
        raise ArtifactCorrupt(f"the artifact announced as {digest} has the digest {digest_of(content)}")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"artifact {digest} is not JSON: {error}") from error
    version = str(document.get("version", "")) if isinstance(document, dict) else ""
    if version.split(".")[0] != VERSION.split(".")[0]:
        raise ContractError(
            f"artifact {digest} has version {version!r}, and this version of floe reads {VERSION.split('.')[0]}.x",
            hint="upgrade the service that reads, or compile again",
        )
    return CompiledArtifacts.read(document)
