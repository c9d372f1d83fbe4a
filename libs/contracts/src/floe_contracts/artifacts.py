"""CompiledArtifacts: the one immutable document that the compiler makes of both specs (DESIGN section 4).

It holds no time, no absolute path, no tenant, repository or commit, so that the same source has the same digest
anywhere. Node-level parts are blobs that it names by digest.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from pydantic import Field

from floe_contracts.artifact_upcasts import upcast
from floe_contracts.compiled_product import (
    CompiledDestination,
    CompiledObservability,
    CompiledOrchestration,
    CompiledOutputPort,
    CompiledPreAggregations,
    CompiledPythonTransform,
    CompiledSchedule,
    CompiledTrigger,
)
from floe_contracts.data_contracts import CompiledDataContract
from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.errors import ContractError, Permanent
from floe_contracts.events import Data
from floe_contracts.maintenance import CompiledMaintenance
from floe_contracts.platform.environments import PolicyAction
from floe_contracts.product.serving import LandedKind

VERSION: Final = "1.3.0"


class ArtifactCorrupt(Permanent):
    """The bytes of an artifact do not have the digest that was announced."""

    code = "FLOE-ART-001"
    title = "An artifact does not match its digest"


class ProductIdentity(Data):
    """The product, as its spec says."""

    name: str = Field(description="Name, as floe.yaml says.")
    version: str = Field(description="Version, as floe.yaml says.")
    description: str = Field(description="Description, as floe.yaml says.")
    owner: str = Field(description="Owner, as floe.yaml says.")
    labels: dict[str, str] = Field(description="Labels, as floe.yaml says.")


class Sources(Data):
    """What was compiled, by digest."""

    bundle: str = Field(description="Digest of the source bundle.")
    platform: str = Field(description="Digest of the platform document.")
    packages: str | None = Field(
        default=None, description="Digest of the bundle of dbt packages; None where the source bundle has all it needs."
    )


class Tools(Data):
    """What compiled it."""

    dbt_core: str = Field(description="Version of dbt.")
    adapters: dict[str, str] = Field(description="Versions of dbt's adapters, by name.")


class DbtProject(Data):
    """The dbt project inside the bundle."""

    type: Literal["dbt"] = Field(default="dbt", description="The kind of transform.")
    path: str = Field(description="Folder of dbt_project.yml in the bundle.")


class Compute(Data):
    """Where tables are built."""

    name: str = Field(description="Name in platform.yaml.")
    type: str = Field(description="duckdb, snowflake, bigquery, redshift, databricks, postgres or spark")
    threads: int = Field(description="Nodes that dbt builds at the same time; of DuckDB, its threads.")
    memory_limit: str | None = Field(
        default=None, description="Memory of DuckDB, as in properties too: readers of 1.0 look for it here."
    )
    properties: dict[str, Any] = Field(default={}, description="Everything else that platform.yaml says of it.")
    secrets: dict[str, str] = Field(
        default={}, description="Names of secrets, by the environment variable that stands for each in dbt's profile."
    )


class Storage(Data):
    """The storage that an environment resolves to."""

    name: str = Field(description="Name in platform.yaml.")
    type: str = Field(description="local, s3, gcs or azure")
    properties: dict[str, Any] = Field(default={}, description="Everything else that platform.yaml says of it.")
    secrets: dict[str, str] = Field(default={}, description="Names of secrets, by the property that each one is.")


class Catalog(Data):
    """The catalog that an environment resolves to."""

    name: str = Field(description="Name in platform.yaml.")
    type: str = Field(description="sql, rest, polaris, nessie, glue or hive")
    properties: dict[str, Any] = Field(default={}, description="Everything else that platform.yaml says of it.")
    secrets: dict[str, str] = Field(default={}, description="Names of secrets, by the property that each one is.")


class CompiledPolicy(Data):
    """What happens to one classification in one environment."""

    action: PolicyAction = Field(description="none, mask, redact or restrict.")
    requires_role: tuple[str, ...] = Field(description="Roles, any of which sees the column as it is.")


class CompiledEnvironment(Data):
    """The product in one environment."""

    refs: tuple[str, ...] = Field(description="Git refs that build here.")
    compute: Compute
    computes: dict[str, Compute] = Field(
        default={}, description="Other computes of single models, by the logical names that the models have them by."
    )
    storage: Storage
    catalog: Catalog
    policies: dict[str, CompiledPolicy] = Field(description="What happens to each classification.")
    maintenance: CompiledMaintenance = Field(
        default=CompiledMaintenance(), description="How the product's tables are kept small."
    )
    manifest: str = Field(description="Digest of the normalised dbt manifest.")
    nodes: str = Field(description="Digest of the NodeGraph.")


class CompiledRowOwner(Data):
    """Which rows a user sees."""

    column: str = Field(description="Column that names the owner of a row.")
    claim: str = Field(description="Claim of a user's token that must equal it.")


class Serving(Data):
    """How the tables are served."""

    cube: bool = Field(description="Whether Cube serves the exposed models.")
    pre_aggregations: CompiledPreAggregations | None = None
    row_owner: CompiledRowOwner | None = None


class CompiledArtifacts(Data):
    """The document. Frozen, strict for its writer; read it with `read_artifact`."""

    version: str = Field(default=VERSION, description="Semantic version of this document's form.")
    product: ProductIdentity
    sources: Sources
    tools: Tools
    transforms: tuple[DbtProject, ...]
    landing: tuple[LandedKind, ...] = Field(description="Materialisations that land as Iceberg tables.")
    serving: Serving
    python_transforms: tuple[CompiledPythonTransform, ...] = Field(default=(), description="Python modules, in order.")
    schedule: CompiledSchedule | None = None
    triggers: tuple[CompiledTrigger, ...] = Field(
        default=(CompiledTrigger(type="manual"),), description="What starts a run beside the schedule."
    )
    orchestration: CompiledOrchestration = CompiledOrchestration()
    observability: CompiledObservability = CompiledObservability()
    output_ports: tuple[CompiledOutputPort, ...] = Field(default=(), description="Tables that others may build on.")
    destinations: tuple[CompiledDestination, ...] = Field(default=(), description="Places that tables are sent to.")
    data_contracts: tuple[CompiledDataContract, ...] = Field(default=(), description="What consumers were promised.")
    environments: dict[str, CompiledEnvironment] = Field(description="The product in each environment, by name.")

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
    return CompiledArtifacts.read(upcast(document))
